"""Where a bin lies in a cell's own baseline distribution: mid-ranks and normal scores, cached."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Ranks:
    """Scores of each bin (C, S, B), and their moments over the baseline (C, S).

    * ``rank``: ``2 F - 1`` in [-1, 1], F the mid-distribution; its mean is 0, ``rank_square`` the
      mean of its square.
    * ``normal``: the normal score ``Phi^-1(F)`` less its mean; ``square`` its square. ``variance``:
      its variance; ``square_variance``: that of its square.
    """

    rank: Floats
    rank_square: Floats
    normal: Floats
    square: Floats
    variance: Floats
    square_variance: Floats


def ranks_of(pmf: Floats, cdf: Floats, values: Floats) -> Ranks:
    """The ranks of all bins, (C, S, B), of cells that rest on so many values, (C, S).

    Normal scores are kept within those of half a value, and of half of a bin of B equal ones:
    beyond the baseline's range nothing is known.
    """
    rank = 2.0 * cdf - pmf - 1.0
    end = np.maximum(0.5 / (values + 1.0), 0.5 / pmf.shape[2])[:, :, None]
    normal = ndtri(np.clip(0.5 * (rank + 1.0), end, 1.0 - end))
    normal -= (pmf * normal).sum(axis=2, keepdims=True)
    square = normal**2
    variance = (pmf * square).sum(axis=2)
    return Ranks(
        rank=rank,
        rank_square=(pmf * rank**2).sum(axis=2),
        normal=normal,
        square=square,
        variance=variance,
        square_variance=np.maximum((pmf * square**2).sum(axis=2) - variance**2, 0.0),
    )
