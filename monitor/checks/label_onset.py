"""Since when labels disagree: told by when the predictions were made, not by when labels came.

The evidence of labels begins wherever its bets last began to pay, and labels come late, so neither
says when the model went wrong. The labels themselves do: of all moments s the one at which a step
in the residual r explains them best ::

    gain(s) = n1 n2 / n (mean r after s - mean r before s)^2 / (2 variance)

with r the loss (accuracy) or the loss less 1 - confidence (calibration), over labels in the order
of their predictions, window by window. Moments within 1.92 of the best gain are the 95 % interval
of a likelihood ratio.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select
from sqlalchemy.orm import Session

from detectors.streams import StreamKey
from monitor.checks.due import end_of, number_containing
from monitor.checks.recent import KEPT_TICKS
from monitor.store.tables import LabelRow
from vigil.catalogue import CALIBRATION
from vigil.windows.summary import MISSING

MOST_LABELS = 20_000
LEAST_GAIN = 8.0
"""Below it no step is seen, and what the evidence itself says stands: the best of many moments
gains as much as 4 by chance, where labels were wrong from the first one on."""

_WITHIN = 1.92


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """Ticks of predictions: the best, the earliest and the latest that the labels allow."""

    best: int
    first: int
    last: int


def label_onset(
    session: Session, stream: StreamKey, *, tick: int, window_s: float, since_tick: int
) -> Step | None:
    """When the labels that came up to ``tick`` begin to disagree; None where no step is seen.

    Args:
        since_tick: the evidence begins with the labels of this tick; as many ticks before it are
            looked at as are kept for effects.
    """
    rows = session.execute(
        select(
            LabelRow.predicted_at,
            LabelRow.cell,
            LabelRow.confidence,
            LabelRow.prediction,
            LabelRow.label,
        )
        .where(
            LabelRow.model == stream.model,
            LabelRow.deployment == stream.deployment,
            LabelRow.arrived_at > end_of(since_tick - KEPT_TICKS, window_s),
            LabelRow.arrived_at <= end_of(tick, window_s) + timedelta(seconds=window_s),
        )
        .order_by(LabelRow.arrived_at.desc())
        .limit(MOST_LABELS)
    ).all()
    wanted = stream.slice.pairs
    mine = [
        row for row in rows if all(row.cell.get(key, MISSING) == value for key, value in wanted)
    ]
    if not mine:
        return None
    when = np.array([number_containing(row.predicted_at, window_s) for row in mine])
    residual = np.array([float(row.prediction != row.label) for row in mine])
    if stream.signal != CALIBRATION.name:
        return step_of(when, residual, upwards=True)
    return step_of(when, residual - 1.0 + np.array([row.confidence for row in mine]))


def step_of(
    when: Sequence[int] | NDArray[np.int64],
    residual: NDArray[np.float64],
    *,
    upwards: bool = False,
) -> Step | None:
    """The best step in values (n,) that belong to ticks (n,); None where none is seen.

    Args:
        upwards: a step down is none.
    """
    ticks, place = np.unique(np.asarray(when), return_inverse=True)
    if len(ticks) < 2:
        return None
    number = np.bincount(place).astype(np.float64)
    total = np.bincount(place, weights=residual)
    before, n = np.cumsum(number)[:-1], float(number.sum())
    sum_before = np.cumsum(total)[:-1]
    gap = (total.sum() - sum_before) / (n - before) - sum_before / before
    between = before * (n - before) / n * gap**2
    variance = np.maximum((np.square(residual - residual.mean()).sum() - between) / n, 1e-3)
    gain = np.where((gap > 0) | (not upwards), between / (2.0 * variance), 0.0)
    best = int(np.argmax(gain))
    if gain[best] < LEAST_GAIN:
        return None
    near = np.flatnonzero(gain >= gain[best] - _WITHIN)
    return Step(
        best=int(ticks[best + 1]), first=int(ticks[near[0] + 1]), last=int(ticks[near[-1] + 1])
    )
