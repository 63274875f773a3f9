"""Label shift from predicted classes: black-box shift estimation, without current labels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from detectors.detector import ALPHA, Comparison, Exactness
from detectors.methods.labels.labelled import Floats, Ints, Labelled
from detectors.methods.labels.of_records import OfRecords
from detectors.methods.resampling import monte_carlo_p, relabelled
from detectors.methods.samples import Counts
from detectors.methods.two_sample import Found, Size
from detectors.registry import register


@register
class LabelShift(OfRecords):
    """How the true classes' shares moved, estimated from the predicted ones (BBSE).

    Statistic: Pearson's chi-square of the predicted classes of m reference and n current records.

    Effect: total variation ``1/2 sum_k |q_k - p_k|``, 0 to 1, between the reference's class shares
    p and the estimated current ones ``q = M^+ mu``, with ``M[i, j] = P(predicted i | true j)`` of
    the reference and mu the current predicted shares. 95 % interval by the bootstrap of both
    samples (linearised in M): below, the estimate less the 97.5 % quantile of the estimation
    error's total variation; above, a normal error; approximate, wide below.

    Test: permutation of the predicted classes: exact for exchangeable records. It also rejects
    where the input changed and the classes' shares did not.

    Cost: O(N K + resamples K^2 + permutations K + K^3); 60 ms at 50 000 records a side and 10
    classes, 2 s at 100 classes.

    Not for: anything but label shift. The estimate needs ``P(input | class)`` to be as in the
    reference; blur, a new camera or a new class break it, silently. Where M is ill-conditioned (a
    class that is hardly ever recognised) it is refused: the outcome is inconclusive, and the test
    stays.

    Source: Lipton, Wang and Smola, Detecting and Correcting for Label Shift with Black Box
    Predictors, ICML 2018.

    Details: ``reference`` and ``current`` (K,), the class shares; ``weights`` (K,), current over
    reference share, for re-weighting, NaN for classes the reference never saw; ``condition`` of M;
    ``refused``. Labels of the current records are not used.

    Args:
        alpha: false-alarm rate of the test.
        tolerance: total variation that does not matter.
        max_condition: the largest condition number of M that is believed.
        resamples, permutations: how many.
        seed: of both.

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> def sample(n, share, known=True):
        ...     truth = (rng.random(n) < share).astype(int)
        ...     says = np.where(rng.random(n) < 0.8, truth, 1 - truth)
        ...     p = np.where(says[:, None] == [0, 1], 0.8, 0.2)
        ...     return Labelled(probabilities=p, labels=truth if known else None)
        >>> found = LabelShift().compare(sample(5000, 0.5), sample(5000, 0.7, known=False))
        >>> print(found.outcome, round(found.effect.value, 2), found.details["current"].round(2))
        drifted 0.21 [0.29 0.71]
    """

    name: ClassVar[str] = "label_shift"
    exactness: ClassVar[Exactness] = Exactness.EXACT
    unit = "total variation of class priors"
    needs_labels = False

    def __init__(
        self,
        *,
        alpha: float = ALPHA,
        tolerance: float = 0.05,
        max_condition: float = 30.0,
        resamples: int = 500,
        permutations: int = 999,
        seed: int = 0,
    ) -> None:
        super().__init__(alpha=alpha, tolerance=tolerance)
        self.max_condition, self.resamples = max_condition, resamples
        self.permutations, self.seed = permutations, seed

    def compare(self, reference: Labelled, current: Labelled) -> Comparison:
        """As every detector; a refused estimate says why."""
        found = super().compare(reference, current)
        if not found.details.get("refused"):
            return found
        number = found.details["condition"]
        why = f"the confusion matrix's condition number {number:.3g} is beyond"
        return replace(found, reason=f"no estimate: {why} {self.max_condition:.3g}")

    def _found(self, before: Labelled, now: Labelled) -> Found:
        rng = np.random.default_rng(self.seed)
        classes = before.classes
        joint = np.bincount(
            before.predicted * classes + before.truth, minlength=classes**2
        ).reshape(classes, classes)
        predicted = np.bincount(now.predicted, minlength=classes)
        seen, p_value = self._test(joint.sum(axis=1), predicted, rng)
        solved = _solve(joint, predicted)
        refused = not solved.condition <= self.max_condition
        low, high = (0.0, 1.0) if refused else _interval(solved, self.resamples, rng)
        value = solved.distance
        with np.errstate(divide="ignore", invalid="ignore"):
            weights = np.where(solved.prior > 0, solved.estimate / solved.prior, np.nan)
        return Found(
            size=Size(min(value, 1.0), low, high),
            statistic=seen,
            p_value=p_value,
            details={
                "reference": solved.prior,
                "current": solved.estimate,
                "weights": weights,
                "condition": solved.condition,
                "refused": refused,
            },
        )

    def _test(self, first: Ints, second: Ints, rng: np.random.Generator) -> tuple[float, float]:
        used = (first + second) > 0
        pooled = (first + second)[used] / (first + second).sum()
        n = float(second.sum())
        scale = n * (1.0 - n / (first.sum() + n)) * pooled

        def chi_square(_: Counts, b: Counts) -> Floats:
            value: Floats = ((b - n * pooled) ** 2 / scale).sum(axis=-1)
            return value

        seen = float(chi_square(first[used], second[used]))
        drawn = relabelled(chi_square, first[used], second[used], self.permutations, rng)
        return seen, monte_carlo_p(seen, drawn)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Solved:
    joint: Counts
    predicted: Counts
    true: Ints  # classes with a reference label: the columns of `given`
    given: Floats  # (K, J): P(predicted | true)
    inverse: Floats  # (J, K)
    raw: Floats  # (J,): estimated shares, before they are cut at zero
    prior: Floats
    estimate: Floats
    distance: float
    condition: float


def _solve(joint: Counts, predicted: Counts) -> _Solved:
    labels = joint.sum(axis=0)
    true = np.flatnonzero(labels)
    given = joint[:, true] / labels[true]
    inverse = np.linalg.pinv(given)
    raw = inverse @ (predicted / predicted.sum())
    prior = labels / labels.sum()
    estimate = np.zeros(len(labels))
    positive = np.maximum(raw, 0.0)
    estimate[true] = positive / max(float(positive.sum()), 1e-12)
    unseen = predicted[joint.sum(axis=1) == 0].sum() > 0.01 * predicted.sum()
    # A class that the reference never predicted has no column to be explained by.
    condition = float("inf") if unseen else float(np.linalg.cond(given))
    return _Solved(
        joint=joint,
        predicted=predicted,
        true=true,
        given=given,
        inverse=inverse,
        raw=raw,
        prior=prior,
        estimate=estimate,
        distance=float(np.abs(estimate - prior).sum() / 2),
        condition=condition,
    )


def _interval(solved: _Solved, times: int, rng: np.random.Generator) -> tuple[float, float]:
    m, n, classes = int(solved.joint.sum()), int(solved.predicted.sum()), len(solved.joint)
    cells = np.flatnonzero(solved.joint)
    rows, columns = np.divmod(cells, classes)
    position = np.searchsorted(solved.true, columns)
    drawn = rng.multinomial(m, solved.joint.ravel()[cells] / m, size=times)
    labels = drawn @ np.eye(len(solved.true))[position]
    shares = drawn / np.maximum(labels[:, position], 1.0) * solved.raw[position]
    fitted = shares @ np.eye(classes)[rows]
    now = rng.multinomial(n, solved.predicted / n, size=times) / n
    # First order in M: the estimate moves by what M* q leaves of mu*.
    error = (now - fitted) @ solved.inverse.T - (labels / m - solved.prior[solved.true])
    shift = solved.raw - solved.prior[solved.true]
    spread = float((error @ np.where(shift < 0, -0.5, 0.5)).std())
    below = float(np.quantile(np.abs(error).sum(axis=1) / 2, 0.975))
    return max(solved.distance - below, 0.0), min(solved.distance + 1.96 * spread, 1.0)
