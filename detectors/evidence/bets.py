"""Bets against p-values being uniform: a table of likelihood ratios over cells of [0, 1].

Cell j has width w_j; arm theta pays f[theta, j] where the p-value falls in cell j. Every arm has
``sum_j w_j f[theta, j] = 1``: with uniform p-values no arm gains on average, so the product of its
payoffs is a martingale. Payoffs of an arm are the averages over the cell of

* a normal mean shift: ``exp(d q - d^2 / 2)``, ``q = Phi^-1(p)``; both signs;
* a change of spread: the density of N(0, s^2) over that of N(0, 1) at q;
* a contaminated tail: ``1 - e + e 1[p < a] / a``, and its mirror image at 1;
* both ends rather than the middle.

Source: Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World, 2nd ed., 2022, ch. 8.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

Floats = NDArray[np.float64]

FINEST = 5e-5
SHIFTS = (0.5, 1.0, 1.5, 2.0, 3.0)
SPREADS = (1.5, 2.0, 3.0)
"""No arm bets on less spread: a signal that stops moving has a plain rule."""
TAILS = (
    (5e-5, 0.9),
    (1e-4, 0.5),
    (5e-4, 0.5),
    (5e-4, 0.9),
    (2e-3, 0.5),
    (2e-3, 0.9),
    (5e-3, 0.9),
    (1e-2, 0.9),
    (2e-2, 0.9),
    (5e-2, 0.5),
)


SLOW, FAST, SPREAD = 0, 1, 2
HEAVY, RARE = 0.9, 1e-2
"""A bet on a tail is fast from this weight on, and up to this share."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Bets:
    """``edges`` (J + 1,) of the cells, ``widths`` (J,), ``payoff`` (arms, J), ``prior`` (arms,)
    summing to 1, ``kind`` (arms,): ``SLOW`` shifts, ``FAST`` bets on extremes, that lose most of
    their stake otherwise, or ``SPREAD``: all others, that gain from any change of spread."""

    edges: Floats
    widths: Floats
    payoff: Floats
    prior: Floats
    kind: NDArray[np.int64]

    @property
    def arms(self) -> int:
        return len(self.prior)

    def cell(self, p: Floats) -> NDArray[np.int64]:
        """The cell of each p-value."""
        found = np.searchsorted(self.edges, p, side="right") - 1
        return np.clip(found, 0, len(self.widths) - 1)

    def payoffs(self, p: Floats) -> Floats:
        """What each arm pays at each p-value: (n,) to (n, arms)."""
        return np.asarray(self.payoff.T[self.cell(p)])


def standard_bets() -> Bets:
    """66 cells, down to 5e-5 at both ends, and 34 arms; the fast ones have three times
    the prior of the others."""
    ends = [FINEST, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 3.5e-3, 5e-3, 7e-3, 1e-2, 1.4e-2, 2e-2]
    ends += [2.8e-2, 4e-2, 5e-2]
    middle = np.linspace(0.05, 0.5, 19)[1:]
    half = np.concatenate([[0.0], ends, middle])
    edges = np.concatenate([half, 1.0 - half[-2::-1]])
    widths = np.diff(edges)
    rows = [_normal(edges, shift=sign * d) for d in SHIFTS for sign in (-1, 1)]
    kind = [SLOW] * len(rows)
    rows += [_normal(edges, spread=s) for s in SPREADS]
    kind += [SPREAD] * len(SPREADS)
    for share, weight in TAILS:
        rows += [_tail(edges, share, weight), _tail(edges, share, weight)[::-1]]
        kind += [FAST if weight >= HEAVY and share <= RARE else SPREAD] * 2
    rows.append(_ends(edges, 0.1, 0.9))
    mass = np.array(rows)
    mass /= mass.sum(axis=1, keepdims=True)
    kind += [SPREAD] * (len(rows) - len(kind))
    payoff = mass / widths
    stake = np.where(np.array(kind) == FAST, 3.0, 1.0)
    return Bets(
        edges=edges,
        widths=widths,
        payoff=payoff,
        prior=stake / stake.sum(),
        kind=np.array(kind, np.int64),
    )


def _normal(edges: Floats, *, shift: float = 0.0, spread: float = 1.0) -> Floats:
    """Mass of each cell where q is N(shift, spread^2)."""
    return np.asarray(np.diff(norm.cdf((norm.ppf(edges) - shift) / spread)))


def _tail(edges: Floats, share: float, weight: float) -> Floats:
    widths = np.diff(edges)
    inside = np.clip(share - edges[:-1], 0.0, widths)
    return np.asarray((1.0 - weight) * widths + weight * inside / share)


def _ends(edges: Floats, low: float, high: float) -> Floats:
    """Half of the mass as without a change, half outside of [low, high]."""
    widths = np.diff(edges)
    within = np.clip(np.minimum(edges[1:], high) - np.maximum(edges[:-1], low), 0.0, None)
    outside = widths - within
    return np.asarray(0.5 * widths + 0.5 * outside / outside.sum())
