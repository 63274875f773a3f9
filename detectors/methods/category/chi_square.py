"""Chi-square test of homogeneity."""

from __future__ import annotations

from typing import ClassVar

from detectors.methods.category.contingency import HomogeneityTest, pearson
from detectors.registry import register


@register
class ChiSquare(HomogeneityTest):
    """Pearson's chi-square test of homogeneity: do two samples of labels share one distribution?

    Statistic: ``X^2 = sum (O - E)^2 / E`` over the 2 x K table of the (m,) reference and the (n,)
    current labels; K is the number of categories seen on either side.

    Effect: total variation, ``1/2 sum_k |p_k - q_k|``: the share of records that would have to
    change their label, less what noise adds; 95 % interval by McDiarmid's bound below and a normal
    approximation above.

    Test: the chi-square law with K - 1 degrees of freedom where every expected count is 5 or more;
    else Monte Carlo over random relabellings, exact at any sample size.

    Cost: O(N log N) time to sort labels, N = m + n, and O(permutations * K) where counts are small;
    7 ms at 50 000 integers a side.

    Not for: ordered categories, where ks on the order sees more; thousands of rare categories,
    of which no test can say much (group them first).

    Source: Pearson, On the Criterion ..., Philosophical Magazine, 1900; Cochran, Some Methods for
    Strengthening the Common Chi-Square Tests, Biometrics, 1954 (expected counts).

    Details: ``changes``, the ten largest changes of a category's share; ``method`` of the p-value;
    ``smallest_expected`` count.

    Args:
        alpha: false-alarm rate of the test.
        tolerance: the total variation up to which drift does not matter.
        permutations: how often records are relabelled where counts are small; the smallest p
            is then 1 / (permutations + 1).
        seed: of the relabelling.

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> before = rng.choice(["cat", "dog", "fox"], 2000, p=[0.5, 0.3, 0.2])
        >>> now = rng.choice(["cat", "dog", "fox"], 2000, p=[0.3, 0.3, 0.4])
        >>> found = ChiSquare().compare(before, now)
        >>> print(found.outcome, round(found.effect.value, 2))
        drifted 0.21
    """

    name: ClassVar[str] = "chi_square"
    statistic = staticmethod(pearson)
