"""Classifier two-sample test: can a small model tell the two samples apart?"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from scipy.optimize import brentq
from scipy.stats import norm, rankdata

from detectors.detector import ALPHA, Exactness
from detectors.kernel_sums import labellings, median_length2, share_as_large
from detectors.methods.embedding.mmd import fourier_features
from detectors.methods.embedding.of_rows import OfRows
from detectors.methods.embedding.rows import PERMUTATIONS, Floats
from detectors.methods.two_sample import Found, Size
from detectors.registry import register

PENALTIES = np.geomspace(1e-3, 1e4, 15)
BATCH = 256
_Z = float(norm.ppf(0.975))


@register
class ClassifierTwoSample(OfRows):
    """Ridge regression learns on half of the rows which sample a row is of; the other half tells.

    Statistic: the AUC of the held-out scores, the share of pairs (current, reference) in which the
    current row scores higher, ties half. The model is a ridge regression of the label on the d
    standardised values and D random Fourier features, its penalty by generalised cross-validation
    on the learning half; so it sees shifts of the mean as well as changes of shape.

    Effect: AUC - 0.5, at most 0.5; below 0 by chance alone. 95 % interval: Newcombe's method 5,
    which is sound at an AUC of 1 too. It says how well *this* model tells them apart, at this
    sample size.

    Test: the held-out labels are dealt at random; given the learning half the held-out rows are
    exchangeable, so it is exact.

    Cost: O(N (d + D)^2 + (d + D)^3) time, O(N (d + D)) memory; 0.5 s for 2000 rows a side and
    d = 512, on one core.

    Not for: fewer than some hundred rows a side, because half of them only teach; small shifts of
    one sample of a wide embedding, where mmd uses all rows.

    Source: Lopez-Paz and Oquab, Revisiting Classifier Two-Sample Tests, ICLR 2017; Newcombe,
    Confidence Intervals for an Effect Size Measure Based on the Mann-Whitney Statistic, Part 2,
    Statistics in Medicine, 2006.

    Details: ``auc``, ``held_out`` (rows of the reference and of the current sample); no data with
    fewer than 4 finite rows a side.

    Args:
        alpha: false-alarm rate of the test.
        tolerance: the AUC above 0.5 up to which drift does not matter.
        permutations: at least ``1 / alpha - 1``, else the test can't reject.
        features: D, even.
        seed: of the split, the features and the permutations.

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> x, y = rng.normal(size=(500, 8)), rng.normal(0.5, 1.0, size=(500, 8))
        >>> print(ClassifierTwoSample().compare(x, y).outcome)
        drifted
    """

    name: ClassVar[str] = "classifier_two_sample"
    exactness: ClassVar[Exactness] = Exactness.EXACT
    unit = "held-out AUC above 0.5"
    needed = (4, 4)

    def __init__(
        self,
        *,
        alpha: float = ALPHA,
        tolerance: float = 0.05,
        permutations: int = PERMUTATIONS,
        features: int = 256,
        seed: int = 0,
    ) -> None:
        if features < 2 or features % 2:
            raise ValueError(f"features: expected an even number, found {features}")
        super().__init__(alpha=alpha, tolerance=tolerance)
        self.permutations, self.features, self.seed = permutations, features, seed

    def _found(self, before: Floats, now: Floats) -> Found:
        rng = np.random.default_rng(self.seed)
        x, y = before[rng.permutation(len(before))], now[rng.permutation(len(now))]
        learn = np.concatenate([x[: len(x) // 2], y[: len(y) // 2]])
        told = np.arange(len(learn)) >= len(x) // 2
        held = np.concatenate([y[len(y) // 2 :], x[len(x) // 2 :]])
        n, m = len(y) - len(y) // 2, len(x) - len(x) // 2
        scores = _scores(learn, told.astype(np.float64), held, self.features, rng)
        ranks = rankdata(scores)
        labels = labellings(n, m, self.permutations, rng)
        sums = [labels[s : s + BATCH] @ ranks for s in range(0, len(labels), BATCH)]
        auc = (np.concatenate(sums) - n * (n + 1) / 2.0) / (m * n)
        seen = float(auc[0])
        low, high = _interval(seen, m, n)
        return Found(
            size=Size(seen - 0.5, low - 0.5, high - 0.5),
            statistic=seen,
            p_value=share_as_large(auc),
            details={"auc": seen, "held_out": (m, n)},
        )


def _scores(
    learn: Floats, told: Floats, held: Floats, features: int, rng: np.random.Generator
) -> Floats:
    """Scores of the held-out rows. Scale, length and penalty come from the learning half alone."""
    mean, spread = learn.mean(axis=0), learn.std(axis=0)
    spread = np.where(spread > 1e-12 * (1.0 + np.abs(mean)), spread, np.inf)
    taught, asked = (learn - mean) / spread, (held - mean) / spread
    length = median_length2(taught, rng) ** 0.5
    both = fourier_features(np.concatenate([taught, asked]), features, rng, length)
    scale = np.sqrt(taught.shape[1])
    design = np.concatenate([taught / scale, both[: len(learn)]], axis=1)
    query = np.concatenate([asked / scale, both[len(learn) :]], axis=1)
    centre = design.mean(axis=0)
    return _ridge(design - centre, told - told.mean(), query - centre)


def _ridge(design: Floats, target: Floats, query: Floats) -> Floats:
    """Predictions for ``query``, the penalty chosen by generalised cross-validation."""
    left, singular, right = np.linalg.svd(design, full_matrices=False)
    along = left.T @ target
    rest = float((target**2).sum() - (along**2).sum())
    n = len(design)
    shrink = singular**2 / (singular**2 + PENALTIES[:, None])
    misfit = rest + (((1.0 - shrink) * along) ** 2).sum(axis=1)
    degrees = 1.0 - (shrink.sum(axis=1) + 1.0) / n
    score = misfit / np.maximum(degrees, 1e-3) ** 2
    best = PENALTIES[int(score.argmin())]
    weights = right.T @ (singular / (singular**2 + best) * along)
    return np.asarray(query @ weights)


def _interval(auc: float, m: int, n: int) -> tuple[float, float]:
    """Newcombe's method 5: the values that lie 1.96 of their own standard errors from the seen."""
    spare = (m + n) / 2.0 - 1.0

    def excess(at: float, sign: float) -> float:
        inside = 1.0 + spare * (1.0 - at) / (2.0 - at) + spare * at / (1.0 + at)
        return sign * (auc - at) - _Z * float(np.sqrt(at * (1.0 - at) * inside / (m * n)))

    # At 0 and 1 the deviation is zero, and the seen value itself a root that is not meant.
    low = 0.0 if auc <= 0.0 else brentq(excess, 0.0, min(auc, 1.0 - 1e-9), args=(1.0,))
    high = 1.0 if auc >= 1.0 else brentq(excess, max(auc, 1e-9), 1.0, args=(-1.0,))
    return float(low), float(high)
