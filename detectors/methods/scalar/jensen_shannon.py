"""Jensen-Shannon distance of numbers."""

from __future__ import annotations

from typing import ClassVar

from detectors.methods.divergence import SHANNON, Divergence
from detectors.methods.scalar.binned_divergence import BinnedDivergence
from detectors.registry import register


@register
class JensenShannon(BinnedDivergence):
    """Jensen-Shannon distance: how well one record tells which sample it came from.

    Statistic: ``JS = sqrt(1/2 KL(p | h) + 1/2 KL(q | h))``, ``h = (p + q) / 2``, logarithms of
    base 2, over ``bins`` bins between the quantiles of the reference, (m,) and (n,) values; the
    plug-in estimate: p and q are the shares as they are.

    Effect: the root of the divergence less its bias (its mean under relabelling), 0 (the same) to
    1 (nothing in common); 95 % interval as of a noncentral chi-square:
    relabelled spread near 0, delta method far from it.

    Test: Monte Carlo over random relabellings of the pooled records. Approximate, because the
    bins are the reference's own quantiles: on smooth signals false alarms are fewer than alpha
    (3 % at 5 % with 400 and 100 values). The plug-in distance without drift is about
    ``sqrt((bins - 1)(1/m + 1/n) / 5.5)``: 0.18 at 100 a side, so no fixed threshold fits.

    Cost: O((m + n) log m + permutations * bins) time, O(permutations * bins) memory; 5 ms at 50 000
    a side with 10 bins.

    Not for: small shifts of a smooth signal, where ks or cramer_von_mises see more; changes inside
    a bin, which it can't see; comparing figures of different ``bins``.

    Source: Lin, Divergence Measures Based on the Shannon Entropy, IEEE Transactions on Information
    Theory, 1991; Grosse et al., Analysis of Symbolic Sequences Using the Jensen-Shannon
    Divergence, Physical Review E, 2002 (bias).

    Details: ``edges``, ``bias`` and ``cells`` in use.

    Args:
        alpha: false-alarm rate of the test.
        tolerance: the distance up to which drift does not matter.
        bins: how many.
        permutations: how often records are relabelled; the smallest p is 1 / (permutations + 1).
        seed: of the relabelling.

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> found = JensenShannon().compare(rng.normal(size=2000), rng.normal(0.6, 1.0, size=2000))
        >>> print(found.outcome, found.p_value)
        drifted 0.001
    """

    name: ClassVar[str] = "jensen_shannon"
    divergence: ClassVar[Divergence] = SHANNON
    unit = "Jensen-Shannon distance"
