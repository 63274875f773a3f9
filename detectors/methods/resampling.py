"""Samples as counts, relabelled or drawn again: thousands of times in a few array operations."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from detectors.methods.samples import Counts, Floats

CELLS_AT_ONCE = 1 << 20
"""How many counts one batch may hold; 8 MiB."""

Statistic = Callable[[Counts, Counts], Floats]
"""Counts (b, K) of the reference and of the current sample, to (b,) values."""


def relabelled(
    statistic: Statistic,
    reference: Counts,
    current: Counts,
    times: int,
    rng: np.random.Generator,
) -> Floats:
    """The statistic, (times,), with the records dealt to the two samples at random.

    Counts of a random relabelling are multivariate hypergeometric, so K cells are drawn, not
    m + n records.
    """
    pooled, m = reference + current, int(reference.sum())
    out = []
    for size in _batches(times, len(pooled)):
        first = rng.multivariate_hypergeometric(pooled, m, size=size, method="marginals")
        out.append(statistic(first, pooled - first))
    return np.concatenate(out)


def redrawn(
    statistic: Statistic,
    reference: Counts,
    current: Counts,
    times: int,
    rng: np.random.Generator,
) -> Floats:
    """The statistic, (times,), of samples drawn with replacement from each side: the bootstrap.

    Equal values share a cell, so ties stay ties.
    """
    m, n = int(reference.sum()), int(current.sum())
    out = []
    for size in _batches(times, len(reference)):
        first = rng.multinomial(m, reference / m, size=size)
        out.append(statistic(first, rng.multinomial(n, current / n, size=size)))
    return np.concatenate(out)


def monte_carlo_p(seen: float, drawn: Floats) -> float:
    """``(1 + #{drawn >= seen}) / (len(drawn) + 1)``: valid for any number of draws.

    Source: Davison and Hinkley, Bootstrap Methods and their Application, 1997, section 4.2.
    """
    as_large = int((drawn >= seen - 1e-12 * max(1.0, abs(seen))).sum())
    return (1.0 + as_large) / (len(drawn) + 1.0)


def _batches(times: int, cells: int) -> list[int]:
    most = max(1, CELLS_AT_ONCE // max(cells, 1))
    return [min(most, times - start) for start in range(0, times, most)]
