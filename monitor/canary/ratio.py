"""Is traffic split as announced? If not, no verdict of the canary can be trusted. Pure."""

from __future__ import annotations

import math

from scipy.special import betaln

ALPHA = 0.001
"""The chance that a split that is right is ever called wrong."""

_STRENGTH = 100.0


def split_evidence(old: int, new: int, share: float) -> float:
    """Log evidence that units do not reach the new version with probability ``share``.

    The likelihood of a share drawn from Beta(100 share, 100 (1 - share)), over that of ``share``:
    a martingale where the split is right, so one may look at any time.

    Source: Lindon and Malek, Anytime-Valid Inference for Multinomial Count Data, NeurIPS 2022.
    """
    a, b = _STRENGTH * share, _STRENGTH * (1.0 - share)
    mixed = float(betaln(a + new, b + old) - betaln(a, b))
    return mixed - new * math.log(share) - old * math.log1p(-share)


def split_is_wrong(old: int, new: int, share: float) -> bool:
    return split_evidence(old, new, share) >= -math.log(ALPHA)
