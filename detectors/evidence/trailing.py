"""The trailing reference: what a stream's score was of late.

The mean of a stream's own windows, the last ``LAG`` left out so that a fault that begins is not
its own reference. It moves with weather and seasons, which a fixed reference would take for
drift. While an alarm is open it stands still.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detectors.evidence.table import RING, StreamTable

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

LAG = 5
READY = 10
"""Windows before there is a reference at all."""

MIDDLE = (RING - LAG) / 2.0 + LAG
"""How many windows back the middle of a full reference lies."""


def reference(table: StreamTable, rows: Rows) -> tuple[Floats, Floats]:
    """Mean of each row's reference, and the number of windows in it: (m,) each."""
    size = np.clip(table.pushed[rows] - LAG, 0, RING - LAG).astype(np.float64)
    return table.trail_sum[rows] / np.maximum(size, 1.0), size


def push(table: StreamTable, rows: Rows, score: Floats) -> None:
    """One more window of each row."""
    place, pushed = table.pushed[rows] % RING, table.pushed[rows]
    leaving = np.where(pushed >= RING, table.trail[rows, place], 0.0)
    table.trail[rows, place] = score
    entering = np.where(pushed >= LAG, table.trail[rows, (pushed - LAG) % RING], 0.0)
    table.trail_sum[rows] += entering - leaving
    table.pushed[rows] = pushed + 1


def restart(table: StreamTable, rows: Rows) -> None:
    """Forget the reference: it is too old to say anything of now."""
    table.pushed[rows], table.trail_sum[rows], table.pause[rows] = 0, 0.0, 0.0


def pop(table: StreamTable, rows: Rows, many: Rows) -> None:
    """Take the last ``many`` windows of each row out again.

    What they had overwritten is gone: the reference then rests on fewer windows.
    """
    for row, back in zip(rows.tolist(), many.tolist(), strict=True):
        end = int(table.pushed[row])
        kept = [table.trail[row, i % RING] for i in range(max(0, end - RING), end - back)]
        fill(table, row, np.array(kept, np.float64))


def fill(table: StreamTable, row: int, scores: Floats) -> None:
    """Start a row's reference from its last windows, oldest first."""
    last = scores[-RING:].astype(np.float32)
    table.trail[row, : len(last)] = last
    table.pushed[row] = len(last)
    table.trail_sum[row] = last[: max(len(last) - LAG, 0)].sum(dtype=np.float64)
