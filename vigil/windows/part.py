"""What a device measured of a window, to be added to what else the window holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vigil.quality.counts import NO_FAULTS, Quality
from vigil.windows.ruler import Ruler
from vigil.windows.sample import Sample
from vigil.windows.summary import OTHER, SUMMED, Summary
from vigil.windows.window import Ledger


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Part:
    """Sums, samples, data faults and ledger of n records that were measured with one ruler.

    ``ledger.cell`` counts rows of ``summary``. ``ids``: n, which the ledger keeps only where the
    caller chose them (``custom_ids``).
    """

    ruler: Ruler
    summary: Summary
    sample: Sample
    informative: Sample
    ledger: Ledger
    ids: tuple[str, ...]
    custom_ids: bool
    quality: Quality = NO_FAULTS


def grown(old: Summary, new: Summary, max_cells: int) -> tuple[Summary, NDArray[np.int64]]:
    """The sum of two summaries of one layout, the cells of ``old`` first.

    Cells of ``new`` for which there is no room are added to the one that is ``OTHER`` in every
    key.

    Returns:
        The sum, and the row in it of each cell of ``new``.
    """
    other = (OTHER,) * len(old.layout.keys)
    where = {cell: row for row, cell in enumerate(old.cells)}
    rows = np.zeros(len(new.cells), np.int64)
    for i, cell in enumerate(new.cells):
        if cell not in where and len(where) >= max_cells - (other not in where):
            cell = other
        rows[i] = where.setdefault(cell, len(where))
    total = Summary.empty(old.layout, tuple(where))
    count = len(old.cells)
    for name in SUMMED:
        sums = getattr(total, name)
        sums[:count] = getattr(old, name)
        np.add.at(sums, rows, getattr(new, name))
    return total, rows


def moved(ledger: Ledger, rows: Sequence[int] | NDArray[np.int64]) -> Ledger:
    """The ledger with its cells counted anew: cell i is now ``rows[i]``."""
    cell = np.asarray(rows)[ledger.cell].astype(np.uint16)
    return Ledger(
        counter=ledger.counter,
        cell=cell,
        prediction=ledger.prediction,
        confidence=ledger.confidence,
    )
