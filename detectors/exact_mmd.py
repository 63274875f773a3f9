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
        strata: (m,) and (n,), the stratum of each row. Rows change places only within their
            stratum, so that samples which merely mix the strata differently are no difference.

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
    groups = np.zeros(int(whole[0].sum() + whole[1].sum()), np.int64)
    if strata is not None:
        groups = np.concatenate([np.asarray(strata[i])[whole[i]] for i in (0, 1)])
    first, second = first[whole[0]], second[whole[1]]
    m, n = len(first), len(second)
    if min(m, n) < 2:
        raise ShapeError("samples", expected="at least 2 finite rows each", found=f"{m} and {n}")
    kernel = _kernel(np.concatenate([first, second]), bandwidth)
    drawn = np.arange(m + n) < m
    seen = float(_statistics(kernel, drawn[None, :])[0])
    as_large = 0
    for start in range(0, permutations, BATCH):
        shuffled = _shuffled(drawn, groups, min(BATCH, permutations - start), rng)
        as_large += int((_statistics(kernel, shuffled) >= seen - 1e-12).sum())
    return seen, (1.0 + as_large) / (permutations + 1.0)


def _shuffled(
    drawn: NDArray[np.bool_], groups: NDArray[np.int64], times: int, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """``drawn`` (m + n,) with its places exchanged within each group at random, (times, m + n)."""
    out = np.empty((times, len(drawn)), bool)
    for group in np.unique(groups):
        rows = np.flatnonzero(groups == group)
        ranks = rng.random((times, len(rows))).argsort(axis=1)
        out[:, rows] = ranks < drawn[rows].sum()
    return out


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
