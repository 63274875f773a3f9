"""When it began: the start that makes the last windows' bets pay most, with an interval."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from detectors.evidence.bets import Bets
from detectors.evidence.table import StreamTable

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

DROP = 2.0
"""Starts whose log evidence is at most so much below the best lie in the interval: about 95 %, as
half the 0.95 quantile of chi-square with one degree of freedom is 1.92."""

NOTHING = 255


def onsets(
    cells: NDArray[np.uint8],
    ticks: Ints,
    temper: Floats,
    log_payoff: Floats,
    tick: int,
) -> tuple[Ints, Ints, Ints]:
    """Best start and first and last likely start, each (m,), in ticks.

    With ``S(s) = log sum_theta prod_{u >= s} L_theta(u)`` over views and arms, the best start
    maximises S; ``tick`` where no start is better than none.

    Args:
        cells: (m, R, V), cells of the last p-values in any order, ``NOTHING`` where no bet was
            made.
        ticks: (R,) their ticks, -1 where there is none.
        temper: (m, V, arms). log_payoff: (arms, cells of the bets).
        tick: now.

    All arms count alike here. Precision ends with the ring: an earlier start is reported as
    the ring's first tick.
    """
    order = np.argsort(ticks, kind="stable")
    order = order[ticks[order] >= 0]
    at = ticks[order]
    seen = cells[:, order]
    padded = np.concatenate([log_payoff.T, np.zeros((1, len(log_payoff)))])
    paid = padded[np.where(seen == NOTHING, len(padded) - 1, seen)] / temper[:, None]
    total = paid[:, ::-1].cumsum(axis=1)[:, ::-1]
    m, r = total.shape[:2]
    support = logsumexp(total.reshape(m, r, -1), axis=2) - np.log(total.shape[2] * total.shape[3])
    # A start on a tick without a bet is the start of the next one that has.
    support[(seen == NOTHING).all(axis=2)] = -np.inf
    if r == 0:
        now = np.full(m, tick)
        return now, now, now
    best = support.argmax(axis=1)
    likely = support >= support.max(axis=1, keepdims=True) - DROP
    first, last = likely.argmax(axis=1), r - 1 - likely[:, ::-1].argmax(axis=1)
    any_gain = support.max(axis=1) > 0.0
    return tuple(np.where(any_gain, at[index], tick) for index in (best, first, last))  # type: ignore[return-value]


def onsets_of(
    table: StreamTable,
    bets: Bets,
    rows: Ints,
    evidence: Floats,
    *,
    threshold: float,
    tick: int,
) -> tuple[Ints, Ints, Ints]:
    """Onsets of the rows with evidence to speak of, as ``onsets`` says; the others begin now."""
    out = tuple(np.full(len(rows), tick, np.int64) for _ in range(3))
    loud = np.flatnonzero(evidence >= threshold / 20.0)
    if len(loud):
        mine = rows[loud]
        found = onsets(
            table.ring_bets[mine],
            table.ring_ticks,
            table.temper[mine][:, :, bets.kind].astype(np.float64),
            np.log(bets.payoff),
            tick,
        )
        for column, values in zip(out, found, strict=True):
            column[loud] = values
    return out[0], out[1], out[2]
