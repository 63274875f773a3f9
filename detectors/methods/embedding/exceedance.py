"""Out-of-distribution scores made comparable: conformal p-values, and the share that is far out.

A model of the reference learns from one half of it; the c rows of the other half and the n current
rows are scored alike. Without drift these c + n scores are exchangeable, so the number of current
ones beyond the k-th smallest of the c is beta-binomial, (n, c + 1 - k, k), whatever the scores are.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from detectors.detector import ALPHA, Exactness
from detectors.intervals import wilson
from detectors.methods.embedding.of_rows import OfRows
from detectors.methods.embedding.rows import Floats, matrix
from detectors.methods.two_sample import Found, Size
from vigil.errors import ShapeError

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


class FarOut(OfRows):
    """Compares the share of the current rows beyond the calibration's quantile with its own.

    A method fits its score to one half of the reference; no data with fewer than 4 finite rows
    of the reference, or without a current one.

    Args:
        alpha: false-alarm rate of the test.
        tolerance: the excess share up to which drift does not matter.
        quantile: q.
        seed: of the split.
    """

    exactness: ClassVar[Exactness] = Exactness.EXACT
    unit = "share of records beyond the reference"
    needed = (FEWEST, 1)

    def __init__(
        self,
        *,
        alpha: float = ALPHA,
        tolerance: float = 0.05,
        quantile: float = 0.95,
        seed: int = 0,
    ) -> None:
        if not 0.0 < quantile < 1.0:
            raise ValueError(f"quantile: expected between 0 and 1, found {quantile}")
        super().__init__(alpha=alpha, tolerance=tolerance)
        self.quantile, self.seed = quantile, seed

    @abstractmethod
    def _scorer(self, learn: Floats) -> Callable[[Floats], Floats]:
        """How far out rows (n, d) are, (n,), learned from finite rows of the reference."""

    def fit(self, reference: ArrayLike) -> OutOfDistribution:
        """A score of single records, from (m, d) rows of the reference.

        Raises:
            ShapeError: not a matrix with at least 4 finite rows.
        """
        rows = matrix(reference, "reference")
        rows = rows[np.isfinite(rows).all(axis=1)]
        if len(rows) < FEWEST:
            raise ShapeError(
                "reference", expected=f"at least {FEWEST} finite rows", found=str(len(rows))
            )
        order = np.random.default_rng(self.seed).permutation(len(rows))
        half = len(rows) // 2
        scorer = self._scorer(rows[order[:half]])
        calibration = np.sort(scorer(rows[order[half:]]))
        return OutOfDistribution(width=rows.shape[1], calibration=calibration, scorer=scorer)

    def _found(self, before: Floats, now: Floats) -> Found:
        model = self.fit(before)
        scores = model.score(now)
        n, c = len(scores), len(model.calibration)
        k = min(c, int(np.ceil(self.quantile * (c + 1))))
        threshold = float(model.calibration[k - 1])
        beyond = int((scores > threshold).sum())
        share, expected = beyond / n, 1.0 - k / (c + 1)
        low, high = (float(x[0]) for x in wilson(np.array([float(beyond)]), np.array([float(n)])))
        least, most = (float(stats.beta.ppf(q, c + 1 - k, k)) for q in (0.025, 0.975))
        value = share - expected
        return Found(
            size=Size(
                value,
                low=value - float(np.hypot(share - low, most - expected)),
                high=value + float(np.hypot(high - share, expected - least)),
            ),
            statistic=share,
            p_value=_p_value(beyond, n, c + 1 - k, k),
            details={"threshold": threshold, "expected": expected, "calibration": c},
        )


def _p_value(beyond: int, n: int, a: int, b: int) -> float:
    """P(at least so many of n), beta-binomial."""
    if beyond == 0:
        return 1.0
    return float(min(1.0, stats.betabinom.pmf(np.arange(beyond, n + 1), n, a, b).sum()))


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
