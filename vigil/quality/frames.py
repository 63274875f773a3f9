"""Looks at the frames of batches as they pass: black, frozen and repeated ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vigil.quality.hashes import Hashes, frame_hashes
from vigil.quality.kinds import DataFault
from vigil.quality.repeats import Repeats

BLACK_BRIGHTNESS = 0.05
BLACK_CONTRAST = 0.01
CAMERA_KEYS = ("camera",)


class Frames:
    """One for each boot of a tap: it remembers the last frames of each camera.

    Args:
        keys: metadata keys that together name the camera of a frame. Frames without any of them
            are of one camera.
    """

    def __init__(self, keys: Sequence[str], repeats: Repeats | None = None) -> None:
        self._keys = tuple(dict.fromkeys(keys))
        self._repeats = repeats if repeats is not None else Repeats()

    def flags(
        self,
        images: NDArray[Any],
        metadata: Sequence[Mapping[str, str]],
        time_s: NDArray[np.float64],
    ) -> NDArray[np.uint32]:
        """Which of n frames are frozen or near-duplicates, as flags, (n,).

        Args:
            images: (n, h, w, c), or the rows of their strips.
            metadata: n mappings.
            time_s: when, (n,), in the order the frames were made.
        """
        return self.flags_of(*frame_hashes(images), metadata, time_s)

    def flags_of(
        self,
        looks: Hashes,
        exact: Hashes,
        metadata: Sequence[Mapping[str, str]],
        time_s: NDArray[np.float64],
    ) -> NDArray[np.uint32]:
        """The same from the two hashes of each frame, (n,) each."""
        flags = np.zeros(len(looks), np.uint32)
        near, frozen = self._repeats.observe(self._cameras(metadata), looks, exact, time_s)
        flags[near] |= np.uint32(DataFault.NEAR_DUPLICATE.bit)
        flags[frozen] |= np.uint32(DataFault.FROZEN.bit)
        return flags

    def _cameras(self, metadata: Sequence[Mapping[str, str]]) -> list[str]:
        names: dict[int, str] = {}
        for one in metadata:
            if id(one) not in names:
                names[id(one)] = "\0".join([one.get(key, "") for key in self._keys])
        return [names[id(one)] for one in metadata]


def black_flags(
    brightness: NDArray[np.float64], contrast: NDArray[np.float64]
) -> NDArray[np.uint32]:
    """Which images are black, as flags, (n,); from their signals, (n,) each."""
    black = (brightness < BLACK_BRIGHTNESS) & (contrast < BLACK_CONTRAST)
    return black.astype(np.uint32) * np.uint32(DataFault.BLACK.bit)


def pixel_range(images: NDArray[Any]) -> NDArray[np.float32]:
    """The lowest and the highest value of images (n, h, w, c) of floats, (n, 2); NaN for integers,
    whose type says their range, and for images with a value that is not finite."""
    n = len(images)
    if images.dtype.kind != "f" or 0 in images.shape:
        return np.full((n, 2), np.nan, np.float32)
    flat = images.reshape(n, -1)
    with np.errstate(over="ignore", invalid="ignore"):
        found = np.stack([flat.min(axis=1), flat.max(axis=1)], axis=1).astype(np.float32)
    found[~np.isfinite(found).all(axis=1)] = np.nan
    return found
