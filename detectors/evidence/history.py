"""Where a stream's history comes from: learned, borrowed from siblings, seeded by the baseline,
grown.

A settled stream is judged against its own healthy scores: ``z = (score - m) / sqrt(noise^2 + b)``
with location m and between-window variance b frozen when it settled. Until then it borrows, and its
verdicts are *provisional*:

* **siblings** (same model, metadata keys and signal, e.g. all other cameras): their mean location
  and pool, behind a guardrail. One stream's location is one draw from its siblings' spread, however
  many windows it lasts, so only the excess over the guardrail counts: half-width
  ``t_{k-1}(0.998) s sqrt(1 + 1/k)`` for k siblings whose locations have standard deviation s;
* **the baseline's pseudo-windows**, where there are no siblings with history;
* nothing: then the stream is mute (the guardrail is infinite) until it has settled.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, t

from detectors.evidence.pool import cells_of, histogram
from detectors.evidence.table import SETTLED, WARMING, StreamTable

Floats = NDArray[np.float64]
Healthy = Mapping[tuple[str, str, str], NDArray[np.float32]]

GUARD_QUANTILE = 0.998
WIDE_GUARD = 0.15
"""Guardrail of a novel slice without siblings, in units of the score."""

MIN_SIBLINGS = 3


def learn(
    table: StreamTable,
    rows: NDArray[np.int64],
    score: Floats,
    noise: Floats,
    open_score: Floats,
    open_noise: Floats,
) -> None:
    """Take T windows declared healthy as history.

    Args:
        rows: (n,), rows of the table.
        score, noise, open_score, open_noise: (T, n), NaN where a stream had no score.
    """
    present = np.isfinite(score)
    n = present.sum(axis=0)
    settled_before = table.state[rows] == SETTLED
    enough = ~settled_before & (n >= table.min_history)
    location, between = _moments(score, noise)
    table.mean[rows[enough]] = location[enough]
    table.between[rows[enough]] = between[enough]
    table.band[rows[enough]] = 0.0
    table.counts[rows[enough]] = 0
    table.state[rows[enough]] = SETTLED
    table.history[rows[enough]] = 0
    table.evidence[rows[enough]] = 0.0
    table.cusum[rows[enough]] = 0.0
    use = settled_before | enough
    chosen = rows[use]
    z = (score[:, use] - table.mean[chosen]) / np.sqrt(noise[:, use] ** 2 + table.between[chosen])
    table.counts[chosen] += histogram(z)
    table.history[chosen] += n[use]
    for column in np.flatnonzero(~use & (n > 0)):
        row, mine = rows[column], present[:, column]
        have = int(table.history[row])
        room = table.min_history - 1 - have
        pairs = np.stack([score[mine, column], noise[mine, column]], axis=1)[:room]
        table.warm[row, have : have + len(pairs)] = pairs
        table.history[row] += len(pairs)
    known = ~table.novel[rows]
    _learn_open(table, rows[known], open_score[:, known], open_noise[:, known])


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
    """One more open score for each row; (n,) each."""
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
            pool = table.counts[siblings].sum(axis=0, dtype=np.int64).astype(np.int32)
        k = len(siblings)
        if k >= MIN_SIBLINGS:
            wide = float(t.ppf(GUARD_QUANTILE, k - 1)) * np.sqrt(1.0 + 1.0 / k)
            table.mean[row], table.between[row] = locations.mean(), within.mean()
            table.band[row], table.counts[row] = wide * locations.std(ddof=1), pool
        elif seeds is None or len(seeds) == 0:
            table.band[row] = np.inf
        elif table.novel[row]:
            normal = norm.ppf((np.arange(400) + 0.5) / 400)
            table.band[row], table.counts[row] = WIDE_GUARD, histogram(normal[:, None])[0]
        else:
            table.counts[row] = histogram(np.asarray(seeds, np.float64)[:, None])[0]
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
        table.mean[ripe], table.between[ripe] = _moments(scores, noises)
        z = (scores - table.mean[ripe]) / np.sqrt(noises**2 + table.between[ripe])
        table.counts[ripe] = histogram(z)
        table.band[ripe] = 0.0
        table.state[ripe] = SETTLED
        table.evidence[ripe] = 0.0
        table.cusum[ripe] = 0.0
        table.ring_cells[ripe] = -1
    table.history[rows[~warming]] += 1


def _moments(score: Floats, noise: Floats) -> tuple[Floats, Floats]:
    present = np.isfinite(score)
    n = np.maximum(present.sum(axis=0), 1)
    mean = np.where(present, score, 0.0).sum(axis=0) / n
    deviation = np.where(present, score - mean, 0.0)
    sampling = np.where(present, noise, 0.0)
    between = ((deviation**2).sum(axis=0) - (sampling**2).sum(axis=0)) / n
    return mean, np.maximum(between, 0.0)
