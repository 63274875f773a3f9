"""The bets of item mode: as ``bets``, with small shifts, for there are many items in a step.

34 arms on the same 66 cells, with ``sum_j w_j f_j = 1`` each: normal mean shifts of 0.09 to 2.5
standard deviations, both signs; spreads; a contaminated share ``a`` of the scale at either end,
which holds 1.5, 3 or 10 times as many items as it should; bumps in the middle and at both ends.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from detectors.evidence.bets import Bets, standard_bets

Floats = NDArray[np.float64]

SHIFTS = {0.09: 18, 0.15: 6, 0.25: 15, 0.45: 5, 0.8: 2, 1.4: 1, 2.5: 1}
"""Standard deviations, with what each sign has of the prior, in percent. A nat that the prior takes
away costs ``1 / KL = 2 / shift^2`` items: 200 at 0.1, 8 at 0.5. So the small ones have most."""
SPREADS = (0.6, 0.85, 1.15, 1.5, 2.2)
TAILS = ((5e-3, 10.0), (1e-2, 5.0), (5e-2, 1.5), (5e-2, 3.0), (0.2, 1.5), (0.2, 3.0))


def item_bets() -> Bets:
    """34 arms; most of the prior on the mean shifts, the rest spread evenly over the others."""
    edges = standard_bets().edges
    widths = np.diff(edges)
    shifts = [_normal(edges, sign * shift, 1.0) for shift in SHIFTS for sign in (-1.0, 1.0)]
    rows = [_normal(edges, 0.0, spread) for spread in SPREADS]
    for share, times in TAILS:
        low = _steps(edges, widths, 0.0, share, times)
        rows += [low, low[::-1]]
    rows += [_steps(edges, widths, 0.4, 0.6, 1.3), _steps(edges, widths, 0.3, 0.7, 0.7)]
    rows += [_steps(edges, widths, 0.25, 0.75, 1.2)]
    mass = np.array(shifts + rows)
    mass /= mass.sum(axis=1, keepdims=True)
    prior = [percent / 100 for percent in SHIFTS.values() for _ in (-1, 1)]
    prior += [(1.0 - sum(prior)) / len(rows)] * len(rows)
    return Bets(
        edges=edges,
        widths=widths,
        payoff=mass / widths,
        prior=np.array(prior),
        kind=np.zeros(len(prior), np.int64),
    )


def _normal(edges: Floats, shift: float, spread: float) -> Floats:
    """Mass of each cell where the normal score is N(shift, spread^2)."""
    return np.asarray(np.diff(norm.cdf((norm.ppf(edges) - shift) / spread)))


def _steps(edges: Floats, widths: Floats, low: float, high: float, times: float) -> Floats:
    """Mass of each cell where [low, high] holds ``times`` its share, the rest what is left."""
    within = np.clip(np.minimum(edges[1:], high) - np.maximum(edges[:-1], low), 0.0, None)
    share = high - low
    rest = (1.0 - times * share) / (1.0 - share)
    return np.asarray(times * within + rest * (widths - within))
