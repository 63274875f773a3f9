"""Wasserstein-1 distance of numbers."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from detectors.detector import ALPHA, Exactness
from detectors.methods.resampling import monte_carlo_p, redrawn, relabelled
from detectors.methods.samples import Counts, Floats, in_range
from detectors.methods.scalar.bins import binned
from detectors.methods.scalar.of_numbers import OfNumbers
from detectors.methods.two_sample import Found, Size
from detectors.registry import register


@register
class Wasserstein(OfNumbers):
    """Wasserstein-1 (earth mover's) distance: how far the values have to be carried on average.

    Statistic: ``W = integral |F(t) - G(t)| dt / s`` of the empirical distribution functions of
    (m,) and (n,) values, s the reference's standard deviation (the pooled one where the reference
    is constant).

    Effect: W itself, in reference standard deviations; a shift by d of them is d. Without drift
    it is not 0 but about ``0.6 sqrt(1/m + 1/n)``. 95 % interval by the bootstrap: the lower end is
    W less the 95 % quantile of the distance between resamples and samples (triangle inequality),
    the upper one comes from the linear part.

    Test: Monte Carlo over random relabellings; exact at any sample size. The test and the bootstrap
    take the pooled values in at most ``cells`` cells of equal share; the distance itself is not
    binned.

    Cost: O(N log N + (permutations + resamples) * cells) time, O(resamples * cells) memory,
    N = m + n; 55 ms at 50 000 a side.

    Not for: heavy tails without a variance, where a few values decide it (ks does not mind);
    values whose distances mean nothing, as codes and ranks.

    Source: Ramdas, Garcia Trillos and Cuturi, On Wasserstein Two-Sample Testing and Related
    Families of Nonparametric Tests, Entropy, 2017.

    Details: ``scale``, the unit in the signal's own unit.

    Args:
        alpha: false-alarm rate of the test.
        tolerance: the distance up to which drift does not matter.
        cells: of the test and of the bootstrap.
        permutations: how often records are relabelled; the smallest p is 1 / (permutations + 1).
        resamples: of the bootstrap.
        seed: of both.

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> found = Wasserstein().compare(rng.normal(size=2000), rng.normal(0.5, 1.0, size=2000))
        >>> print(found.outcome, round(found.effect.value, 2), found.p_value)
        drifted 0.53 0.001
    """

    name: ClassVar[str] = "wasserstein"
    exactness: ClassVar[Exactness] = Exactness.EXACT
    unit = "reference standard deviations"

    def __init__(
        self,
        *,
        alpha: float = ALPHA,
        tolerance: float = 0.2,
        cells: int = 128,
        permutations: int = 999,
        resamples: int = 999,
        seed: int = 0,
    ) -> None:
        super().__init__(alpha=alpha, tolerance=tolerance)
        self.cells, self.permutations = cells, permutations
        self.resamples, self.seed = resamples, seed

    def _found(self, before: Floats, now: Floats) -> Found:
        m, n = len(before), len(now)
        before, now = in_range(before, now)
        pooled = np.concatenate([before, now])
        scale = float(before.std()) or float(pooled.std()) or 1.0
        order = pooled.argsort()
        ranked = pooled[order]
        value = _carried(np.where(order < m, 1.0 / m, -1.0 / n), ranked) / scale
        grid = _Grid(before, now, ranked, self.cells)
        rng = np.random.default_rng(self.seed)
        p_value = monte_carlo_p(
            float(grid.distance(grid.reference, grid.current)),
            relabelled(grid.distance, grid.reference, grid.current, self.permutations, rng),
        )
        below, above = grid.margins(value, self.resamples, rng)
        return Found(
            size=Size(value, max(value - below, 0.0), value + max(above, 0.0)),
            statistic=value,
            p_value=p_value,
            details={"scale": scale},
        )


def _carried(jumps: Floats, ranked: Floats) -> float:
    return float(np.abs(jumps.cumsum()[:-1]) @ np.diff(ranked))


class _Grid:
    """Both samples as counts over cells of equal pooled share; equal values share a cell."""

    def __init__(self, before: Floats, now: Floats, ranked: Floats, cells: int) -> None:
        last = np.arange(1, cells + 1) * len(ranked) // cells - 1
        edges = np.unique(ranked[np.maximum(last, 0)])[:-1]
        counts = binned(before, edges), binned(now, edges)
        ends = (counts[0] + counts[1]).cumsum()
        starts = ends - counts[0] - counts[1]
        self.reference, self.current = counts
        self.at = np.add.reduceat(ranked, starts) / (ends - starts)
        self.width = np.diff(self.at)

    def distance(self, reference: Counts, current: Counts) -> Floats:
        """Counts (..., K) to W, in the signal's own unit."""
        return np.asarray(np.abs(_gap(reference, current)) @ self.width)

    def margins(
        self, value: float, resamples: int, rng: np.random.Generator
    ) -> tuple[float, float]:
        """How far the interval reaches below and above ``value``, in reference deviations."""
        m, n = int(self.reference.sum()), int(self.current.sum())
        seen = _gap(self.reference, self.current)
        pooled = (self.reference + self.current).cumsum()[:-1] / (m + n)
        noise = np.sqrt(pooled * (1.0 - pooled) * (1.0 / m + 1.0 / n))
        # Where the gap is within its noise its sign is not known: take the mean's.
        sign = np.sign(np.where(np.abs(seen) > noise, seen, seen @ self.width))
        scale = float(self._deviation(self.reference))

        def errors(reference: Counts, current: Counts) -> Floats:
            error = _gap(reference, current) - seen
            unit = self._deviation(reference) / scale - 1.0 if scale else 0.0
            whole = np.abs(error) @ self.width / (scale or 1.0) - value * unit
            linear = (error * sign) @ self.width / (scale or 1.0) - value * unit
            return np.stack([whole, linear], axis=1)

        drawn = redrawn(errors, self.reference, self.current, resamples, rng)
        return float(np.quantile(drawn[:, 0], 0.95)), -float(np.quantile(drawn[:, 1], 0.025))

    def _deviation(self, counts: Counts) -> Floats:
        shares = counts / counts.sum(axis=-1, keepdims=True)
        centred = self.at - self.at.mean()
        return np.asarray(np.sqrt(np.maximum(shares @ centred**2 - (shares @ centred) ** 2, 0.0)))


def _gap(reference: Counts, current: Counts) -> Floats:
    f = reference.cumsum(axis=-1) / reference.sum(axis=-1, keepdims=True)
    g = current.cumsum(axis=-1) / current.sum(axis=-1, keepdims=True)
    return np.asarray((f - g)[..., :-1])
