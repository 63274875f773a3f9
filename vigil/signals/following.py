"""What the tracks of a tracker say, without knowing the truth.

Records are followed in the order in which they came, one line of frames for each stream (a camera).
What is remembered is bounded: 256 streams, 4096 tracks each, 300 frames without a sign.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vigil.signals.boxes import iou
from vigil.values.objects import NO_TRACK, Objects

STREAMS = 256
TRACKS = 4096
FORGOTTEN_AFTER = 300
_CHUNK = 32
SAME_PLACE = 0.5
"""Boxes of neighbouring frames that overlap by this IoU or more are the same thing."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Followed:
    """``length`` (M,): frames in which the box's track was seen so far, this one included; NaN for
    a box without a track. ``switches``, ``fragments`` (n,): see the signals."""

    length: NDArray[np.float64]
    switches: NDArray[np.float64]
    fragments: NDArray[np.float64]


@dataclass(slots=True)
class _Stream:
    frame: int = 0
    seen: dict[int, tuple[int, int]] = field(default_factory=dict)  # id: frames, last frame
    boxes: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 4), np.float32))
    tracks: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))


_Pair = tuple[int, NDArray[np.float32], NDArray[np.int64], NDArray[np.float32], NDArray[np.int64]]
"""A frame's row, boxes and tracks, and those of the frame before."""


class Follower:
    """What is remembered of the frames that came before."""

    def __init__(self) -> None:
        self._streams: OrderedDict[object, _Stream] = OrderedDict()

    def follow(self, objects: Objects, streams: Sequence[object]) -> Followed:
        """The next n frames.

        Args:
            objects: their boxes.
            streams: of which stream each frame is, n of them.
        """
        out = Followed(
            length=np.full(len(objects), np.nan),
            switches=np.zeros(objects.records),
            fragments=np.zeros(objects.records),
        )
        ends = np.cumsum(objects.counts)
        ids = objects.track_ids()
        pairs: list[_Pair] = []
        for row, (stream, end, count) in enumerate(
            zip(streams, ends.tolist(), objects.counts.tolist(), strict=True)
        ):
            boxes, tracks = objects.boxes[end - count : end], ids[end - count : end]
            line = self._line(stream)
            length, fragments = _known(line, tracks.tolist())
            out.length[end - count : end] = length
            if count and len(line.boxes):
                pairs.append((row, boxes, tracks, line.boxes, line.tracks))
            out.fragments[row] = fragments
            followed = tracks != NO_TRACK
            line.boxes, line.tracks = boxes[followed], tracks[followed]
        for start in range(0, len(pairs), _CHUNK):
            part = pairs[start : start + _CHUNK]
            out.switches[[pair[0] for pair in part]] = _switched(part)
        return out

    def _line(self, stream: object) -> _Stream:
        line = self._streams.get(stream)
        if line is None:
            line = self._streams[stream] = _Stream()
            if len(self._streams) > STREAMS:
                self._streams.popitem(last=False)
        self._streams.move_to_end(stream)
        line.frame += 1
        return line


def _known(line: _Stream, tracks: list[int]) -> tuple[list[float], int]:
    """How long each track has been followed, and how many came back after frames without them."""
    now, lengths, fragments = line.frame, [], 0
    for track in tracks:
        if track == NO_TRACK:
            lengths.append(float("nan"))
            continue
        frames, last = line.seen.get(track, (0, now - 1))
        if last == now:  # one track twice on a frame
            lengths.append(float(frames))
            continue
        fragments += last < now - 1
        line.seen[track] = frames + 1, now
        lengths.append(float(frames + 1))
    if now % FORGOTTEN_AFTER == 0 or len(line.seen) > TRACKS:
        recent = sorted(line.seen.items(), key=lambda one: one[1][1])[-TRACKS // 2 :]
        line.seen = {k: v for k, v in recent if v[1] > now - FORGOTTEN_AFTER}
    return lengths, fragments


def _switched(pairs: Sequence[_Pair]) -> NDArray[np.int64]:
    """Boxes that lie where the frame before had another track, of each pair of frames."""
    boxes, tracks = _padded([(one[1], one[2]) for one in pairs])
    before, numbers = _padded([(one[3], one[4]) for one in pairs])
    table = iou(boxes, before)
    best = table.argmax(axis=2)
    overlap = np.take_along_axis(table, best[:, :, None], axis=2)[:, :, 0]
    was = np.take_along_axis(numbers, best, axis=1)
    switched = (overlap >= SAME_PLACE) & (tracks != NO_TRACK) & (was != tracks)
    return np.asarray(switched.sum(axis=1), np.int64)


def _padded(
    frames: Sequence[tuple[NDArray[np.float32], NDArray[np.int64]]],
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Frames as (f, m, 4) and (f, m): boxes without a place and a track where one has fewer."""
    most = max(len(tracks) for _, tracks in frames)
    boxes = np.full((len(frames), most, 4), np.nan, np.float32)
    tracks = np.full((len(frames), most), NO_TRACK, np.int64)
    for row, (own, ids) in enumerate(frames):
        boxes[row, : len(ids)], tracks[row, : len(ids)] = own, ids
    return boxes, tracks
