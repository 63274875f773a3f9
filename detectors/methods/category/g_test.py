"""Likelihood-ratio (G) test of homogeneity."""

from __future__ import annotations

from typing import ClassVar

from detectors.methods.category.contingency import HomogeneityTest, likelihood_ratio
from detectors.registry import register


@register
class GTest(HomogeneityTest):
    """Likelihood-ratio test of homogeneity: do two samples of labels share one distribution?

    Statistic: ``G = 2 sum O log(O / E)`` over the 2 x K table of the (m,) reference and the (n,)
    current labels; G / (2 N log 2) is the information in bits that a label gives on its sample.

    Effect: total variation, ``1/2 sum_k |p_k - q_k|``: the share of records that would have to
    change their label, less what noise adds; 95 % interval by McDiarmid's bound below and a normal
    approximation above.

    Test: the chi-square law with K - 1 degrees of freedom where every expected count is 5 or more;
    else Monte Carlo over random relabellings, exact at any sample size.

    Cost: O(N log N) time to sort labels, N = m + n, and O(permutations * K) where counts are small;
    7 ms at 50 000 integers a side.

    Not for: what chi_square is not for; the two seldom differ, G is the sharper one where a
    category appears or vanishes.

    Source: Wilks, The Likelihood Test of Independence in Contingency Tables, Annals of
    Mathematical Statistics, 1935.

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
        >>> found = GTest().compare(rng.integers(0, 4, 2000), rng.integers(0, 5, 2000))
        >>> print(found.outcome, round(found.effect.value, 2), list(found.details["changes"])[0])
        drifted 0.21 4
    """

    name: ClassVar[str] = "g_test"
    statistic = staticmethod(likelihood_ratio)
