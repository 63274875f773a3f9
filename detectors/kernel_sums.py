"""Sums of a kernel matrix within and across two samples, for many ways of labelling its rows.

The matrix K (N, N), diagonal zero, is never held: it is made in square tiles, each used once for
all P labellings and then dropped. With a (N,) the 0/1 labels of a labelling, m ones, and
``c = a - m / N``, which sums to zero, ::

    a'Ka = (m / N)^2 1'K1 + 2 (m / N) c'K1 + c'(K - s 11')c

for any constant s: taking a middle value s off leaves small numbers, so that float32 products
(float64 sums over tiles) suffice. Only tiles on and above the diagonal are made.

Cost: ``N^2 (d + P)`` multiply-adds, halved by symmetry; memory ``N (d + P / 4)`` floats and a few
tiles.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from detectors.backend import Array, Backend, backend

Floats = NDArray[np.float64]

DOUBLE_UP_TO = 1500
"""So many rows are computed in float64 throughout."""
MEDIAN_OF = 1500
"""The median distance of more rows is taken over so many of them."""


class Kernel(Protocol):
    """From squared distances to kernel values."""

    @property
    def middle(self) -> float:
        """A typical value."""

    def of(self, squared: Array, on: Backend) -> Array:
        """In place: squared distances to kernel values."""


@dataclass(frozen=True, slots=True)
class Gaussian:
    """``exp(-|a - b|^2 / (2 l^2))``."""

    length2: float

    @property
    def middle(self) -> float:
        return float(np.exp(-0.5))

    def of(self, squared: Array, on: Backend) -> Array:
        squared *= -0.5 / self.length2
        return on.exp(squared)


@dataclass(frozen=True, slots=True)
class NegativeDistance:
    """``-|a - b|``: its MMD^2 is the energy distance."""

    length2: float

    @property
    def middle(self) -> float:
        return -float(np.sqrt(self.length2))

    def of(self, squared: Array, on: Backend) -> Array:
        distance = on.sqrt(squared)
        distance *= -1.0
        return distance


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class KernelSums:
    """Sums over ordered pairs i != j; m rows are in the first sample, n in the second.

    * ``row`` (N,): ``K 1``; ``reach`` (N,): ``K a`` of the first labelling; ``first`` (N,): a.
    * ``inside``, ``across``, ``rest`` (P,): sums within the first sample, from the first to the
      second, and within the second, of each labelling.
    """

    m: int
    n: int
    row: Floats
    reach: Floats
    first: NDArray[np.bool_]
    inside: Floats
    across: Floats
    rest: Floats

    @property
    def squares(self) -> Floats:
        """Unbiased MMD^2 of each labelling, (P,)."""
        m, n = self.m, self.n
        within = self.inside / (m * (m - 1)) + self.rest / (n * (n - 1))
        return np.asarray(within - 2.0 * self.across / (m * n))

    @property
    def linear_variance(self) -> float:
        """Variance of the linear part of MMD^2 of the first labelling: four times that of the mean
        of each row's ``k(row, own sample) - k(row, other sample)``."""
        m, n, other = self.m, self.n, self.row - self.reach
        mine = self.reach[self.first] / (m - 1) - other[self.first] / n
        theirs = other[~self.first] / (n - 1) - self.reach[~self.first] / m
        return float(4.0 * (mine.var(ddof=1) / m + theirs.var(ddof=1) / n))


def labellings(m: int, n: int, permutations: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Who is in the first sample, (permutations + 1, m + n): as seen, then dealt at random."""
    labels = np.zeros((permutations + 1, m + n), bool)
    labels[:, :m] = True
    if permutations:
        rng.permuted(labels[1:], axis=1, out=labels[1:])
    return labels


def kernel_sums(
    rows: NDArray[np.floating[Any]],
    labels: NDArray[np.bool_],
    kernel: Kernel,
    *,
    device: str | None = None,
    tile: int | None = None,
) -> KernelSums:
    """The sums of every labelling.

    Args:
        rows: (N, d), finite.
        labels: (P, N), each with the same number of ones, the first as seen.
        kernel: of squared distances.
        device: None for NumPy, else torch's device.
        tile: rows of a tile; the device's own where None.

    Raises:
        ImportError, RuntimeError: see ``backend``.
    """
    on = backend(device)
    size, m = len(rows), int(labels[0].sum())
    share, middle = m / size, kernel.middle
    precision: type[np.floating[Any]] = np.float64 if size <= DOUBLE_UP_TO else np.float32
    centred = np.asarray(rows, np.float64)
    x = on.put((centred - centred.mean(axis=0)).astype(precision))
    norms = (x * x).sum(1)
    member = on.put(np.ascontiguousarray(labels.T))
    thin = on.put(np.stack([np.ones(size), labels[0]], axis=1).astype(precision))
    reach, form = on.zeros((size, 2)), on.zeros((len(labels),))
    step = tile or on.tile
    for i in range(0, size, step):
        here = slice(i, i + step)
        mine = on.like(member[here], x) - share
        for j in range(i, size, step):
            there = slice(j, j + step)
            block = x[here] @ x[there].T
            block *= -2.0
            block += norms[here, None]
            block += norms[None, there]
            block = kernel.of(on.positive(block), on)
            if i == j:
                on.clear_diagonal(block)
            block -= middle
            theirs = mine if i == j else on.like(member[there], x) - share
            product = block @ theirs
            product *= mine
            form += on.total(product) * (1.0 if i == j else 2.0)
            reach[here] += block @ thin[there]
            if i != j:
                reach[there] += block.T @ thin[here]
    reached = on.get(reach) + middle * np.array([size, m])
    row, total = reached[:, 0], float(reached[:, 0].sum())
    from_first = np.concatenate(
        [
            labels[start : start + 256].astype(np.float64) @ row
            for start in range(0, len(labels), 256)
        ]
    )
    inside = on.get(form) + 2.0 * share * from_first - share**2 * total
    across = from_first - inside
    return KernelSums(
        m=m,
        n=size - m,
        row=row,
        reach=reached[:, 1],
        first=labels[0],
        inside=inside,
        across=across,
        rest=total - inside - 2.0 * across,
    )


def median_length2(rows: NDArray[np.floating[Any]], rng: np.random.Generator) -> float:
    """The squared median distance of pairs of rows (of at most 1500 of them), zeros left out; 1
    where all rows are equal. It does not look at the labels, so permutation tests stay exact."""
    few = np.asarray(rows, np.float64)
    if len(few) > MEDIAN_OF:
        few = few[rng.choice(len(few), MEDIAN_OF, replace=False)]
    few = few - few.mean(axis=0)
    norms = (few**2).sum(axis=1)
    squared = norms[:, None] + norms[None, :] - 2.0 * few @ few.T
    apart = squared[np.triu_indices(len(few), 1)]
    apart = apart[apart > 1e-12 * max(float(norms.max(initial=0.0)), 1e-300)]
    return float(np.median(apart)) if len(apart) else 1.0


def share_as_large(values: Floats) -> float:
    """``(1 + #{permuted >= seen}) / (P + 1)`` of the seen value and P permuted ones after it.

    A permuted value that is less than the seen one by rounding only counts as as large.
    """
    seen, permuted = float(values[0]), values[1:]
    slack = 1e-12 * max(abs(seen), 1e-300)
    if len(permuted):
        slack = max(slack, 1e-5 * float(permuted.std()), 1e-13)
    return float((1.0 + (permuted >= seen - slack).sum()) / (len(permuted) + 1.0))
