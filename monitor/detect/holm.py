"""Many tests, one false-alarm rate."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values, in the order given.

    With ``p_(1) <= ... <= p_(m)``: ``adjusted_(i) = max_{j <= i} min(1, (m - j + 1) p_(j))``.
    Rejecting where ``adjusted <= alpha`` keeps the chance of *any* false rejection at alpha,
    whatever the dependence between the tests. A p-value that is not a number counts as 1.

    Source: Holm, A Simple Sequentially Rejective Multiple Test Procedure, 1979.
    """
    p = np.nan_to_num(np.asarray(p_values, np.float64), nan=1.0)
    m = len(p)
    order = np.argsort(p, kind="stable")
    stepped = np.minimum(1.0, p[order] * np.arange(m, 0, -1))
    adjusted = np.empty(m)
    adjusted[order] = np.maximum.accumulate(stepped)
    return [float(value) for value in adjusted]
