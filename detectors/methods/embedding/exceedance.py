"""Out-of-distribution scores made comparable: conformal p-values, and the share that is far out.

A model of the reference learns from one half of it; the c rows of the other half and the n current
rows are scored alike. Without drift these c + n scores are exchangeable, so the number of current
ones beyond the k-th smallest of the c is beta-binomial, (n, c + 1 - k, k), whatever the scores are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from detectors.detector import Comparison, conclude
from detectors.intervals import wilson
from detectors.methods.embedding.rows import Floats, matrix
from vigil.errors import ShapeError
from vigil.types import Effect

UNIT = "share of records beyond the reference"
FEWEST = 4
"""A reference of fewer rows can't be split into a model and a calibration half."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class OutOfDistribution:
    """A fitted out-of-distribution score.

    * ``width``: d; ``calibration`` (c,): sorted scores of reference rows the model has not seen.
    """

    width: int
    calibration: Floats
    scorer: Callable[[Floats], Floats]

    def score(self, rows: ArrayLike) -> Floats:
        """How far out each of (n, d) rows is, (n,): larger is farther; NaN for rows that are not
        finite.

        Raises:
            ShapeError: not (n, d).
        """
        found = matrix(rows, "rows")
        if found.shape[1] != self.width:
            raise ShapeError("rows", expected=f"(n, {self.width})", found=str(found.shape))
        usable = np.isfinite(found).all(axis=1)
        out = np.full(len(found), np.nan)
        if usable.any():
            out[usable] = self.scorer(found[usable])
        return out

    def p_values(self, rows: ArrayLike) -> Floats:
        """``(1 + #{calibration >= score}) / (c + 1)`` of each row.

        At most alpha with probability at most alpha for a row like the reference's; NaN for rows
        that are not finite. P-values of several rows share their calibration: not independent.

        Source: Bates, Candes, Lei, Romano and Sesia, Testing for Outliers with Conformal p-values,
        Annals of Statistics, 2023.
        """
        scores = self.score(rows)
        c = len(self.calibration)
        above = c - np.searchsorted(self.calibration, scores, side="left")
        return np.where(np.isnan(scores), np.nan, (1.0 + above) / (c + 1.0))


def halves(rows: Floats, seed: int) -> tuple[Floats, Floats]:
    """The rows a model learns from and those that calibrate it, at random."""
    order = np.random.default_rng(seed).permutation(len(rows))
    return rows[order[: len(rows) // 2]], rows[order[len(rows) // 2 :]]


def fitted(width: int, held: Floats, scorer: Callable[[Floats], Floats]) -> OutOfDistribution:
    """The score of a model with its calibration rows (c, d)."""
    return OutOfDistribution(width=width, calibration=np.sort(scorer(held)), scorer=scorer)


def far_out(
    detector: str,
    model: OutOfDistribution,
    current: Floats,
    *,
    quantile: float,
    tolerance: float,
    alpha: float,
    left_out: tuple[int, int],
) -> Comparison:
    """Compare the share of the current rows beyond the calibration's quantile with its own."""
    scores = model.score(current)
    n, c = len(scores), len(model.calibration)
    k = min(c, int(np.ceil(quantile * (c + 1))))
    threshold = float(model.calibration[k - 1])
    beyond = int((scores > threshold).sum())
    share, expected = beyond / n, 1.0 - k / (c + 1)
    low, high = (float(x[0]) for x in wilson(np.array([float(beyond)]), np.array([float(n)])))
    least, most = (float(stats.beta.ppf(q, c + 1 - k, k)) for q in (0.025, 0.975))
    value = share - expected
    effect = Effect(
        value=value,
        low=value - float(np.hypot(share - low, most - expected)),
        high=value + float(np.hypot(high - share, expected - least)),
        tolerance=tolerance,
        unit=UNIT,
        records=n,
    )
    return conclude(
        detector,
        effect,
        statistic=share,
        p_value=_p_value(beyond, n, c + 1 - k, k),
        alpha=alpha,
        left_out=left_out,
        details={"threshold": threshold, "expected": expected, "calibration": c},
    )


def _p_value(beyond: int, n: int, a: int, b: int) -> float:
    """P(at least so many of n), beta-binomial."""
    if beyond == 0:
        return 1.0
    return float(min(1.0, stats.betabinom.pmf(np.arange(beyond, n + 1), n, a, b).sum()))


def check_quantile(quantile: float) -> float:
    """Raises:
    ValueError: not between 0 and 1.
    """
    if not 0.0 < quantile < 1.0:
        raise ValueError(f"quantile: expected between 0 and 1, found {quantile}")
    return quantile


def nearest(rows: Floats, bank: NDArray[np.float32], k: int, *, block: int = 1024) -> Floats:
    """The Euclidean distance of each row to its k-th nearest of the bank, in blocks of rows."""
    norms = (bank * bank).sum(axis=1)
    out = np.empty(len(rows))
    for start in range(0, len(rows), block):
        some = rows[start : start + block].astype(np.float32)
        squared = norms - 2.0 * some @ bank.T
        kth = np.partition(squared, k - 1, axis=1)[:, k - 1]
        total = kth.astype(np.float64) + (some.astype(np.float64) ** 2).sum(axis=1)
        out[start : start + block] = np.sqrt(np.maximum(total, 0.0))
    return out
