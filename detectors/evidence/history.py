"""Where a stream's history comes from: learned, borrowed from siblings, seeded by the baseline,
grown.

A settled stream is judged against its own healthy scores, as ``views`` says. Until then it borrows
``z = (score - m) / sqrt(noise^2 + b)`` with a location m and between-window variance b that are not
its own, and its verdicts are *provisional*:

* **siblings** (same model, metadata keys and signal, e.g. all other cameras): their mean location
  and pool, behind a guardrail. One stream's location is one draw from its siblings' spread, however
  many windows it lasts, so only the excess over the guardrail counts: half-width
  ``t_{k-1}(0.998) s sqrt(1 + 1/k)`` for k siblings whose locations have standard deviation s;
* **the baseline's pseudo-windows**, where there are no siblings with history;
* nothing: then the stream is mute (the guardrail is infinite) until it has settled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, t

from detectors.evidence.aftershock import turn
from detectors.evidence.pool import block_sums, cells_of, histogram
from detectors.evidence.settle import settle
from detectors.evidence.table import EMPTY, SETTLED, WARMING, StreamTable
from detectors.evidence.views import absorb, judge

Floats = NDArray[np.float64]
Healthy = Mapping[tuple[str, str, str], NDArray[np.float32]]

GUARD_QUANTILE = 0.998
WIDE_GUARD = 0.15
"""Guardrail of a novel slice without siblings, in units of the score."""

MIN_SIBLINGS = 3

SPARSE = 0.25
"""Streams with windows in a smaller share of the ticks are taken window by window."""


def learn(
    table: StreamTable,
    rows: NDArray[np.int64],
    score: Floats,
    noise: Floats,
    open_score: Floats,
    open_noise: Floats,
    at: Sequence[datetime] | None = None,
) -> None:
    """Take T windows declared healthy as history.

    Args:
        rows: (n,), rows of the table.
        score, noise, open_score, open_noise: (T, n), NaN where a stream had no score.
        at: the windows' times.
    """
    present = np.isfinite(score)
    n = present.sum(axis=0)
    settled_before = table.state[rows] == SETTLED
    enough = ~settled_before & (n >= table.min_history)
    rare = enough & (n < SPARSE * len(score))
    usual = enough & ~rare
    if usual.any():
        settle(table, rows[usual], score[:, usual], noise[:, usual], at)
    for one in np.flatnonzero(rare).tolist():
        _settle_rare(table, rows[[one]], score[:, [one]], noise[:, [one]], at)
    if settled_before.any():
        _go_on(table, rows[settled_before], score[:, settled_before], noise[:, settled_before], at)
    for column in np.flatnonzero(~settled_before & ~enough & (n > 0)):
        row, mine = rows[column], present[:, column]
        have = int(table.history[row])
        room = table.min_history - 1 - have
        pairs = np.stack([score[mine, column], noise[mine, column]], axis=1)[:room]
        table.warm[row, have : have + len(pairs)] = pairs
        table.history[row] += len(pairs)
    known = ~table.novel[rows]
    _learn_open(table, rows[known], open_score[:, known], open_noise[:, known])


def _settle_rare(
    table: StreamTable,
    rows: NDArray[np.int64],
    score: Floats,
    noise: Floats,
    at: Sequence[datetime] | None,
) -> None:
    """Settle one stream that most ticks had no window of: on its windows, as if without gaps."""
    mine = np.flatnonzero(np.isfinite(score[:, 0]))
    when = None if at is None else [at[i] for i in mine.tolist()]
    settle(table, rows, score[mine], noise[mine], when)
    table.usual_gap[rows] = np.diff(mine).mean() - 1.0


def _go_on(
    table: StreamTable,
    rows: NDArray[np.int64],
    score: Floats,
    noise: Floats,
    at: Sequence[datetime] | None,
) -> None:
    """More history for streams that have some: window by window, without bets."""
    rng = np.random.default_rng(len(score))
    slot = table.next_slot(-1)
    for i in range(len(score)):
        use = np.isfinite(score[i])
        when = None if at is None else at[i]
        after = turn(table, 0)
        seen = judge(table, rows[use], score[i, use], noise[i, use], at=when, rng=rng, after=after)
        joined = absorb(table, seen, slot, when)
        table.history[seen.rows[joined]] += 1
    table.ring_cells[:, slot] = EMPTY


def _learn_open(table: StreamTable, rows: NDArray[np.int64], score: Floats, noise: Floats) -> None:
    if len(rows) == 0:
        return
    present = np.isfinite(score)
    value, spread = np.where(present, score, 0.0), np.where(present, noise, 0.0)
    table.open_sums[rows] += np.stack(
        [present.sum(axis=0), value.sum(axis=0), (value**2).sum(axis=0), (spread**2).sum(axis=0)],
        axis=1,
    )
    mean, between = open_moments(table, rows)
    z = (score - mean) / np.sqrt(noise**2 + between)
    np.add.at(table.group_counts, table.group_of[rows], histogram(z))


def open_moments(table: StreamTable, rows: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Running location and between-window variance of the open scores, (n,) each."""
    n, total, squares, noise = table.open_sums[rows].T
    safe = np.maximum(n, 1.0)
    mean = total / safe
    return mean, np.maximum((squares - noise) / safe - mean**2, 0.0)


def join_open(table: StreamTable, rows: NDArray[np.int64], score: Floats, noise: Floats) -> None:
    """One more open score for each row that is known and not held; (n,) each, NaN where none."""
    fit = ~table.held[rows] & ~table.novel[rows] & np.isfinite(score)
    rows, score, noise = rows[fit], score[fit], noise[fit]
    mean, between = open_moments(table, rows)
    ready = table.open_sums[rows, 0] >= MIN_SIBLINGS
    z = (score - mean) / np.sqrt(noise**2 + between)
    np.add.at(table.group_counts, (table.group_of[rows[ready]], cells_of(z[ready])), 1)
    table.open_sums[rows] += np.stack([np.ones(len(rows)), score, score**2, noise**2], axis=1)


def borrow(table: StreamTable, rows: NDArray[np.int64], healthy: Healthy) -> None:
    """Give new rows a history that is not their own, as the module says."""
    groups = np.unique(table.group_of[rows])
    candidates = np.flatnonzero(
        (table.state == SETTLED) & ~table.novel & np.isin(table.group_of, groups)
    )
    members: dict[int, list[int]] = {}
    for candidate in candidates.tolist():
        members.setdefault(int(table.group_of[candidate]), []).append(candidate)
    for row in rows.tolist():
        key = table.keys[row]
        seeds = healthy.get((key.model, key.deployment, key.signal))
        siblings = np.array(members.get(int(table.group_of[row]), []), np.int64)
        if table.novel[row]:
            siblings = siblings[table.open_sums[siblings, 0] >= table.min_history]
            locations, within = open_moments(table, siblings)
            pool = table.group_counts[table.group_of[row]]
        else:
            locations, within = table.mean[siblings], table.between[siblings]
            pool = table.counts[siblings, 0].sum(axis=0, dtype=np.int64).astype(np.int32)
        k = len(siblings)
        if k >= MIN_SIBLINGS:
            wide = float(t.ppf(GUARD_QUANTILE, k - 1)) * np.sqrt(1.0 + 1.0 / k)
            table.mean[row], table.between[row] = locations.mean(), within.mean()
            table.band[row], table.counts[row, 0] = wide * locations.std(ddof=1), pool
        elif seeds is None or len(seeds) == 0:
            table.band[row] = np.inf
        elif table.novel[row]:
            normal = norm.ppf((np.arange(400) + 0.5) / 400)
            table.band[row], table.counts[row, 0] = WIDE_GUARD, histogram(normal[:, None])[0]
        else:
            table.counts[row, 0] = histogram(np.asarray(seeds, np.float64)[:, None])[0]
        table.blocks[row] = block_sums(table.counts[row])
        table.state[row] = WARMING


def grow(table: StreamTable, rows: NDArray[np.int64], score: Floats, noise: Floats) -> None:
    """Count one more window; warming rows remember its score, and settle when they have enough."""
    warming = table.state[rows] == WARMING
    mine = rows[warming]
    place = table.history[mine]
    table.warm[mine, place, 0] = score[warming]
    table.warm[mine, place, 1] = noise[warming]
    table.history[mine] = place + 1
    ripe = mine[table.history[mine] >= table.min_history]
    if len(ripe):
        scores = table.warm[ripe, :, 0].T.astype(np.float64)
        noises = table.warm[ripe, :, 1].T.astype(np.float64)
        settle(table, ripe, scores, noises)
    table.history[rows[~warming]] += 1
