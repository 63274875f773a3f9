"""Streams that turn novel, or known again: when they begin anew as that."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detectors.evidence.history import Healthy, borrow
from detectors.evidence.table import NEW, SETTLED, StreamTable

PATIENCE = 60
"""Windows in a row that a stream must be novel, or known again, before it begins anew as that."""


def prepare(
    table: StreamTable, rows: NDArray[np.int64], novel: NDArray[np.bool_], healthy: Healthy
) -> NDArray[np.bool_]:
    """Make rows ready for scores of this novelty; returns which are to be left out.

    What a stream has learned of itself is not thrown away for a few windows in which only
    cells were seen that no baseline knows.
    """
    other = (table.novel[rows] != novel) & (table.state[rows] != NEW)
    table.flips[rows] = np.where(other, table.flips[rows] + 1, 0)
    lasting = table.flips[rows] >= PATIENCE
    own = (table.state[rows] == SETTLED) | ~table.novel[rows]
    waits = other & own & ~lasting
    changed = rows[other & ~waits]
    held, since = table.held[changed], table.held_since[changed]
    table.clear(changed)
    table.held[changed], table.held_since[changed] = held, since
    table.novel[rows] = np.where(waits, table.novel[rows], novel)
    fresh = rows[table.state[rows] == NEW]
    if len(fresh):
        borrow(table, fresh, healthy)
    return np.asarray(waits)
