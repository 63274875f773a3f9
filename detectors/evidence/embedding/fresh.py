"""An exact bet on embeddings: every tick against a fresh reference tick of equal size."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vigil.errors import ConflictError, ShapeError

Floats = NDArray[np.float64]

MEMORIES = (8.0, 32.0, 128.0, 512.0)
LONGEST = 8.0
"""theta is never longer: beyond that the bet only copies a sign."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Bet:
    """One tick: ``log_evidence`` of the Shiryaev-Roberts statistic in ticks, ``log_capital`` of the
    product since the start, ``factor``: what the mixture's capital was multiplied with."""

    log_evidence: float
    log_capital: float
    factor: float


class FreshReferenceBet:
    """Bets that a tick's mean whitened embedding differs from that of a fresh reference tick.

    With y and y_ref (k,) the means of m whitened records each, ``d = sqrt(m / 2) (y - y_ref)``
    and ::

        L = 1 + tanh(theta_{t-1} . d),      theta_{t-1} learned from d_1 ... d_{t-1} only

    Where tick and reference are exchangeable, d and -d are equally likely given the past, so
    ``E[L | past] = 1`` *exactly*: no covariance, no limit theorem, any k, any distribution. Then

    * ``log_capital``: ``P(the product ever reaches 1 / alpha) <= alpha`` (Ville);
    * ``log_evidence``: of ``R <- (R + 1) L``, which reaches A at most once in A ticks on average.

    theta is a discounted mean of the past d, shrunk by the positive part of James and Stein's
    factor, ``1 - k v / |mean|^2`` with v the variance of the mean of unit noise: it is zero, and
    the bet idle, until the past holds a direction. If d is N(delta, I), the best bet of this form
    is theta = delta. Four memories (8 to 512 ticks) run side by side, each with its share of the
    capital.

    Errors: recycling a reference makes the d share one error, and the false-alarm rate goes to 1;
    so a reference has an identity, and one that was used is refused. Give it ticks that were set
    aside and are used once (``fresh_ticks``), of the same strata as the tick.

    Cost: O(k) a tick; the identities that were used are kept.

    **When not to use it.** Where fresh reference ticks run out: m records a tick are spent. Where
    autocorrelated ticks meet independent reference ticks, d is still symmetric at each tick given
    an independent past, but not given a correlated one: a common weather of several ticks is
    evidence to it. Changes that leave the mean of y alone are not seen.

    Source: Shekhar and Ramdas, Nonparametric Two-Sample Testing by Betting, IEEE Transactions on
    Information Theory, 2024; Shin, Ramdas and Rinaldo, E-detectors, 2022; James and Stein,
    Estimation with Quadratic Loss, 1961.

    Args:
        components: k.
        memories: in ticks, of the discounted means; one arm each.

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> bet = FreshReferenceBet(components=8)
        >>> for tick in range(100):
        ...     y = rng.normal(0.1, 0.1, 8)  # means of 100 records, shifted by 0.1
        ...     found = bet.step(y, rng.normal(0, 0.1, 8), records=100, reference=tick)
        >>> bool(found.log_capital > np.log(1000))
        True
    """

    def __init__(self, *, components: int, memories: tuple[float, ...] = MEMORIES) -> None:
        if components < 1 or not memories or min(memories) <= 1.0:
            raise ValueError(
                f"expected components >= 1 and memories > 1, found {components} and {memories}"
            )
        arms = len(memories)
        self.components = components
        self._keep = 1.0 - 1.0 / np.array(memories)
        self._sum = np.zeros((arms, components))
        self._size, self._squares = np.zeros(arms), np.zeros(arms)
        self._log_capital = np.full(arms, -np.log(arms))
        self._log_evidence = np.full(arms, -np.inf)
        self._used: set[Hashable] = set()

    @property
    def theta(self) -> Floats:
        """What each memory will bet with in the next tick, (arms, k)."""
        size = np.maximum(self._size, 1.0)
        mean = self._sum / size[:, None]
        square = (mean**2).sum(axis=1)
        noise = self.components * self._squares / size**2
        shrink = np.maximum(0.0, 1.0 - noise / np.maximum(square, 1e-300))
        theta = shrink[:, None] * mean
        length = np.linalg.norm(theta, axis=1, keepdims=True)
        return np.asarray(theta * np.minimum(1.0, LONGEST / np.maximum(length, 1e-300)))

    def step(
        self, y: ArrayLike, y_reference: ArrayLike, *, records: int, reference: Hashable
    ) -> Bet:
        """Bet on one tick, then learn from it.

        Args:
            y, y_reference: (k,) means over ``records`` records of each.
            records: m, of the tick and of its reference alike.
            reference: identity of the reference tick.

        Raises:
            ConflictError: this reference was used before.
            ShapeError: not (k,) finite numbers each, or no records.
        """
        mine, theirs = np.asarray(y, np.float64), np.asarray(y_reference, np.float64)
        for what, found in (("y", mine), ("y_reference", theirs)):
            if found.shape != (self.components,) or not np.isfinite(found).all():
                raise ShapeError(
                    what, expected=f"({self.components},) finite numbers", found=str(found.shape)
                )
        if records < 1:
            raise ShapeError("records", expected="at least 1", found=str(records))
        if reference in self._used:
            raise ConflictError(
                f"reference {reference!r} was used before: a recycled reference is no evidence"
            )
        self._used.add(reference)
        d = np.sqrt(records / 2.0) * (mine - theirs)
        # log(1 + tanh x) = log 2 - log(1 + exp(-2 x)), without the loss at large -x.
        log_paid = np.log(2.0) - np.logaddexp(0.0, -2.0 * (self.theta @ d))
        before = float(np.logaddexp.reduce(self._log_capital))
        self._log_capital += log_paid
        prior = -np.log(len(self._size))
        self._log_evidence = np.logaddexp(self._log_evidence, prior) + log_paid
        self._sum = self._keep[:, None] * self._sum + d
        self._size = self._keep * self._size + 1.0
        self._squares = self._keep**2 * self._squares + 1.0
        after = float(np.logaddexp.reduce(self._log_capital))
        return Bet(
            log_evidence=float(np.logaddexp.reduce(self._log_evidence)),
            log_capital=after,
            factor=float(np.exp(after - before)),
        )

    def restart(self) -> None:
        """After a page: evidence and capital begin anew; what was learned and used stays."""
        self._log_capital[:] = -np.log(len(self._size))
        self._log_evidence[:] = -np.inf


def fresh_ticks(
    rows: int, records: int, rng: np.random.Generator
) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Deal ``rows`` records into reference ticks of ``records`` each, none twice: (identity, row
    numbers) until fewer are left."""
    order = rng.permutation(rows)
    for identity in range(rows // records):
        yield identity, order[identity * records : (identity + 1) * records]
