"""Loss of accuracy with an interval: of two versions on the same records, or on others. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from math import hypot, sqrt

from scipy.optimize import brentq
from scipy.stats import binomtest, norm

from detectors.methods.labels.labelled import Floats


@dataclass(frozen=True, kw_only=True, slots=True)
class Loss:
    """Share right of the control less that of the candidate, and one-sided bounds of it."""

    value: float
    low: float
    high: float


def paired_loss(control: Floats, candidate: Floats, *, low: float, high: float) -> Loss:
    """Of two versions on the same records.

    Args:
        control, candidate: (n,) 1 where right, 0 where wrong; n > 0.
        low, high: the chance that the loss lies below ``low``, above ``high``.

    Only records on which they differ tell: n12 that the control alone has right, n21 that the
    candidate alone has. The bounds are those of Tango's score test, which is right for few of them
    too. Not for frames of one scene: they are not independent, and the bounds are then too narrow.

    Source: Tango, Equivalence Test and Confidence Interval for the Difference in Proportions for
    the Paired-Sample Design, Statistics in Medicine, 1998.
    """
    n = len(control)
    lost = float(((control > 0) & (candidate == 0)).sum())
    won = float(((control == 0) & (candidate > 0)).sum())
    return Loss(
        value=(lost - won) / n,
        low=-_upper(won, lost, n, float(norm.isf(low))),
        high=_upper(lost, won, n, float(norm.isf(high))),
    )


def _upper(lost: float, won: float, n: int, z: float) -> float:
    """The largest difference that the score test does not reject."""

    def excess(delta: float) -> float:
        a = 2.0 * n
        b = -lost - won + (2.0 * n - lost + won) * delta
        c = -won * delta * (1.0 - delta)
        only_won = (sqrt(max(b * b - 4.0 * a * c, 0.0)) - b) / (2.0 * a)
        variance = n * (2.0 * only_won + delta * (1.0 - delta))
        return float((lost - won - n * delta) / sqrt(max(variance, 1e-12)) + z)

    start, end = (lost - won) / n, 1.0 - 1e-12
    if start >= end or excess(end) >= 0.0:
        return 1.0
    return float(brentq(excess, max(start, -end), end, xtol=1e-9))


def unpaired_loss(
    right: tuple[int, int], records: tuple[int, int], *, low: float, high: float
) -> Loss:
    """Of two versions on different records, (control, candidate); every number of records > 0.

    Source: Newcombe, Interval Estimation for the Difference between Independent Proportions,
    Statistics in Medicine, 1998, method 10.
    """
    share = [one / n for one, n in zip(right, records, strict=True)]
    value = share[0] - share[1]
    sides = []
    for error in (low, high):
        bounds = [
            binomtest(one, n).proportion_ci(1.0 - 2.0 * error, method="wilson")
            for one, n in zip(right, records, strict=True)
        ]
        sides.append(bounds)
    return Loss(
        value=value,
        low=value - hypot(share[0] - sides[0][0].low, sides[0][1].high - share[1]),
        high=value + hypot(sides[1][0].high - share[0], share[1] - sides[1][1].low),
    )
