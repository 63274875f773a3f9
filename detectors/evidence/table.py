"""The memory of the engine: one row per stream, in arrays; as bytes: ``table_bytes``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.evidence import tempering
from detectors.evidence.pool import CELLS, SIDE
from detectors.evidence.profile import KINDS, SLOTS
from detectors.streams import StreamKey

RING = 64
VIEWS = 2
"""Plain and pre-whitened."""

LAGS, FEATURES = 2, 4
BLOCK_SIZES = 5
EMPTY, UNPOOLED = -1, -2
"""In the ring of joins: no window; one that joined the history but no pool."""

NO_BET = 255
AFTER_CELLS, OWN_AFTER_CELLS = 66, 9
DELAY = 16
"""Ticks until what followed an extreme joins the pool of such windows."""

NEW, WARMING, SETTLED = 0, 1, 2

Group = tuple[str, str, tuple[str, ...], str]
Level = tuple[str, str, int]
Array = NDArray[Any]


class StreamTable:
    """What is remembered of each stream; V views of it, plain and pre-whitened.

    * ``state`` (n,): NEW (nothing known), WARMING (borrowed history), SETTLED (its own).
    * ``mean``, ``between``, ``band`` (n,): long-run location, variance between windows beyond
      sampling, and half the width of the guardrail, in units of the score.
    * ``counts`` (n, V, CELLS): the pools, ``blocks`` their block sums (not saved). ``history``
      (n,): own windows in them.
    * ``warm`` (n, H, 2): scores and noises until there are H of them.
    * ``open_sums`` (n, 4): number, sum, sum of squares of the open score, sum of squared noise.
    * ``trail`` (n, RING), ``trail_sum``, ``pushed`` (n,): the trailing reference.
    * ``profile``, ``profile_weight`` (n, kinds of day, slots): the daily profile.
    * ``lags``, ``smooth``, ``remembered``; ``gram``, ``cross``, ``phi``: the foretelling.
    * ``moments`` (n, V, 5), ``gain``, ``spread`` (n, V): variance ``gain noise^2 + spread``;
      ``fitted`` (n,) windows that the fits rest on; ``noise`` (n,) the usual one.
    * ``alert``, ``direction`` (n, V): windows left after an extreme one, and its sign.
      ``own_after`` (n, V, OWN_AFTER_CELLS): what followed them; ``own_pending`` (n, DELAY, V) of
      late.
    * ``sums``, ``squares`` (n, V, 2, block sizes), ``full``, ``filled`` (n, block sizes): blocks.
    * ``temper`` (n, V, 3): of slow, fast and spread arms. ``scale`` (n, V): the trailing variance
      of the studentised residuals.
    * ``usual_gap``, ``pause`` (n,), ``settling`` (n,): ticks between windows, ticks lately missed,
      windows still left out after an outage.
    * ``evidence`` (n, V, arms): Shiryaev-Roberts terms.
    * ``ring_cells``, ``ring_bets`` (n, RING, V), ``ring_ticks`` (RING,): the last joins, so that
      they can be taken back, and the last bets, for the onset.
    * ``held``, ``novel`` (n,), ``last_seen`` (n,). ``held_since`` (n,): the tick from which on it
      is held. ``flips`` (n,): windows in a row whose novelty was not the stream's.
    * ``group_counts`` (groups, CELLS): open scores of known siblings. ``after`` (levels, V,
      AFTER_CELLS): what followed extremes, by level of a model; ``pending`` (DELAY, ...) of late.
    """

    def __init__(self, *, arms: int, min_history: int) -> None:
        self.arms, self.min_history = arms, min_history
        self.keys: list[StreamKey] = []
        self.index: dict[StreamKey, int] = {}
        self.groups: dict[Group, int] = {}
        self.group_of = np.zeros(0, np.int64)
        self.group_counts = np.zeros((0, CELLS), np.int32)
        self.levels: dict[Level, int] = {}
        self.level_of = np.zeros(0, np.int64)
        self.after = np.zeros((0, VIEWS, AFTER_CELLS), np.int64)
        self.pending = np.zeros((DELAY, 0, VIEWS, AFTER_CELLS), np.int32)
        self.pending_ticks = np.full(DELAY, -1, np.int64)
        self.blocks = np.zeros((0, VIEWS, SIDE), np.int32)
        self.ring_ticks = np.full(RING, -1, np.int64)
        for name, (shape, dtype, fill) in self.columns().items():
            setattr(self, name, _filled(0, shape, dtype, fill))

    state: NDArray[np.int8]
    mean: NDArray[np.float64]
    between: NDArray[np.float64]
    band: NDArray[np.float64]
    counts: NDArray[np.int32]
    history: NDArray[np.int64]
    warm: NDArray[np.float32]
    open_sums: NDArray[np.float64]
    trail: NDArray[np.float32]
    trail_sum: NDArray[np.float64]
    pushed: NDArray[np.int64]
    profile: NDArray[np.float32]
    profile_weight: NDArray[np.float32]
    lags: NDArray[np.float32]
    smooth: NDArray[np.float32]
    remembered: NDArray[np.int32]
    gram: NDArray[np.float32]
    cross: NDArray[np.float32]
    phi: NDArray[np.float32]
    moments: NDArray[np.float64]
    gain: NDArray[np.float32]
    spread: NDArray[np.float32]
    fitted: NDArray[np.int64]
    noise: NDArray[np.float32]
    alert: NDArray[np.int8]
    direction: NDArray[np.int8]
    own_after: NDArray[np.int32]
    own_pending: NDArray[np.int8]
    sums: NDArray[np.float32]
    squares: NDArray[np.float32]
    full: NDArray[np.int32]
    filled: NDArray[np.int16]
    temper: NDArray[np.float32]
    scale: NDArray[np.float32]
    usual_gap: NDArray[np.float32]
    pause: NDArray[np.float32]
    settling: NDArray[np.int8]
    evidence: NDArray[np.float32]
    ring_cells: NDArray[np.int16]
    ring_bets: NDArray[np.uint8]
    held: NDArray[np.bool_]
    novel: NDArray[np.bool_]
    last_seen: NDArray[np.int64]
    held_since: NDArray[np.int64]
    flips: NDArray[np.int16]

    def columns(self) -> dict[str, tuple[tuple[int, ...], Any, Any]]:
        """The arrays with one row a stream: name -> (shape of a row, type, first value)."""
        views, blocks = (VIEWS,), (BLOCK_SIZES,)
        day = (KINDS, SLOTS)
        return {
            "state": ((), np.int8, NEW),
            "mean": ((), np.float64, 0.0),
            "between": ((), np.float64, 0.0),
            "band": ((), np.float64, 0.0),
            "counts": ((VIEWS, CELLS), np.int32, 0),
            "history": ((), np.int64, 0),
            "warm": ((self.min_history, 2), np.float32, 0.0),
            "open_sums": ((4,), np.float64, 0.0),
            "trail": ((RING,), np.float32, 0.0),
            "trail_sum": ((), np.float64, 0.0),
            "pushed": ((), np.int64, 0),
            "profile": (day, np.float32, 0.0),
            "profile_weight": (day, np.float32, 0.0),
            "lags": ((LAGS,), np.float32, 0.0),
            "smooth": ((FEATURES - LAGS,), np.float32, 0.0),
            "remembered": ((), np.int32, 0),
            "gram": ((FEATURES, FEATURES), np.float32, 0.0),
            "cross": ((FEATURES,), np.float32, 0.0),
            "phi": ((FEATURES,), np.float32, 0.0),
            "moments": ((VIEWS, 5), np.float64, 0.0),
            "gain": (views, np.float32, 1.0),
            "spread": (views, np.float32, 0.0),
            "fitted": ((), np.int64, 0),
            "noise": ((), np.float32, 0.0),
            "alert": (views, np.int8, 0),
            "direction": (views, np.int8, 1),
            "own_after": ((VIEWS, OWN_AFTER_CELLS), np.int32, 0),
            "own_pending": ((DELAY, VIEWS), np.int8, EMPTY),
            "sums": ((VIEWS, tempering.KINDS, BLOCK_SIZES), np.float32, 0.0),
            "squares": ((VIEWS, tempering.KINDS, BLOCK_SIZES), np.float32, 0.0),
            "full": (blocks, np.int32, 0),
            "filled": (blocks, np.int16, 0),
            "temper": ((VIEWS, 3), np.float32, tempering.FLOORS),
            "scale": (views, np.float32, 1.0),
            "usual_gap": ((), np.float32, 0.0),
            "pause": ((), np.float32, 0.0),
            "settling": ((), np.int8, 0),
            "evidence": ((VIEWS, self.arms), np.float32, 0.0),
            "ring_cells": ((RING, VIEWS), np.int16, EMPTY),
            "ring_bets": ((RING, VIEWS), np.uint8, NO_BET),
            "held": ((), np.bool_, False),
            "novel": ((), np.bool_, False),
            "last_seen": ((), np.int64, 0),
            "held_since": ((), np.int64, 0),
            "flips": ((), np.int16, 0),
        }

    def __len__(self) -> int:
        return len(self.keys)

    def rows(self, streams: Iterable[StreamKey]) -> NDArray[np.int64]:
        """Rows of the streams that are known; others are left out."""
        found = [self.index[stream] for stream in streams if stream in self.index]
        return np.array(found, np.int64)

    def find(self, streams: Sequence[StreamKey]) -> NDArray[np.int64]:
        """The row of each stream, -1 where it has none."""
        get = self.index.get
        return np.array([get(stream, -1) for stream in streams], np.int64)

    def add(self, streams: Sequence[StreamKey]) -> None:
        """Rows for streams that have none yet."""
        fresh = [stream for stream in dict.fromkeys(streams) if stream not in self.index]
        if not fresh:
            return
        for stream in fresh:
            self.index[stream] = len(self.keys)
            self.keys.append(stream)
        for name, (shape, dtype, fill) in self.columns().items():
            more = _filled(len(fresh), shape, dtype, fill)
            setattr(self, name, np.concatenate([getattr(self, name), more]))
        self.blocks = np.concatenate([self.blocks, np.zeros((len(fresh), VIEWS, SIDE), np.int32)])
        self.group_of = np.concatenate([self.group_of, self._groups_of(fresh)])
        self.level_of = np.concatenate([self.level_of, self._levels_of(fresh)])

    def _levels_of(self, streams: Sequence[StreamKey]) -> NDArray[np.int64]:
        names = [(key.model, key.deployment, key.level) for key in streams]
        rows = [self.levels.setdefault(name, len(self.levels)) for name in names]
        missing = max(0, len(self.levels) - len(self.after))
        empty = np.zeros((missing, VIEWS, AFTER_CELLS), np.int64)
        self.after = np.concatenate([self.after, empty])
        waiting = np.zeros((DELAY, missing, VIEWS, AFTER_CELLS), np.int32)
        self.pending = np.concatenate([self.pending, waiting], axis=1)
        return np.array(rows, np.int64)

    def _groups_of(self, streams: Sequence[StreamKey]) -> NDArray[np.int64]:
        names = [(key.model, key.deployment, key.keys, key.signal) for key in streams]
        rows = [self.groups.setdefault(name, len(self.groups)) for name in names]
        missing = max(0, len(self.groups) - len(self.group_counts))
        empty = np.zeros((missing, CELLS), np.int32)
        self.group_counts = np.concatenate([self.group_counts, empty])
        return np.array(rows, np.int64)

    def keep(self, rows: NDArray[np.int64]) -> None:
        """Forget all streams but those of ``rows``; groups that lose all members go too."""
        self.blocks = self.blocks[rows]
        self.keys = [self.keys[row] for row in rows.tolist()]
        self.index = {key: row for row, key in enumerate(self.keys)}
        for name in self.columns():
            setattr(self, name, getattr(self, name)[rows])
        old = self.group_counts
        kept = dict(self.groups)
        self.groups, self.group_counts = {}, np.zeros((0, CELLS), np.int32)
        self.group_of = self._groups_of(self.keys)
        for group, row in self.groups.items():
            self.group_counts[row] = old[kept[group]]
        after, pending, levels = self.after, self.pending, dict(self.levels)
        self.levels, self.after = {}, np.zeros((0, VIEWS, AFTER_CELLS), np.int64)
        self.pending = np.zeros((DELAY, 0, VIEWS, AFTER_CELLS), np.int32)
        self.level_of = self._levels_of(self.keys)
        for level, row in self.levels.items():
            self.after[row] = after[levels[level]]
            self.pending[:, row] = pending[:, levels[level]]

    def clear(self, rows: NDArray[np.int64]) -> None:
        """Make rows as new as on the first day; their streams stay."""
        for name, (_, _, fill) in self.columns().items():
            getattr(self, name)[rows] = fill
        self.blocks[rows] = 0

    def next_slot(self, tick: int) -> int:
        """The rings' place for a tick: the oldest, emptied."""
        slot = int(self.ring_ticks.argmin())
        self.ring_ticks[slot] = tick
        self.ring_cells[:, slot] = EMPTY
        self.ring_bets[:, slot] = NO_BET
        return slot

    def join(self, rows: NDArray[np.int64], view: int, cells: NDArray[np.int64]) -> None:
        """One more score for the pool of each row; each row once."""
        self.counts[rows, view, cells] += 1
        self.blocks[rows, view, cells // SIDE] += 1

    def take_back(self, rows: NDArray[np.int64], since_tick: int) -> NDArray[np.int64]:
        """Undo the joins of these rows since a tick, as far as the ring reaches; returns how many
        windows of each row those were."""
        back = self.ring_ticks >= since_tick
        cells = np.where(back[:, None], self.ring_cells[rows], EMPTY)
        which, slot, view = np.nonzero(cells >= 0)
        found = cells[which, slot, view].astype(np.int64)
        np.subtract.at(self.counts, (rows[which], view, found), 1)
        np.subtract.at(self.blocks, (rows[which], view, found // SIDE), 1)
        many = (cells[:, :, 0] != EMPTY).sum(axis=1)
        self.history[rows] -= many
        self.ring_cells[np.ix_(rows, np.flatnonzero(back))] = EMPTY
        return np.asarray(many)


def _filled(n: int, shape: tuple[int, ...], dtype: Any, fill: Any) -> Array:
    return np.broadcast_to(np.asarray(fill, dtype), (n, *shape)).copy()
