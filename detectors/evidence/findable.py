"""The smallest shift that a stream can show: said, so that silence is not taken for health."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detectors.evidence.bets import Bets
from detectors.evidence.shiryaev import shares
from detectors.evidence.table import SETTLED, VIEWS, StreamTable
from detectors.evidence.trailing import LAG, READY

Floats = NDArray[np.float64]


def smallest_shift(table: StreamTable, bets: Bets, *, threshold: float, windows: int) -> Floats:
    """The lasting shift of the score for which ``windows`` windows are enough on average: (n,).

    A shift of d standard deviations of a view's residual gains at most ``d^2 / (2 tau)`` a window,
    and no more than the pool's resolution allows, ``log((N + 1) / 2) / tau``; needed is ::

        log(2 A arms / omega)

    In the pre-whitened view what lasts shrinks to ``1 - sum(phi)`` of the shift. The better view
    counts. NaN: the stream abstains (no history of its own, no reference, or a pool too small to
    reach the threshold in so many windows). An estimate for planning, not a guarantee.
    """
    out = np.full(len(table), np.nan)
    use = (table.state == SETTLED) & (table.pushed >= LAG + READY)
    rows = np.flatnonzero(use)
    if len(rows) == 0:
        return out
    omega = shares(table.keys)[rows]
    needed = np.log(VIEWS * threshold * bets.arms / omega)
    temper = table.temper[rows, :, 0].astype(np.float64)
    noise = table.noise[rows].astype(np.float64) ** 2
    deviation = np.sqrt(
        table.scale[rows] * (table.gain[rows] * noise[:, None] + table.spread[rows])
    )
    lasting = np.stack(
        [np.ones(len(rows)), np.clip(1.0 - table.phi[rows].sum(axis=1), 0.05, 1.0)], axis=1
    )
    each = needed[:, None] * temper / windows
    most = np.log((table.counts[rows].sum(axis=2) + 1.0) / 2.0)
    shift = np.where(each <= most, np.sqrt(2.0 * each) * deviation / lasting, np.inf)
    best = shift.min(axis=1)
    out[rows] = np.where(np.isfinite(best), best, np.nan)
    return out
