"""A window is a sum: arrays per leaf cell that merge by addition.

Everything is an integer (floats are kept as fixed point), because float addition is not
associative and replicas, minutes and slices are added in any order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vigil.errors import RulerMismatchError, ShapeError
from vigil.types import WHOLE, Harm, Per, Signal, SignalForm, SignalKind, Slice, Task

Ints = NDArray[np.int64]

OTHER = "*other*"
MISSING = "*missing*"
FEATURE_UNIT = 2**20
MOMENT_UNIT = 2**10
MOMENT_CLIP = 64.0
CONFIDENCE_BINS = 15
CONFIDENCE_UNIT = 2**16


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """The axes of a summary: which keys, signals, bins, classes and features it counts.

    ``task``: what the model does. ``declared``: what signals beyond vigil's own mean.
    """

    keys: tuple[str, ...]
    signals: tuple[str, ...]
    bins: int
    classes: int
    features: int
    task: Task = "classification"
    declared: tuple[Signal, ...] = ()

    def as_json(self) -> dict[str, Any]:
        plain: dict[str, Any] = {
            "keys": list(self.keys),
            "signals": list(self.signals),
            "bins": self.bins,
            "classes": self.classes,
            "features": self.features,
        }
        # Left out where they say nothing, so that what was written before keeps its hash.
        if self.task != "classification":
            plain["task"] = self.task
        if self.declared:
            plain["declared"] = [asdict(one) for one in self.declared]
        return plain

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Layout:
        return cls(
            keys=tuple(value["keys"]),
            signals=tuple(value["signals"]),
            bins=int(value["bins"]),
            classes=int(value["classes"]),
            features=int(value["features"]),
            task=value.get("task", "classification"),
            declared=tuple(_signal(one) for one in value.get("declared", ())),
        )


def _signal(plain: dict[str, Any]) -> Signal:
    """A signal of the caller's own as a layout carries it."""
    return Signal(
        name=str(plain["name"]),
        kind=SignalKind(plain["kind"]),
        form=SignalForm(plain["form"]),
        unit=str(plain["unit"]),
        low=float(plain["low"]),
        high=float(plain["high"]),
        harm=Harm(plain["harm"]),
        tolerance=float(plain["tolerance"]),
        description=str(plain["description"]),
        per=Per(plain["per"]),
    )


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Summary:
    """Counts per leaf cell. C cells, S signals, B bins, K classes, F features.

    ``cells[c]`` holds one metadata value per key, in the order of ``layout.keys``.

    * ``records`` (C,): inferences.
    * ``counts`` (C, S, B + 1): inferences per bin (boxes, of a signal that each box has); the last
      column counts missing values (NaN, infinite, not supplied).
    * ``moments`` (C, S, 2): sum and sum of squares of the value standardised by the ruler,
      in units of 1/1024 (squares: 1/1024**2).
    * ``classes`` (C, K + 1): predicted classes, one an inference or as many as it has labels, boxes
      or masks; the last column is any other class.
    * ``embedded`` (C,): inferences with a finite embedding.
    * ``features`` (C, F): sums of the random Fourier features, in units of 2**-20.
    """

    layout: Layout
    cells: tuple[tuple[str, ...], ...]
    records: Ints
    counts: Ints
    moments: Ints
    classes: Ints
    embedded: Ints
    features: Ints

    def __post_init__(self) -> None:
        c, lay = len(self.cells), self.layout
        for name, shape in (
            ("records", (c,)),
            ("counts", (c, len(lay.signals), lay.bins + 1)),
            ("moments", (c, len(lay.signals), 2)),
            ("classes", (c, lay.classes + 1)),
            ("embedded", (c,)),
            ("features", (c, lay.features)),
        ):
            array = getattr(self, name)
            if array.shape != shape or array.dtype != np.int64:
                raise ShapeError(
                    f"summary.{name}",
                    expected=f"int64 {shape}",
                    found=f"{array.dtype} {array.shape}",
                )
        if any(len(cell) != len(lay.keys) for cell in self.cells):
            raise ShapeError(
                "summary.cells", expected=f"{len(lay.keys)} values a cell", found="another number"
            )
        if len(set(self.cells)) != c:
            raise ShapeError("summary.cells", expected="distinct cells", found="one cell twice")

    @classmethod
    def empty(cls, layout: Layout, cells: Sequence[tuple[str, ...]] = ()) -> Summary:
        c, s = len(cells), len(layout.signals)
        return cls(
            layout=layout,
            cells=tuple(cells),
            records=np.zeros(c, np.int64),
            counts=np.zeros((c, s, layout.bins + 1), np.int64),
            moments=np.zeros((c, s, 2), np.int64),
            classes=np.zeros((c, layout.classes + 1), np.int64),
            embedded=np.zeros(c, np.int64),
            features=np.zeros((c, layout.features), np.int64),
        )

    @property
    def total_records(self) -> int:
        return int(self.records.sum())

    def __add__(self, other: Summary) -> Summary:
        return Summary.total([self, other])

    @staticmethod
    def total(summaries: Iterable[Summary]) -> Summary:
        """The sum of summaries of one layout; cells come out sorted.

        Raises:
            RulerMismatchError: layouts differ, or nothing was given.
        """
        parts = list(summaries)
        if not parts:
            raise RulerMismatchError("a sum of no summaries has no layout")
        layout = parts[0].layout
        if any(part.layout != layout for part in parts):
            raise RulerMismatchError("summaries of different layouts can't be added")
        cells = sorted({cell for part in parts for cell in part.cells})
        where = {cell: row for row, cell in enumerate(cells)}
        out = Summary.empty(layout, cells)
        for part in parts:
            rows = [where[cell] for cell in part.cells]
            for name in SUMMED:
                # The cells of one summary are distinct, so plain indexing adds each row once.
                getattr(out, name)[rows] += getattr(part, name)
        return out

    def where(self, rows: NDArray[np.bool_] | Sequence[int]) -> Summary:
        """The summary of some of the cells."""
        index = np.asarray(rows)
        index = np.flatnonzero(index) if index.dtype == bool else index.astype(np.int64)
        return Summary(
            layout=self.layout,
            cells=tuple(self.cells[i] for i in index),
            **{name: getattr(self, name)[index] for name in SUMMED},
        )

    def collapse(self) -> Summary:
        """All cells as one, without keys: the whole."""
        return Summary(
            layout=replace(self.layout, keys=()),
            cells=((),),
            **{name: getattr(self, name).sum(axis=0, keepdims=True) for name in SUMMED},
        )

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays by name, each in the smallest integer type that holds its values."""
        return {f"summary.{name}": narrow(getattr(self, name)) for name in SUMMED}

    def header(self) -> dict[str, Any]:
        return {"layout": self.layout.as_json(), "cells": [list(cell) for cell in self.cells]}

    @classmethod
    def from_parts(cls, header: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Summary:
        return cls(
            layout=Layout.from_json(header["layout"]),
            cells=tuple(tuple(str(v) for v in cell) for cell in header["cells"]),
            **{name: widen(arrays[f"summary.{name}"]) for name in SUMMED},
        )


SUMMED = ("records", "counts", "moments", "classes", "embedded", "features")


def narrow(values: Ints) -> NDArray[Any]:
    """The same integers in the smallest type that holds them: most counts fit a byte."""
    low, high = (int(values.min()), int(values.max())) if values.size else (0, 0)
    for kind in (np.int8, np.int16, np.int32):
        if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
            return values.astype(kind)
    return values


def widen(values: NDArray[Any]) -> Ints:
    """What ``narrow`` narrowed.

    Raises:
        ShapeError: not integers.
    """
    if values.dtype.kind != "i":
        raise ShapeError("summary", expected="integers", found=str(values.dtype))
    return values.astype(np.int64)


def slices_of(keys: Sequence[str], cells: Sequence[tuple[str, ...]]) -> list[Slice]:
    """The slices that are judged: the whole, each ``key=value``, and the leaf cells.

    Leaf cells come only where more than one key is declared, and only where they differ from
    every single ``key=value`` slice.
    """
    slices = [WHOLE]
    membership = {WHOLE: frozenset(range(len(cells)))}
    seen = {membership[WHOLE]} if len(cells) > 1 else set()
    for position, key in enumerate(keys):
        for value in sorted({cell[position] for cell in cells}):
            rows = frozenset(i for i, cell in enumerate(cells) if cell[position] == value)
            slices.append(Slice(((key, value),)))
            seen.add(rows)
    if len(keys) > 1:
        for i, cell in enumerate(cells):
            if frozenset([i]) not in seen:
                slices.append(Slice(tuple(zip(keys, cell, strict=True))))
    return slices


def membership(
    slices: Sequence[Slice], keys: Sequence[str], cells: Sequence[tuple[str, ...]]
) -> NDArray[np.bool_]:
    """Which cells belong to which slice, (slices, cells)."""
    position = {key: i for i, key in enumerate(keys)}
    out = np.zeros((len(slices), len(cells)), dtype=bool)
    for row, piece in enumerate(slices):
        for column, cell in enumerate(cells):
            out[row, column] = all(
                key in position and cell[position[key]] == value for key, value in piece.pairs
            )
    return out


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Outcomes:
    """Labels joined to their predictions, additive like a summary.

    ``table`` (C, 15, 3): per leaf cell and confidence bin the number of labels, the sum of the
    confidence in units of 2**-16, and the number predicted correctly.
    """

    keys: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]
    table: Ints

    @classmethod
    def of(
        cls,
        keys: Sequence[str],
        cells: Sequence[tuple[str, ...]],
        confidence: NDArray[np.floating[Any]],
        correct: NDArray[np.bool_],
    ) -> Outcomes:
        """From one row per label: its cell, the prediction's confidence in [0, 1], and whether
        it was right."""
        unique = sorted(set(cells))
        where = {cell: i for i, cell in enumerate(unique)}
        table = np.zeros((len(unique), CONFIDENCE_BINS, 3), np.int64)
        clipped = np.clip(np.nan_to_num(np.asarray(confidence, np.float64)), 0.0, 1.0)
        bins = np.minimum((clipped * CONFIDENCE_BINS).astype(np.int64), CONFIDENCE_BINS - 1)
        rows = np.array([where[cell] for cell in cells], dtype=np.int64)
        np.add.at(table[:, :, 0], (rows, bins), 1)
        np.add.at(table[:, :, 1], (rows, bins), np.rint(clipped * CONFIDENCE_UNIT).astype(np.int64))
        np.add.at(table[:, :, 2], (rows, bins), np.asarray(correct, np.int64))
        return cls(keys=tuple(keys), cells=tuple(unique), table=table)

    @staticmethod
    def total(parts: Iterable[Outcomes]) -> Outcomes:
        items = list(parts)
        if not items or any(item.keys != items[0].keys for item in items):
            raise RulerMismatchError("outcomes of different keys can't be added")
        cells = sorted({cell for item in items for cell in item.cells})
        where = {cell: i for i, cell in enumerate(cells)}
        table = np.zeros((len(cells), CONFIDENCE_BINS, 3), np.int64)
        for item in items:
            np.add.at(table, [where[cell] for cell in item.cells], item.table)
        return Outcomes(keys=items[0].keys, cells=tuple(cells), table=table)

    def __add__(self, other: Outcomes) -> Outcomes:
        return Outcomes.total([self, other])

    @property
    def total_labels(self) -> int:
        return int(self.table[..., 0].sum())
