"""What was seen in one span of time, lined up with the references: cells, slices, who belongs
where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from detectors.reference import CellTables, Floats, Reference, reference_of
from vigil.errors import RulerMismatchError
from vigil.quality.counts import NO_FAULTS, Quality
from vigil.types import Slice
from vigil.windows.baseline import Baseline
from vigil.windows.summary import Outcomes, Summary, membership, slices_of

Cells = tuple[tuple[str, ...], ...]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Part:
    """What one version did: its summary and the labels that arrived, with the baseline that judges
    it. ``windows``: over how many windows of time they are summed. ``quality``: its data faults."""

    baseline: Baseline
    summary: Summary
    outcomes: Outcomes | None = None
    windows: int = 1
    quality: Quality = NO_FAULTS


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Piece:
    """One part in the frame. C cells of its own.

    ``of`` (slices, C) says which cells belong to which slice; ``known`` the same without cells that
    are absent from the baseline. ``outcomes_of`` (slices, cells with labels).
    """

    part: Part
    reference: Reference
    tables: CellTables
    of: Floats
    known: Floats
    outcomes_of: Floats | None
    outcome_cells: Cells


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Frame:
    """All parts of one model at one time.

    ``novel`` (slices,): every record of the slice lies in cells that no baseline knows.
    """

    keys: tuple[str, ...]
    slices: tuple[Slice, ...]
    pieces: tuple[Piece, ...]
    records: Floats
    novel: NDArray[np.bool_]
    signals: tuple[str, ...]


def frame_of(parts: Sequence[Part], slices: Sequence[Slice] | None = None) -> Frame:
    """Line parts up.

    Args:
        parts: one per version; their rulers must count the same signals in as many bins.
        slices: which slices; all that the cells give where not stated.

    Raises:
        RulerMismatchError: no parts, a summary of another layout than its baseline's, or layouts of
            different signals or bins.
    """
    if not parts:
        raise RulerMismatchError("a score of no parts is not defined")
    first = parts[0].summary.layout
    for part in parts:
        layout, ruler = part.summary.layout, part.baseline.ruler.layout
        if layout != ruler:
            raise RulerMismatchError(
                f"summary of {part.baseline.model}: not of its baseline's layout"
            )
        if (layout.signals, layout.bins) != (first.signals, first.bins):
            raise RulerMismatchError(
                "parts with different signals or bins can't be judged together"
            )
    keys = tuple(key for key in first.keys if all(key in p.summary.layout.keys for p in parts))
    own = [_reduce(part.summary.cells, part.summary.layout.keys, keys) for part in parts]
    labelled = [
        _reduce(part.outcomes.cells, part.outcomes.keys, keys)
        if part.outcomes is not None and set(keys) <= set(part.outcomes.keys)
        else ()
        for part in parts
    ]
    union: Cells = tuple(sorted({cell for cells in (*own, *labelled) for cell in cells}))
    chosen, table = _slices(keys, union) if slices is None else _given(tuple(slices), keys, union)
    where = {cell: row for row, cell in enumerate(union)}
    pieces = []
    records = np.zeros(len(chosen))
    known_records = np.zeros(len(chosen))
    for part, cells, labels in zip(parts, own, labelled, strict=True):
        reference = reference_of(part.baseline)
        tables = reference.tables(keys, cells)
        of = table[:, [where[cell] for cell in cells]]
        known = of * tables.known
        seen = part.summary.records.astype(np.float64)
        records += of @ seen
        known_records += known @ seen
        pieces.append(
            Piece(
                part=part,
                reference=reference,
                tables=tables,
                of=of,
                known=known,
                outcomes_of=table[:, [where[cell] for cell in labels]] if labels else None,
                outcome_cells=labels,
            )
        )
    return Frame(
        keys=keys,
        slices=chosen,
        pieces=tuple(pieces),
        records=records,
        novel=(records > 0) & (known_records == 0),
        signals=first.signals,
    )


def _reduce(cells: Cells, have: tuple[str, ...], want: tuple[str, ...]) -> Cells:
    if have == want:
        return cells
    position = [have.index(key) for key in want]
    return tuple(tuple(cell[i] for i in position) for cell in cells)


@lru_cache(maxsize=64)
def _slices(keys: tuple[str, ...], cells: Cells) -> tuple[tuple[Slice, ...], Floats]:
    slices = tuple(slices_of(keys, cells))
    return slices, membership(slices, keys, cells).astype(np.float64)


@lru_cache(maxsize=64)
def _given(
    slices: tuple[Slice, ...], keys: tuple[str, ...], cells: Cells
) -> tuple[tuple[Slice, ...], Floats]:
    return slices, membership(slices, keys, cells).astype(np.float64)
