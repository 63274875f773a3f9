"""A bound on the leaf cells of one model: metadata that takes ever new values makes no more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from detectors.frame import Part
from vigil.measuring.summarise import MAX_CELLS
from vigil.windows.summary import OTHER, Outcomes, Summary

Cell = tuple[str, ...]


def capped(parts: Sequence[Part], most: int = MAX_CELLS) -> list[Part]:
    """The same records in at most ``most`` cells; the others go to the one that is ``OTHER``.

    Cells that a baseline knows come first, then those with most records.
    """
    distinct = {cell for part in parts for cell in _cells(part)}
    if len(distinct) <= most:
        return list(parts)
    known = {cell for part in parts for cell in part.baseline.reference.cells}
    records: Counter[Cell] = Counter()
    for part in parts:
        records.update(dict(zip(part.summary.cells, part.summary.records.tolist(), strict=True)))
    order = sorted(distinct, key=lambda cell: (cell not in known, -records[cell], cell))
    kept = frozenset(order[: most - 1])
    return [_folded(part, kept) for part in parts]


def _cells(part: Part) -> Sequence[Cell]:
    return (*part.summary.cells, *(part.outcomes.cells if part.outcomes else ()))


def _folded(part: Part, kept: frozenset[Cell]) -> Part:
    summary, outcomes = part.summary, part.outcomes
    inside = [cell in kept for cell in summary.cells]
    if not all(inside):
        others = summary.where([row for row, known in enumerate(inside) if not known])
        rest = replace(
            others.collapse(), layout=summary.layout, cells=(_rest(summary.layout.keys),)
        )
        mine = summary.where([row for row, known in enumerate(inside) if known])
        summary = Summary.total([mine, rest])
    if outcomes is not None:
        names = [cell if cell in kept else _rest(cell) for cell in outcomes.cells]
        outcomes = Outcomes.total(
            Outcomes(keys=outcomes.keys, cells=(name,), table=outcomes.table[row : row + 1])
            for row, name in enumerate(names)
        )
    return replace(part, summary=summary, outcomes=outcomes)


def _rest(keys: Sequence[str]) -> Cell:
    return (OTHER,) * len(keys)
