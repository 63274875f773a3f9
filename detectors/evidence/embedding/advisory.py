"""Early warning from embeddings by a normal approximation. Advisory: tickets, never pages."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vigil.errors import ShapeError

Floats = NDArray[np.float64]

SCALES = (0.1, 0.3, 1.0)
STARTS = 128


@dataclass(frozen=True, kw_only=True, slots=True)
class Advice:
    """``log_evidence`` in ticks, ``onset``: ticks since the most likely start (0: this tick)."""

    log_evidence: float
    onset: int


class AdvisoryMixture:
    """A Gaussian mixture over unknown shifts and start times, on recursive residuals.

    With y_t (k,) the mean of m whitened records and the pooled mean of the N records before, ::

        e_t = sqrt(m / (1 + m / N)) (y_t - pooled mean)

    is N(0, I) and independent from tick to tick, if records are independent and the central limit
    theorem holds; so no location has to be known, and the reference may be recycled. For a start s,
    n ticks ago, with ``S = e_s + ... + e_t`` and shifts drawn from N(0, g^2 I), ::

        log M_s = -k/2 log(1 + n g^2) + g^2 |S|^2 / (2 (1 + n g^2))

    and the evidence is ``sum_s M_s``, averaged over g in {0.1, 0.3, 1}: Shiryaev-Roberts.

    **Approximate.** Its false-alarm rate rests on the normal limit in k dimensions, on a whitening
    that is exact, and on independent ticks without seasons. Real windows have none of these for
    sure; it has no guarantee and must not page.

    At most 128 starts are kept; older ones thin out, which only lowers the evidence. Ticks that are
    given to it join the pooled mean, so that slow drift is absorbed.

    **When not to use it.** For pages; where y is not whitened by a covariance of many more than k
    records; with fewer than some 30 records a tick.

    Cost: O(k 128) a tick.

    Source: Brown, Durbin and Evans, Techniques for Testing the Constancy of Regression
    Relationships over Time, JRSS B, 1975; Robbins, Statistical Methods Related to the Law of the
    Iterated Logarithm, 1970; Pollak, Optimal Detection of a Change in Distribution, 1985.

    Args:
        components: k.
        mean, records: the pooled mean of the baseline, 0 if whitened by it, and its N.

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> watch = AdvisoryMixture(components=8, records=5000)
        >>> for _ in range(20):
        ...     advice = watch.step(rng.normal(0.1, 0.1, 8), records=100)
        >>> bool(advice.log_evidence > np.log(1000))
        True
    """

    advisory: bool = True

    def __init__(self, *, components: int, records: int, mean: ArrayLike | None = None) -> None:
        if components < 1 or records < 1:
            raise ValueError(
                f"expected components and records >= 1, found {components} and {records}"
            )
        self.components = components
        self._mean = np.zeros(components) if mean is None else np.array(mean, np.float64)
        if self._mean.shape != (components,):
            raise ShapeError("mean", expected=f"({components},)", found=str(self._mean.shape))
        self._records = float(records)
        self._sums = np.zeros((0, components))
        self._ticks = np.zeros(0)

    def residual(self, y: ArrayLike, *, records: int) -> Floats:
        """e of a tick (k,), without taking it in.

        Raises:
            ShapeError: not (k,) finite numbers, or no records.
        """
        found = np.asarray(y, np.float64)
        if found.shape != (self.components,) or not np.isfinite(found).all() or records < 1:
            raise ShapeError(
                "y",
                expected=f"({self.components},) finite numbers of at least 1 record",
                found=f"{found.shape} of {records}",
            )
        return np.asarray(np.sqrt(records / (1.0 + records / self._records)) * (found - self._mean))

    def step(self, y: ArrayLike, *, records: int) -> Advice:
        """Take in the mean (k,) of ``records`` records.

        Raises:
            ShapeError: see ``residual``.
        """
        e = self.residual(y, records=records)
        self._mean = self._mean + (np.asarray(y, np.float64) - self._mean) * (
            records / (self._records + records)
        )
        self._records += records
        self._sums = np.concatenate([self._sums + e, e[None, :]])
        self._ticks = np.append(self._ticks + 1.0, 1.0)
        if len(self._ticks) > STARTS:
            self._thin()
        grown = 1.0 + self._ticks[:, None] * np.square(SCALES)
        square = (self._sums**2).sum(axis=1)[:, None]
        log_m = -0.5 * self.components * np.log(grown) + np.square(SCALES) * square / (2.0 * grown)
        per_start = np.logaddexp.reduce(log_m, axis=1) - np.log(len(SCALES))
        return Advice(
            log_evidence=float(np.logaddexp.reduce(per_start)),
            onset=int(self._ticks[per_start.argmax()]) - 1,
        )

    def restart(self) -> None:
        """Forget the starts; the pooled mean stays."""
        self._sums, self._ticks = np.zeros((0, self.components)), np.zeros(0)

    def _thin(self) -> None:
        """Drop the start, neither the oldest nor the newest, whose neighbours are closest together
        for its age: what is left is spaced geometrically."""
        gap = (self._ticks[:-2] - self._ticks[2:]) / self._ticks[1:-1]
        drop = int(gap.argmin()) + 1
        self._sums = np.delete(self._sums, drop, axis=0)
        self._ticks = np.delete(self._ticks, drop)
