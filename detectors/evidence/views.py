"""One tick of the change track: scores become p-values in two views, then join the history.

For a stream with a history of its own, with x the score, ref its trailing reference and s the
sampling noise of the window: ::

    plain:         r = x - ref - profile(hour),        variance  a s^2 (1 + 1/m) + b
    pre-whitened:  e = r - phi . features,             variance  a' s^2 (1 + |phi_lags|^2) + b'

each times a trailing scale (``calm``), against its own pool, as ``pool`` says; after extremes, as
``aftershock`` says. Other cases:

* a stream that still borrows (see ``history``) has the plain view only, around what it borrowed;
* one without a current reference (after an outage, an alarm, or at its start) has the plain view
  only, as the excess over ``GUARD`` long-run standard deviations: large faults are found at once,
  small ones once there is a reference again;
* the first ``SETTLE`` windows after an outage are left out: cameras that start settle first.
  An outage is a gap of two ticks beyond what is usual for the stream;
* so is a window that is novel where the stream is not, or the other way round: its score is
  another statistic.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from detectors.evidence import aftershock, calm, profile, tempering, trailing, whitening
from detectors.evidence.pool import cells_of, ranked
from detectors.evidence.table import LAGS, SETTLED, UNPOOLED, VIEWS, StreamTable

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
Flags = NDArray[np.bool_]

GUARD = 4.0
SETTLE = 5
LONG_GAP = 30.0
"""Ticks without a window after which the reference is too old."""

MEMORY = 20_160
"""Windows that the fits remember: two weeks of minutes."""

RESOLUTION = 1e-6
"""What is kept of the past is single precision: deviations below this share of a score are none."""

BOUND = 4.0
"""Residuals beyond so many standard deviations count as that many in the fits."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Judged:
    """m streams in one tick.

    ``p`` (m, V), NaN where a view makes no bet; ``overall`` the same against the whole pool;
    ``cells`` (m, V) of the pool; ``z`` (m,) of the plain view, the guardrail taken off.
    ``quiet``: left out, e.g. after an outage; ``ready``: has a current reference.
    """

    rows: Rows
    score: Floats
    noise: Floats
    settled: Flags
    ready: Flags
    quiet: Flags
    base: Floats
    residual: Floats
    error: Floats
    features: Floats
    squares: Floats
    variance: Floats
    cells: Rows
    z: Floats
    overall: Floats
    p: Floats


def notice_gaps(table: StreamTable, rows: Rows, tick: int) -> None:
    """Take in how many ticks each stream was away, before it is judged."""
    before = table.last_seen[rows]
    gap = np.where(before > 0, np.maximum(tick - before - 1, 0), 0).astype(np.float64)
    usual = table.usual_gap[rows].astype(np.float64)
    outage = gap >= 2.0 + np.floor(4.0 * usual)
    usual += 0.02 * (np.minimum(gap, 2.0 * usual + 3.0) - usual)
    table.usual_gap[rows] = usual
    settling = np.maximum(table.settling[rows] - 1, 0)
    mine = outage & (table.state[rows] == SETTLED)
    table.settling[rows] = np.where(mine, SETTLE, settling)
    table.pause[rows] = table.pause[rows] * (1.0 - 1.0 / trailing.MIDDLE) + np.where(mine, gap, 0)
    trailing.restart(table, rows[mine & (gap >= LONG_GAP + 10.0 * usual)])


def judge(
    table: StreamTable,
    rows: Rows,
    score: Floats,
    noise: Floats,
    *,
    at: datetime | None,
    rng: np.random.Generator,
    after: int,
    left_out: Flags | None = None,
) -> Judged:
    """p-values of one tick, but for rows ``left_out``. What followed extremes waits in place
    ``after``; nothing else changes."""
    settled = table.state[rows] == SETTLED
    quiet = settled & (table.settling[rows] > 0)
    if left_out is not None:
        quiet |= left_out
    level, size = trailing.reference(table, rows)
    ready = settled & (size >= trailing.READY)
    base = level + profile.expected(table.profile[rows], at)
    mean, between = table.mean[rows], table.between[rows]
    square = noise**2

    center = np.where(ready, base, mean)
    guard = np.where(settled, np.where(ready, 0.0, GUARD * np.sqrt(between)), table.band[rows])
    offset = score - center
    plain = np.sign(offset) * np.maximum(np.abs(offset) - guard, 0.0)
    features = whitening.features(table, rows, base)
    phi = table.phi[rows].astype(np.float64)
    error = np.where(ready, offset - (phi * features).sum(axis=1), 0.0)

    squares = np.stack(
        [
            square * np.where(ready, 1.0 + 1.0 / np.maximum(size, 1.0), 1.0),
            square * (1.0 + (phi[:, :LAGS] ** 2).sum(axis=1)),
        ],
        axis=1,
    )
    spread = table.spread[rows].astype(np.float64)
    older = _older(spread[:, 0], between, table.pause[rows], ready)
    variance = table.gain[rows] * squares + spread + older[:, None]
    variance[:, 0] = np.where(settled, variance[:, 0], square + between)
    variance *= np.where(ready[:, None], table.scale[rows], 1.0)
    z = studentised(np.stack([plain, error], axis=1), variance, score[:, None])

    uniform = rng.random((len(rows), VIEWS))
    cells = cells_of(z)
    overall = np.empty((len(rows), VIEWS))
    p = np.empty((len(rows), VIEWS))
    for view in range(VIEWS):
        below, same, total = ranked(
            table.counts[:, view], table.blocks[:, view], rows, cells[:, view]
        )
        u = uniform[:, view]
        overall[:, view] = (below + u * (same + 1.0)) / (total + 1.0)
        inside = np.abs(offset) <= guard if view == 0 else np.zeros(len(rows), bool)
        p[:, view] = np.where((guard > 0) & inside, u, overall[:, view])
        shocked = np.flatnonzero(ready & ~quiet & (table.alert[rows, view] > 0))
        if len(shocked):
            mine = rows[shocked]
            p[shocked, view] = aftershock.p_values(
                table,
                mine,
                view,
                overall[shocked, view],
                joining=~table.held[mine],
                slot=after,
            )
    p[quiet] = np.nan
    p[~ready, 1] = np.nan
    return Judged(
        rows=rows,
        score=score,
        noise=noise,
        settled=settled,
        ready=ready,
        quiet=quiet,
        base=base,
        residual=offset,
        error=error,
        features=features,
        squares=squares,
        variance=variance,
        cells=cells,
        z=z[:, 0],
        overall=overall,
        p=p,
    )


def studentised(residual: Floats, variance: Floats, score: Floats) -> Floats:
    """Residuals over their standard deviations; 0 where a score does not resolve them."""
    resolved = np.maximum(RESOLUTION * np.abs(score), 1e-12)
    z = residual / np.maximum(np.sqrt(variance), resolved)
    return np.asarray(np.where(np.abs(residual) < resolved, 0.0, z))


def _older(spread: Floats, between: Floats, pause: NDArray[np.float32], ready: Flags) -> Floats:
    """Variance that a reference made older by missed ticks adds: it grows with its age to the power
    1.5 (a random walk has 1, a smooth one 2), up to the long-run variance."""
    age = 1.0 + pause / trailing.MIDDLE
    aged = np.minimum(np.maximum(between, spread), spread * age**1.5)
    return np.where(ready & (age > 1.3), np.maximum(aged - spread, 0.0), 0.0)


def absorb(table: StreamTable, seen: Judged, slot: int, at: datetime | None) -> Flags:
    """Let the windows join pools, reference, profile and fits; held and quiet ones are left out.

    Returns:
        (m,), which windows joined.
    """
    free = ~table.held[seen.rows] & ~seen.quiet
    warming = free & ~seen.settled
    joined = free & (seen.ready | ~seen.settled)
    rows = seen.rows[joined]
    table.join(rows, 0, seen.cells[joined, 0])
    table.ring_cells[rows, slot, 0] = seen.cells[joined, 0]
    both = free & seen.ready
    rows = seen.rows[both]
    table.join(rows, 1, seen.cells[both, 1])
    table.ring_cells[rows, slot, 1] = seen.cells[both, 1]
    bare = seen.rows[free & ~joined]
    table.ring_cells[bare, slot, 0] = UNPOOLED
    for view in range(VIEWS):
        aftershock.notice(table, rows, view, seen.overall[both, view])
    mine = free & seen.settled
    rows = seen.rows[mine]
    trailing.push(table, rows, _mild(seen)[mine])
    scale = np.sqrt(seen.variance[mine, 1])
    whitening.remember(table, rows, seen.score[mine], seen.error[mine], scale)
    _fit(table, seen, both, at)
    _locate(table, seen, mine)
    table.noise[seen.rows[free]] = seen.noise[free]
    return np.asarray(warming | mine)


def _mild(seen: Judged) -> Floats:
    """Scores for the reference: one outlier would bend it for all the windows that it stays."""
    bound = whitening.CLIP * np.sqrt(seen.variance[:, 0])
    tame = np.clip(seen.residual, -bound, bound)
    return np.asarray(np.where(seen.ready, seen.score - seen.residual + tame, seen.score))


def _fit(table: StreamTable, seen: Judged, use: Flags, at: datetime | None) -> None:
    """Profile, regressions, variances and block means take in one more window."""
    rows = seen.rows[use]
    if len(rows) == 0:
        return
    bound = BOUND * np.sqrt(seen.variance[use, 0])
    residual = np.clip(seen.residual[use], -bound, bound)
    profile.adapt(table.profile, table.profile_weight, rows, residual, at)
    table.fitted[rows] += 1
    rate = 1.0 / np.minimum(table.fitted[rows], MEMORY)
    past = np.clip(seen.features[use], -bound[:, None], bound[:, None])
    weight = rate / np.maximum(seen.variance[use, 0], 1e-24)
    outer = past[:, :, None] * past[:, None, :]
    table.gram[rows] += weight[:, None, None] * outer - rate[:, None, None] * table.gram[rows]
    table.cross[rows] += (weight * residual)[:, None] * past - rate[:, None] * table.cross[rows]
    value = np.stack([residual, seen.error[use]], axis=1) ** 2
    scale = table.scale[rows].astype(np.float64)
    terms = moment_terms(seen.squares[use], value, seen.variance[use] / scale)
    table.moments[rows] += rate[:, None, None] * (terms - table.moments[rows])
    studentised = value / np.maximum(seen.variance[use], 1e-24)
    table.scale[rows] = calm.next_scale(scale, studentised)
    _count_blocks(table, rows, tempering.both(seen.p[use]))
    ripe = rows[table.fitted[rows] % whitening.RENEW == 0]
    if len(ripe):
        renew(table, ripe)


def moment_terms(squares: Floats, value: Floats, variance: Floats) -> Floats:
    """What ``whitening.spread_model`` averages: (..., V) each to (..., V, 5).

    Scaled by the present variances, so that a few noisy windows do not outweigh the rest.
    """
    safe = np.maximum(variance, 1e-24)
    value = np.minimum(value, BOUND**2 * safe)
    weight = 1.0 / safe**2
    return np.stack(
        [squares**2 * weight, squares * weight, weight, squares * value * weight, value * weight],
        axis=-1,
    )


def renew(table: StreamTable, rows: Rows) -> None:
    """New coefficients, variances and tempers from what was summed."""
    table.phi[rows] = whitening.solve(
        table.gram[rows].astype(np.float64), table.cross[rows].astype(np.float64)
    )
    a, b = whitening.spread_model(table.moments[rows].astype(np.float64))
    table.gain[rows], table.spread[rows] = a, b
    table.temper[rows] = tempering.tempers(
        table.squares[rows].astype(np.float64), table.full[rows].astype(np.int64)
    )


def _count_blocks(table: StreamTable, rows: Rows, q: Floats) -> None:
    table.sums[rows] += q[:, :, :, None]
    table.filled[rows] += 1
    done = table.filled[rows] >= tempering.BLOCKS
    squares = table.sums[rows] ** 2 / tempering.BLOCKS
    table.squares[rows] += np.where(done[:, None, None, :], squares, 0.0)
    table.full[rows] += done
    table.sums[rows] = np.where(done[:, None, None, :], 0.0, table.sums[rows])
    table.filled[rows] = np.where(done, 0, table.filled[rows])


def _locate(table: StreamTable, seen: Judged, use: Flags) -> None:
    """Long-run location and variance between windows."""
    rows = seen.rows[use]
    rate = 1.0 / np.minimum(table.history[rows] + 1, MEMORY)
    offset = seen.score[use] - table.mean[rows]
    table.mean[rows] += rate * offset
    own = offset**2 - seen.noise[use] ** 2 - table.between[rows]
    table.between[rows] = np.maximum(table.between[rows] + rate * own, 0.0)
