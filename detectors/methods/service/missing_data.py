"""Share of missing values."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import hypergeom

from detectors.detector import ALPHA, Comparison, Exactness, Takes, conclude, no_data
from detectors.intervals import wilson
from detectors.methods.samples import is_missing
from detectors.registry import register
from vigil.errors import ShapeError
from vigil.types import Effect

UNIT = "rise of the missing share"


@register
class MissingData:
    """Missing values: does a larger share of a column arrive empty than it used to?

    Statistic: the share of missing values among the (n,) current less that among the (m,)
    reference ones. Missing is None, NaN or infinite; values may be of any kind.

    Effect: that rise, -1 to 1, positive where it got worse; 95 % interval of Newcombe (Wilson's
    interval on each side). Nothing is left out: missing values are what is counted.

    Test: Fisher's exact one-sided test; at any sample size no more false alarms than alpha.

    Cost: O(m + n) time and memory; 0.1 ms at 50 000 a side.

    Not for: records that never arrive, which no sample shows (the service's rule for silence
    does); a fall of the missing share, which is not reported.

    Source: Fisher, The Design of Experiments, 1935; Newcombe, Interval Estimation for the
    Difference between Independent Proportions, Statistics in Medicine, 1998, method 10.

    Args:
        alpha: false-alarm rate of the test.
        tolerance: the rise up to which it does not matter.

    Example:
        >>> import numpy as np
        >>> now = np.ones(1000)
        >>> now[:60] = np.nan
        >>> found = MissingData().compare(np.ones(5000), now)
        >>> print(found.outcome, round(found.effect.value, 3))
        drifted 0.06
    """

    name: ClassVar[str] = "missing_data"
    takes: ClassVar[Takes] = Takes.SCALAR
    exactness: ClassVar[Exactness] = Exactness.EXACT

    def __init__(self, *, alpha: float = ALPHA, tolerance: float = 0.01) -> None:
        self.alpha, self.tolerance = alpha, tolerance

    def compare(self, reference: ArrayLike, current: ArrayLike) -> Comparison:
        """Compare (m,) values with (n,); details: ``shares`` missing of (reference, current).

        Raises:
            ShapeError: a sample is not one row of values.
        """
        lost_before, m = _missing(reference, "reference")
        lost_now, n = _missing(current, "current")
        if not m or not n:
            return no_data(self.name, unit=UNIT, tolerance=self.tolerance, alpha=self.alpha)
        lost, size = np.array([lost_before, lost_now], float), np.array([m, n], float)
        share = lost / size
        low, high = wilson(lost, size)
        value = float(share[1] - share[0])
        effect = Effect(
            value=value,
            low=value - float(np.hypot(share[1] - low[1], high[0] - share[0])),
            high=value + float(np.hypot(high[1] - share[1], share[0] - low[0])),
            tolerance=self.tolerance,
            unit=UNIT,
            records=n,
        )
        p_value = float(hypergeom.sf(lost_now - 1, m + n, lost_before + lost_now, n))
        return conclude(
            self.name,
            effect,
            statistic=value,
            p_value=min(max(p_value, 0.0), 1.0),
            alpha=self.alpha,
            details={"shares": (float(share[0]), float(share[1]))},
        )


def _missing(values: ArrayLike, what: str) -> tuple[int, int]:
    found: np.ndarray[Any, Any] = np.asarray(values)
    if found.ndim != 1:
        raise ShapeError(what, expected="(n,) values", found=f"{found.shape} {found.dtype}")
    if found.dtype.kind in "fc":
        return int((~np.isfinite(found)).sum()), len(found)
    if found.dtype.kind in "mM":
        return int(np.isnat(found).sum()), len(found)
    if found.dtype.kind == "O":
        return sum(map(is_missing, found.tolist())), len(found)
    return 0, len(found)
