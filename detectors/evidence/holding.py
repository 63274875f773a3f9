"""What an alarm does to a stream's memory: held while it is open, released, or accepted."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detectors.evidence import aftershock, trailing
from detectors.evidence.table import SETTLED, WARMING, StreamTable

Rows = NDArray[np.int64]

STALE = 1440
"""Ticks on hold after which the reference is too old: a day of minutes, and weather changes."""


def hold(table: StreamTable, rows: Rows, *, since_tick: int, now: int) -> None:
    """Take the windows since ``since_tick`` out of the pools again, and let no more in."""
    rows = np.unique(rows)
    rows = rows[~table.held[rows]]
    table.held[rows] = True
    table.held_since[rows] = now
    back = table.take_back(rows, since_tick)
    aftershock.discard(table, rows, since_tick)
    settled = (table.state[rows] == SETTLED) & (back > 0)
    trailing.pop(table, rows[settled], back[settled])
    level, size = trailing.reference(table, rows[settled])
    known = rows[settled][size > 0]
    table.lags[known] = table.smooth[known] = level[size > 0, None]
    table.alert[rows] = 0


def release(table: StreamTable, rows: Rows, *, now: int) -> None:
    """Let windows in again; a reference that stood still for too long starts from nothing."""
    age = now - table.held_since[rows]
    trailing.restart(table, rows[table.held[rows] & (age >= STALE)])
    table.held[rows] = False


def accept(table: StreamTable, rows: Rows) -> None:
    """Begin anew without borrowing: mute until there is a history."""
    novel, seen = table.novel[rows], table.last_seen[rows]
    table.clear(rows)
    table.novel[rows], table.last_seen[rows] = novel, seen
    table.state[rows], table.band[rows] = WARMING, np.inf
