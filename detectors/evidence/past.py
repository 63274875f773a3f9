"""Windows declared healthy, gathered by stream: what an engine learns before its first tick."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from detectors.evidence import trailing
from detectors.evidence.table import NEW, StreamTable
from detectors.scores import ScoreBatch

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

_SCORES = ("score", "noise", "open_score", "open_noise")


def gathered(
    table: StreamTable, batches: Sequence[ScoreBatch], located: Sequence[Rows]
) -> tuple[Rows, dict[str, Floats]]:
    """The scores of the batches, one for each tick, by name (ticks, rows); NaN where there is none.

    A young stream is novel where most of its windows were; windows of the other kind are left out.

    Args:
        located: the rows of each batch's streams, -1 where one has none.
    """
    everything = np.unique(np.concatenate(located))
    everything = everything[everything >= 0]
    position = np.full(len(table) + 1, -1)
    position[everything] = np.arange(len(everything))
    shape = (len(batches), len(everything))
    columns = {name: np.full(shape, np.nan) for name in _SCORES}
    novel = np.zeros(shape, bool)
    for i, (batch, rows) in enumerate(zip(batches, located, strict=True)):
        use = rows >= 0
        where = position[rows[use]]
        for name, column in columns.items():
            column[i, where] = getattr(batch, name)[use]
        novel[i, where] = batch.novel[use]
    seen = np.isfinite(columns["score"])
    often = 2 * (novel & seen).sum(axis=0) > seen.sum(axis=0)
    young = (table.state[everything] == NEW) & (table.history[everything] == 0)
    table.novel[everything[young]] = often[young]
    other = novel != table.novel[everything]
    for column in columns.values():
        column[other] = np.nan
    return everything, columns


def date(table: StreamTable, rows: Rows, scores: Floats, ticks: Rows) -> None:
    """Note when rows were last seen; history from before that is no reference of now."""
    last = np.where(np.isfinite(scores), ticks[:, None], 0).max(axis=0)
    before = table.last_seen[rows]
    trailing.restart(table, rows[(last > 0) & (last < before)])
    table.last_seen[rows] = np.maximum(last, before)
