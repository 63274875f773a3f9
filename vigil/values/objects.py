"""Boxes that a model drew on images: any number a record, in flat columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vigil.errors import ShapeError
from vigil.values.arrays import as_numpy, to_float32

MOST_A_RECORD = 300
"""Boxes of one record that a sample keeps: those with the highest scores."""
OUTSIDE = 0.5
"""So far beyond the image a corner may lie, in shares of its side; it is moved to the edge."""
NO_TRACK = -1


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Objects:
    """M boxes on n records.

    * ``row`` (M,) int32: which record, in [0, n), non-decreasing.
    * ``boxes`` (M, 4) float32: left, top, right, bottom in shares of the image's width and height,
      in [0, 1]; NaN where a box has no such place. ``scores`` (M,) float32 in [0, 1] or NaN.
    * ``classes`` (M,) int32: -1 where unknown.
    * ``tracks`` (M,) int64, or None where nothing was followed: -1 is a box without a track.
    """

    records: int
    row: NDArray[np.int32]
    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    classes: NDArray[np.int32]
    tracks: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        m = len(self.row)
        for name, shape in (("row", (m,)), ("boxes", (m, 4)), ("scores", (m,)), ("classes", (m,))):
            found = getattr(self, name).shape
            if found != shape:
                raise ShapeError(f"objects.{name}", expected=str(shape), found=str(found))
        if self.tracks is not None and self.tracks.shape != (m,):
            raise ShapeError("objects.tracks", expected=f"({m},)", found=str(self.tracks.shape))
        if m and (int(self.row[0]) < 0 or int(self.row[-1]) >= self.records):
            raise ShapeError(
                "objects.row",
                expected=f"rows in [0, {self.records})",
                found=f"{self.row[0]} to {self.row[-1]}",
            )
        if (np.diff(self.row) < 0).any():
            raise ShapeError("objects.row", expected="rows in order", found="another order")

    def __len__(self) -> int:
        return len(self.row)

    @property
    def nbytes(self) -> int:
        """Of all columns."""
        return sum(getattr(self, name).nbytes for name in (*_COLUMNS, "tracks") if self._has(name))

    def _has(self, name: str) -> bool:
        return getattr(self, name) is not None

    @property
    def counts(self) -> NDArray[np.int64]:
        """Boxes of each record, (n,)."""
        return np.bincount(self.row, minlength=self.records)

    @classmethod
    def none(cls, records: int) -> Objects:
        """No box on any of the records."""
        return cls(
            records=records,
            row=np.zeros(0, np.int32),
            boxes=np.zeros((0, 4), np.float32),
            scores=np.zeros(0, np.float32),
            classes=np.zeros(0, np.int32),
        )

    @classmethod
    def of(cls, value: Any, n: int, tracks: Any = None) -> Objects:
        """What a caller hands in for n records.

        Args:
            value: objects, or a mapping with ``boxes`` (M, 4) and ``row`` (M,) or ``counts`` (n,),
                where there are any of them ``scores`` (M,), ``classes`` (M,) and ``tracks`` (M,).
            n: records.
            tracks: (M,) whole numbers beside them.

        A corner up to half an image outside is moved to the edge. A box further out, turned round
        or not finite has no place (NaN). A score outside [0, 1] is missing.

        Raises:
            ShapeError: columns of another length, rows that are no record's, not numbers.
        """
        if isinstance(value, Objects):
            if value.records != n:
                raise ShapeError("detections", expected=f"{n} records", found=str(value.records))
            return value if tracks is None else replace(value, tracks=_whole(tracks, "tracks"))
        if not isinstance(value, Mapping) or "boxes" not in value:
            raise ShapeError(
                "detections", expected="a mapping with boxes", found=type(value).__name__
            )
        boxes = as_numpy(value["boxes"], "detections.boxes")
        if boxes.size == 0:
            boxes = boxes.reshape(0, 4)
        if boxes.ndim != 2 or boxes.shape[1] != 4:
            raise ShapeError("detections.boxes", expected="(M, 4)", found=str(boxes.shape))
        m = len(boxes)
        followed = value.get("tracks") if tracks is None else tracks
        columns: dict[str, Any] = {
            "boxes": _placed(to_float32(boxes)),
            "scores": _scores(value.get("scores"), m),
            "classes": _classes(value.get("classes"), m),
            "tracks": None if followed is None else _whole(followed, "tracks"),
        }
        row = _rows(value, n, m)
        for name, column in (*columns.items(), ("row", row)):
            if column is not None and len(column) != m:
                raise ShapeError(
                    f"detections.{name}", expected=f"{m} values", found=str(len(column))
                )
        if m and (int(row.min()) < 0 or int(row.max()) >= n):
            raise ShapeError(
                "detections.row", expected=f"rows in [0, {n})", found=f"{row.min()} to {row.max()}"
            )
        if (np.diff(row) < 0).any():
            order = np.argsort(row, kind="stable")
            row = row[order]
            columns = {k: None if v is None else v[order] for k, v in columns.items()}
        return cls(records=n, row=row, **columns)

    def copy(self) -> Objects:
        """The same in memory of its own."""
        columns: dict[str, Any] = {name: getattr(self, name).copy() for name in _COLUMNS}
        tracks = None if self.tracks is None else self.tracks.copy()
        return Objects(records=self.records, tracks=tracks, **columns)

    def take(self, rows: NDArray[np.int64] | Sequence[int]) -> Objects:
        """The boxes of some of the records, in the given order; a record may come twice."""
        chosen = np.asarray(rows, np.int64)
        places, counts = self.places(chosen)
        return self._at(places, np.repeat(np.arange(len(chosen)), counts), len(chosen))

    def places(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Where the boxes of some records stand, one record after the other; boxes of each."""
        counts = self.counts
        first = np.concatenate([[0], np.cumsum(counts)])
        mine = counts[rows]
        start = np.repeat(first[rows] - (np.cumsum(mine) - mine), mine)
        return start + np.arange(int(mine.sum())), mine

    def _at(self, places: NDArray[np.int64], row: NDArray[Any], records: int) -> Objects:
        columns: dict[str, Any] = {name: getattr(self, name)[places] for name in _COLUMNS[1:]}
        tracks = None if self.tracks is None else self.tracks[places]
        return Objects(records=records, row=row.astype(np.int32), tracks=tracks, **columns)

    @staticmethod
    def concatenate(parts: Sequence[Objects]) -> Objects:
        """Records end to end. Where only some parts were followed, the others have no track."""
        if len(parts) == 1:
            return parts[0]
        before = np.concatenate([[0], np.cumsum([part.records for part in parts])])
        columns: dict[str, Any] = (
            {name: np.concatenate([getattr(part, name) for part in parts]) for name in _COLUMNS[1:]}
            if parts
            else {}
        )
        if not parts:
            return Objects.none(0)
        tracks = None
        if any(part.tracks is not None for part in parts):
            tracks = np.concatenate([part.track_ids() for part in parts])
        row = np.concatenate(
            [part.row + np.int32(start) for part, start in zip(parts, before, strict=False)]
        )
        return Objects(records=int(before[-1]), row=row, tracks=tracks, **columns)

    def track_ids(self) -> NDArray[np.int64]:
        """(M,); -1 where nothing was followed."""
        if self.tracks is None:
            return np.full(len(self), NO_TRACK, np.int64)
        return self.tracks

    def limited(self, most: int = MOST_A_RECORD) -> Objects:
        """At most so many boxes of each record: those with the highest scores."""
        counts = self.counts
        if not len(counts) or int(counts.max()) <= most:
            return self
        order = np.lexsort((-np.nan_to_num(self.scores, nan=-1.0), self.row))
        place = np.arange(len(self)) - np.repeat(np.cumsum(counts) - counts, counts)
        kept = np.sort(order[place < most])
        return self._at(kept, self.row[kept], self.records)

    def to_arrays(self, prefix: str) -> dict[str, NDArray[Any]]:
        """The columns by name; boxes in 16 bits, the step is 1/2000 of a side or less."""
        arrays: dict[str, NDArray[Any]] = {
            f"{prefix}.row": self.row,
            f"{prefix}.boxes": self.boxes.astype(np.float16),
            f"{prefix}.scores": self.scores.astype(np.float16),
            f"{prefix}.classes": self.classes,
        }
        if self.tracks is not None:
            arrays[f"{prefix}.tracks"] = self.tracks
        return arrays

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, NDArray[Any]], prefix: str, records: int
    ) -> Objects | None:
        """What ``to_arrays`` wrote; None where there is none."""
        if f"{prefix}.row" not in arrays:
            return None
        tracks = arrays.get(f"{prefix}.tracks")
        return cls(
            records=records,
            row=arrays[f"{prefix}.row"].astype(np.int32),
            boxes=arrays[f"{prefix}.boxes"].astype(np.float32),
            scores=arrays[f"{prefix}.scores"].astype(np.float32),
            classes=arrays[f"{prefix}.classes"].astype(np.int32),
            tracks=None if tracks is None else tracks.astype(np.int64),
        )


_COLUMNS = ("row", "boxes", "scores", "classes")


def _rows(value: Mapping[str, Any], n: int, m: int) -> NDArray[np.int32]:
    if "row" in value:
        row = _whole(value["row"], "detections.row")
        return np.clip(row, -1, n).astype(np.int32)  # either is no record's
    if "counts" not in value:
        if n == 1:
            return np.zeros(m, np.int32)
        raise ShapeError("detections", expected="row or counts", found=", ".join(map(str, value)))
    counts = _whole(value["counts"], "detections.counts")
    # Each is held to M first: a sum that wrapped round could fit.
    if counts.shape != (n,) or ((counts < 0) | (counts > m)).any() or int(counts.sum()) != m:
        raise ShapeError(
            "detections.counts",
            expected=f"{n} counts, {m} together",
            found=f"{counts.tolist()!s:.80}",
        )
    return np.repeat(np.arange(n, dtype=np.int32), counts)


def _whole(value: Any, what: str) -> NDArray[np.int64]:
    array = as_numpy(value, what)
    if array.size == 0:
        return np.zeros(0, np.int64)
    if array.ndim != 1 or not np.isfinite(array).all() or (array != np.floor(array)).any():
        raise ShapeError(what, expected="whole numbers, one a box", found=str(array.shape))
    if array.dtype.kind == "f" and (np.abs(array) >= 2.0**63).any():
        raise ShapeError(what, expected="numbers of 64 bits", found="larger ones")
    return array.astype(np.int64)


def _placed(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    with np.errstate(invalid="ignore"):
        there = ((boxes >= -OUTSIDE) & (boxes <= 1.0 + OUTSIDE)).all(axis=1)
        there &= (boxes[:, 2] >= boxes[:, 0]) & (boxes[:, 3] >= boxes[:, 1])
    placed = np.clip(boxes, 0.0, 1.0)
    placed[~there] = np.nan
    return np.asarray(placed, np.float32)


def _scores(value: Any, m: int) -> NDArray[np.float32]:
    if value is None:
        return np.full(m, np.nan, np.float32)
    scores = to_float32(as_numpy(value, "detections.scores")).reshape(-1)
    with np.errstate(invalid="ignore"):
        return np.where((scores >= -1e-3) & (scores <= 1.001), np.clip(scores, 0, 1), np.nan)


def _classes(value: Any, m: int) -> NDArray[np.int32]:
    if value is None:
        return np.full(m, -1, np.int32)
    classes = _whole(value, "detections.classes")
    return np.where((classes >= 0) & (classes < 2**31), classes, -1).astype(np.int32)
