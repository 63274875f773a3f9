"""Exact maximum mean discrepancy with a permutation test, for whole records of a sample."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vigil.errors import ShapeError

Floats = NDArray[np.float64]

BATCH = 256


def permutation_test(
    x: NDArray[np.floating[Any]],
    y: NDArray[np.floating[Any]],
    permutations: int,
    rng: np.random.Generator,
    bandwidth: float | None = None,
    strata: tuple[NDArray[np.integer[Any]], NDArray[np.integer[Any]]] | None = None,
) -> tuple[float, float]:
    """Unbiased MMD^2 of two samples, and the p-value of their being of one distribution.

    Kernel ``k(a, b) = exp(-|a - b|^2 / (2 l^2))``; with m and n rows, ::

        MMD^2 = sum_{i != j} k(x_i, x_j) / (m (m - 1)) + ... - 2 sum k(x_i, y_j) / (m n)

    and ``p = (1 + #{permuted >= seen}) / (permutations + 1)``: exact for exchangeable rows,
    at any sample size. Rows with a value that is not finite are left out.

    Args:
        x, y: (m, d) and (n, d).
        permutations: how many.
        rng: draws them.
        bandwidth: l; the median distance of the pooled rows where None.
        strata: (m,) and (n,), the stratum of each row. The statistic is the mean of the strata's,
            weighted by m n / (m + n), and rows change places only within their stratum, so that
            another mix of the strata is no difference. Strata with fewer than 2 rows on a side
            are left out.

    Memory and time grow with (m + n)^2: meant for some thousand rows. Not for looking again and
    again at one growing sample: that is what evidence is for.

    Raises:
        ShapeError: not two matrices of one width with at least two finite rows each.

    Source: Gretton et al., A Kernel Two-Sample Test, JMLR 2012.
    """
    first, second = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if first.ndim != 2 or second.ndim != 2 or first.shape[1] != second.shape[1]:
        raise ShapeError(
            "samples", expected="two matrices of one width", found=f"{first.shape}, {second.shape}"
        )
    whole = np.isfinite(first).all(axis=1), np.isfinite(second).all(axis=1)
    groups = [np.zeros(int(rows.sum()), np.int64) for rows in whole]
    if strata is not None:
        groups = [np.asarray(strata[i])[whole[i]].astype(np.int64) for i in (0, 1)]
    first, second = first[whole[0]], second[whole[1]]
    seen, permuted, total = 0.0, np.zeros(permutations), 0.0
    for group in np.intersect1d(groups[0], groups[1]):
        mine, theirs = first[groups[0] == group], second[groups[1] == group]
        m, n = len(mine), len(theirs)
        if min(m, n) < 2:
            continue
        weight = m * n / (m + n)
        kernel = _kernel(np.concatenate([mine, theirs]), bandwidth)
        seen += weight * float(_statistics(kernel, np.arange(m + n)[None, :] < m)[0])
        for start in range(0, permutations, BATCH):
            ranks = rng.random((min(BATCH, permutations - start), m + n)).argsort(axis=1)
            permuted[start : start + BATCH] += weight * _statistics(kernel, ranks < m)
        total += weight
    if not total:
        found = f"{len(first)} and {len(second)}"
        raise ShapeError("samples", expected="at least 2 finite rows each", found=found)
    as_large = int((permuted >= seen - 1e-12 * total).sum())
    return seen / total, (1.0 + as_large) / (permutations + 1.0)


def _kernel(rows: Floats, bandwidth: float | None) -> Floats:
    norms = (rows**2).sum(axis=1)
    squared = np.maximum(norms[:, None] + norms[None, :] - 2.0 * rows @ rows.T, 0.0)
    if bandwidth is None:
        apart = squared[np.triu_indices(len(rows), 1)]
        apart = apart[apart > 0]
        length2 = float(np.median(apart)) if len(apart) else 1.0
    else:
        length2 = bandwidth**2
    kernel = np.exp(-squared / (2.0 * length2))
    np.fill_diagonal(kernel, 0.0)
    return np.asarray(kernel)


def _statistics(kernel: Floats, in_first: NDArray[np.bool_]) -> Floats:
    """MMD^2 for each row of ``in_first`` (b, m + n), which says who belongs to the first sample."""
    one = in_first.astype(np.float64)
    m = one.sum(axis=1)
    n = one.shape[1] - m
    reach = one @ kernel
    inside = (reach * one).sum(axis=1)
    across = reach.sum(axis=1) - inside
    rest = kernel.sum() - inside - 2.0 * across
    return np.asarray(inside / (m * (m - 1)) + rest / (n * (n - 1)) - 2.0 * across / (m * n))
