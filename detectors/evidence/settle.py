"""A stream settles: its own history, all at once, becomes reference, profile, fits and pools.

What ``views`` does window by window is done here for a whole history of T windows in array
operations over time: the same residuals with one set of fits, made from the history itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from detectors.evidence import aftershock, calm, profile, tempering, trailing, whitening
from detectors.evidence.pool import block_sums, cells_of, histogram
from detectors.evidence.table import LAGS, RING, SETTLED, VIEWS, StreamTable
from detectors.evidence.views import BOUND, MEMORY, moment_terms, renew, studentised

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

_ROOM = 2_000_000
"""Scores worked on at once; memory is some 200 bytes for each."""


def settle(
    table: StreamTable,
    rows: Rows,
    score: Floats,
    noise: Floats,
    at: Sequence[datetime] | None = None,
) -> None:
    """Judge rows by their own history from now on.

    Args:
        score, noise: (T, n), oldest first, NaN where a stream had no window.
        at: the windows' times, for the profile.
    """
    use = None if at is None else profile.shares(at)
    columns = max(1, _ROOM // max(len(score), 1))
    for first in range(0, len(rows), columns):
        span = slice(first, first + columns)
        _settle(table, rows[span], score[:, span], noise[:, span], use)


def _settle(
    table: StreamTable, rows: Rows, score: Floats, noise: Floats, use: Floats | None
) -> None:
    present = np.isfinite(score)
    table.mean[rows], table.between[rows] = moments(score, noise)
    table.band[rows] = 0.0
    for name in ("evidence", "profile", "profile_weight", "alert", "sums", "filled"):
        getattr(table, name)[rows] = 0
    x = _without_gaps(score, table.mean[rows])
    mild = _mild(score, present)
    level, size = _trailing(mild, present)
    ready = present & (size >= trailing.READY)
    residual = np.where(ready, x - level, np.nan)
    square = np.where(present, noise, 0.0) ** 2
    if use is not None:
        table.profile[rows], table.profile_weight[rows] = profile.fitted(residual, use)
        told = use @ table.profile[rows].reshape(len(rows), -1).T
        level, residual = level + told, residual - told
    past = whitening.lagged(x) - level
    count = np.maximum(ready.sum(axis=0), 1)
    typical = np.sqrt(np.nansum(residual**2, axis=0) / count)
    bound = np.maximum(BOUND * typical, 1e-12)
    clipped = np.clip(np.where(ready, residual, 0.0), -bound, bound)
    known = np.where(ready, np.clip(past, -bound, bound), 0.0)
    scale = np.maximum(typical**2, 1e-24) * count
    table.gram[rows] = np.einsum("ftn,gtn->nfg", known, known) / scale[:, None, None]
    table.cross[rows] = np.einsum("ftn,tn->nf", known, clipped) / scale[:, None]
    phi = whitening.solve(table.gram[rows].astype(np.float64), table.cross[rows].astype(np.float64))
    error = residual - np.einsum("nf,ftn->tn", phi, past)
    values = np.stack([residual, error], axis=2)
    squares = np.stack(
        [
            square * (1.0 + 1.0 / np.maximum(size, 1.0)),
            square * (1.0 + (phi[:, :LAGS] ** 2).sum(axis=1)),
        ],
        axis=2,
    )
    a, b = _variances(table, rows, values, squares, ready)
    z, table.scale[rows] = _scaled(studentised(values, a * squares + b, x[:, :, None]))
    _pool(table, rows, z)
    table.full[rows] = 0
    for view in range(VIEWS):
        p = _p_values(table, rows, view, z[:, :, view])
        for kind, one in enumerate(np.moveaxis(tempering.both(p), -1, 0)):
            found = tempering.of_history(one)
            table.squares[rows, view, kind], table.full[rows] = found
        followed, own = aftershock.of_history(p)
        np.add.at(table.after[:, view], table.level_of[rows], followed)
        table.own_after[rows, view] = own
    table.fitted[rows] = np.minimum(ready.sum(axis=0), MEMORY)
    renew(table, rows)
    table.state[rows] = SETTLED
    table.history[rows] = present.sum(axis=0)
    table.settling[rows], table.pause[rows] = 0, 0.0
    last = np.where(present, np.arange(len(score))[:, None], -1).max(axis=0)
    table.noise[rows] = noise[last, np.arange(len(rows))]
    _leave_off(table, rows, mild, score, present, past + level)


def moments(score: Floats, noise: Floats) -> tuple[Floats, Floats]:
    """Location and variance beyond sampling of (T, n) scores, NaN where missing: (n,) each."""
    present = np.isfinite(score)
    n = np.maximum(present.sum(axis=0), 1)
    mean = np.where(present, score, 0.0).sum(axis=0) / n
    deviation = np.where(present, score - mean, 0.0)
    sampling = np.where(present, noise, 0.0)
    between = ((deviation**2).sum(axis=0) - (sampling**2).sum(axis=0)) / n
    return mean, np.maximum(between, 0.0)


def _without_gaps(score: Floats, start: Floats) -> Floats:
    """The last score before each gap fills it."""
    present = np.isfinite(score)
    if present.all():
        return score
    where = np.where(present, np.arange(len(score))[:, None], -1)
    latest = np.maximum.accumulate(where, axis=0)
    filled = np.take_along_axis(np.where(present, score, 0.0), np.maximum(latest, 0), axis=0)
    return np.asarray(np.where(latest >= 0, filled, start))


def _mild(score: Floats, present: NDArray[np.bool_]) -> Floats:
    """Scores for the reference, no further from it than ``CLIP`` standard deviations: one outlier
    would bend it for all the windows that it stays."""
    level, size = _trailing(score, present)
    away = np.where(present & (size > 0), score - level, 0.0)
    spread = 1.4826 * np.median(np.abs(away), axis=0)
    spread = np.where(spread > 0, spread, away.std(axis=0))
    bound = whitening.CLIP * spread
    return np.where(present & (size > 0), level + np.clip(away, -bound, bound), score)


def _trailing(score: Floats, present: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Mean of the reference before each window, and its size: (T, n) each."""
    zero = np.zeros((1, score.shape[1]))
    total = np.concatenate([zero, np.where(present, score, 0.0).cumsum(axis=0)])
    many = np.concatenate([zero, present.cumsum(axis=0)])
    now = np.arange(len(score))
    first, last = np.maximum(now - RING, 0), np.maximum(now - trailing.LAG, 0)
    size = many[last] - many[first]
    return (total[last] - total[first]) / np.maximum(size, 1.0), size


def _variances(
    table: StreamTable, rows: Rows, values: Floats, squares: Floats, ready: NDArray[np.bool_]
) -> tuple[Floats, Floats]:
    count = np.maximum(ready.sum(axis=0), 1)[:, None]
    value = np.where(ready[:, :, None], values, 0.0) ** 2
    variance = np.broadcast_to(value.sum(axis=0) / count, value.shape)
    for _ in range(2):
        terms = np.where(ready[:, :, None, None], moment_terms(squares, value, variance), 0.0)
        table.moments[rows] = terms.sum(axis=0) / count[:, :, None]
        a, b = whitening.spread_model(table.moments[rows].astype(np.float64))
        variance = a * squares + b
    return a, b


def _scaled(z: Floats) -> tuple[Floats, Floats]:
    """Residuals by the trailing scale before each, and the scale after the last: (T, n, V) and (n,
    V)."""
    out, scale = np.empty(z.shape), np.ones(z.shape[1:])
    for t in range(len(z)):
        out[t] = z[t] / np.sqrt(scale)
        seen = np.isfinite(out[t])
        scale = np.where(seen, calm.next_scale(scale, np.where(seen, out[t], 0.0) ** 2), scale)
    return out, scale


def _pool(table: StreamTable, rows: Rows, z: Floats) -> None:
    for view in range(VIEWS):
        table.counts[rows, view] = histogram(z[:, :, view])
    table.blocks[rows] = block_sums(table.counts[rows])
    table.ring_cells[rows] = -1


def _p_values(table: StreamTable, rows: Rows, view: int, z: Floats) -> Floats:
    """Mid-ranks of a history in its own pool, NaN where missing."""
    counts = table.counts[rows, view].astype(np.float64)
    ranks = (counts.cumsum(axis=1) - 0.5 * counts) / np.maximum(counts.sum(axis=1), 1.0)[:, None]
    p = ranks[np.arange(len(rows)), cells_of(z).clip(0, counts.shape[1] - 1)]
    return np.where(np.isfinite(z), p, np.nan)


def _leave_off(
    table: StreamTable,
    rows: Rows,
    mild: Floats,
    score: Floats,
    present: NDArray[np.bool_],
    past: Floats,
) -> None:
    """The next window goes on where the history ends."""
    for column, row in enumerate(rows.tolist()):
        trailing.fill(table, row, mild[present[:, column], column][-RING:])
    ends = past[:, -1]
    newest = np.where(present[-1], score[-1], ends[0])
    table.lags[rows] = np.stack([newest, ends[0]], axis=1)
    memories = whitening.MEMORIES[:, None]
    table.smooth[rows] = (ends[LAGS:] + (newest - ends[LAGS:]) / memories).T
    table.remembered[rows] = len(score)
