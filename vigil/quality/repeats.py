"""Frames that repeat, camera by camera: near-duplicates, and a picture that stands still."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vigil.quality.hashes import Hashes, hamming

MOST_CAMERAS = 1024
RECENT = 8
NEAR_BITS = 3
FROZEN_FRAMES = 8

Flags = NDArray[np.bool_]


class Repeats:
    """Remembers the last frames of each camera; memory is bounded (about 100 bytes a camera).

    Args:
        recent: a frame is compared with so many before it, of its camera.
        near_bits: hashes that differ in at most so many of 64 bits are of near-duplicates.
        frozen_frames: so many equal frames in a row are a frozen picture. They must not all be of
            one moment: a batch that was filled up with copies of one image is none.
        cameras: so many are remembered; then the one that was not seen for longest is forgotten.
    """

    def __init__(
        self,
        *,
        recent: int = RECENT,
        near_bits: int = NEAR_BITS,
        frozen_frames: int = FROZEN_FRAMES,
        cameras: int = MOST_CAMERAS,
    ) -> None:
        self._recent, self._near_bits, self._frozen = recent, near_bits, frozen_frames
        self._most = cameras
        self._slots: dict[str, int] = {}
        self._hashes = np.zeros((cameras, recent), np.uint64)
        self._known = np.zeros(cameras, np.int64)
        self._exact = np.zeros(cameras, np.uint64)
        self._run = np.zeros(cameras, np.int64)
        self._since = np.zeros(cameras)

    def observe(
        self,
        cameras: Sequence[str],
        looks: Hashes,
        exact: Hashes,
        time_s: NDArray[np.float64],
    ) -> tuple[Flags, Flags]:
        """Which of n frames, in the order they were made, are near-duplicates, and which frozen.

        Args:
            cameras: n names.
            looks, exact: their hashes, (n,) each, as ``frame_hashes`` gives them.
            time_s: when, (n,).

        Returns:
            ``near`` (n,): looks like one of the last frames of its camera. ``frozen`` (n,): is at
            least the eighth of equal ones in a row.
        """
        n = len(looks)
        near, frozen = np.zeros(n, bool), np.zeros(n, bool)
        if n == 0:
            return near, frozen
        slots = self._slots_of(cameras)
        order = np.argsort(slots, kind="stable")
        slots = slots[order]
        starts = np.flatnonzero(np.r_[True, slots[1:] != slots[:-1]])
        group = np.repeat(np.arange(len(starts)), np.diff(np.r_[starts, n]))
        near[order] = self._near(slots, starts, group, looks[order])
        frozen[order] = self._still(slots, starts, group, exact[order], time_s[order])
        return near, frozen

    def _near(
        self,
        slots: NDArray[np.int64],
        starts: NDArray[np.int64],
        group: NDArray[np.int64],
        looks: Hashes,
    ) -> Flags:
        # All cameras in one line, each with its last frames before its new ones.
        n, groups, recent = len(looks), len(starts), self._recent
        mine = slots[starts]
        new = np.arange(n) + (group + 1) * recent
        old = (starts + np.arange(groups) * recent)[:, np.newaxis] + np.arange(recent)
        line = np.zeros(n + groups * recent, np.uint64)
        known = np.ones(len(line), bool)
        line[new], line[old] = looks, self._hashes[mine]
        known[old] = np.arange(recent) >= recent - self._known[mine][:, np.newaxis]
        near = np.zeros(n, bool)
        for lag in range(1, recent + 1):
            before = new - lag
            near |= known[before] & (hamming(looks, line[before]) <= self._near_bits)
        last = new[np.r_[starts[1:], n] - 1]
        self._hashes[mine] = line[last[:, np.newaxis] + np.arange(1 - recent, 1)]
        sizes = np.diff(np.r_[starts, n])
        self._known[mine] = np.minimum(self._known[mine] + sizes, recent)
        return near

    def _still(
        self,
        slots: NDArray[np.int64],
        starts: NDArray[np.int64],
        group: NDArray[np.int64],
        exact: Hashes,
        time_s: NDArray[np.float64],
    ) -> Flags:
        n, mine = len(exact), slots[starts]
        same = np.r_[False, exact[1:] == exact[:-1]]
        same[starts] = (exact[starts] == self._exact[mine]) & (self._run[mine] > 0)
        place = np.arange(n)
        broke = np.maximum.accumulate(np.where(same, -1, place))
        first = starts[group]
        goes_on = broke < first
        run = np.where(goes_on, self._run[slots] + place - first + 1, place - broke + 1)
        since = np.where(goes_on, self._since[slots], time_s[np.maximum(broke, 0)])
        last = np.r_[starts[1:], n] - 1
        self._exact[mine], self._run[mine], self._since[mine] = (
            exact[last],
            run[last],
            since[last],
        )
        return (run >= self._frozen) & (time_s > since)

    def _slots_of(self, cameras: Sequence[str]) -> NDArray[np.int64]:
        found: dict[str, int] = {}
        for name in dict.fromkeys(cameras):
            slot = self._slots.pop(name, None)
            if slot is None:
                slot = self._room()
                self._known[slot] = self._run[slot] = 0
            found[name] = self._slots[name] = slot  # the one that was seen last stands last
        return np.fromiter((found[name] for name in cameras), np.int64, len(cameras))

    def _room(self) -> int:
        if len(self._slots) < self._most:
            return len(self._slots)
        return self._slots.pop(next(iter(self._slots)))
