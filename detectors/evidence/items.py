"""Item mode: conformal p-values of single items, for independent requests and one-off comparisons.

Items of a step are taken in random order. With the pool's counts N_. over fixed bins, U uniform, ::

    p = (N_{<b} + U (N_b + 1)) / (N + 1),     then the item joins the pool

are independent and exactly uniform while pool and stream are exchangeable. The arms of
``item_bets`` pay ``log L_theta = counts of p per cell . log f_theta``; then injection
Shiryaev-Roberts (``arms``).

**Guarantee.** Expected false crossings <= steps / A over all streams. Exact, for bins fixed before
the pool was seen. Bins at the pool's own quantiles shift p-values by at most bins / N: negligible
for pools a hundred times the number of bins. ``compare_items`` bins both sides at the quantiles of
their union, which is symmetric: exact at any size.

**When not to use it.** On correlated items (video frames), on traffic with seasons or a changing
mix: items are then not exchangeable, and it alarms. Use the window scores of ``engine``. And not
for slow drift, which a growing pool absorbs: use ``band``.

Source: Vovk, Nouretdinov and Gammerman, Testing Exchangeability On-Line, 2003.
Cost: O(items x bins) per step, vectorised over streams.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logsumexp

from detectors.evidence.arms import Arms, known
from detectors.evidence.bets import Bets
from detectors.evidence.item_bets import item_bets
from detectors.evidence.track import Track, shares_of
from detectors.streams import StreamKey
from vigil.errors import ShapeError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

BINS = 128
_ROOM = 4_000_000


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ItemsResult:
    """``evidence`` (N,) in steps; ``exceeded`` (N,); ``items`` (N,) that were bet on."""

    streams: tuple[StreamKey, ...]
    evidence: Floats
    exceeded: NDArray[np.bool_]
    items: Ints


@dataclass(frozen=True, kw_only=True, slots=True)
class ItemComparison:
    """A one-off comparison: ``e_value`` is at most 1 on average where nothing differs, so
    ``p_bound = min(1, 1 / e)`` is a valid p-value. ``left_out``: values that are not finite."""

    log_e: float
    p_bound: float
    items: int
    reference_items: int
    left_out: tuple[int, int]


class ItemEvidence(Track):
    """Streams of binned items against growing pools.

    Args:
        threshold: A, in steps.
        bins: how many bins each stream's items have.
    """

    what = "items"
    kept = ("bins",)

    def __init__(self, threshold: float, *, bins: int = BINS, max_streams: int = 50_000) -> None:
        if bins < 2:
            raise ValueError(f"expected at least 2 bins, found {bins}")
        self.bins = bins
        self._bets = item_bets()
        self._log_payoff = np.log(self._bets.payoff)
        self._arms = Arms(
            self.what,
            prior=self._bets.prior,
            threshold=threshold,
            columns={"pool": ((bins,), np.int64, 0)},
            max_streams=max_streams,
        )

    def learn(self, streams: Sequence[StreamKey], counts: ArrayLike) -> None:
        """Items declared healthy join the pools: counts (N, bins)."""
        rows = self._arms.rows(streams)
        table = self._checked(streams, counts)
        np.add.at(self._arms["pool"], rows[rows >= 0], table[rows >= 0])

    def step(
        self,
        streams: Sequence[StreamKey],
        counts: ArrayLike,
        *,
        step: int,
        rng: np.random.Generator,
    ) -> ItemsResult:
        """Judge one step's items, then let them join.

        Args:
            streams: N, each once. counts: (N, bins), how many items fell into each bin.
            rng: the order of the items, and ties.

        Raises:
            ConflictError: the step was done. ShapeError: counts of another shape, or negative.
        """
        arms, table = self._arms, self._checked(streams, counts)
        arms.begin(step)
        located = arms.rows(streams)
        size = table.sum(axis=1)
        use = (located >= 0) & (size > 0) & (arms["pool"][located].sum(axis=1) > 0)
        rows = located[use]
        p_counts = _p_counts(arms["pool"][rows], table[use], self._bets, rng)
        omega = shares_of(streams, use)
        evidence = arms.bet(rows, p_counts @ self._log_payoff.T, omega)
        arms["pool"][located[located >= 0]] += table[located >= 0]
        found = known(streams, np.where(use, located, -1), evidence)
        return ItemsResult(
            streams=tuple(streams),
            evidence=found,
            exceeded=found >= arms.threshold,
            items=np.where(use, size, 0),
        )

    def _checked(self, streams: Sequence[StreamKey], counts: ArrayLike) -> Ints:
        table = np.asarray(counts, np.int64)
        if table.shape != (len(streams), self.bins) or (table < 0).any():
            raise ShapeError(
                "items.counts",
                expected=f"counts of shape {(len(streams), self.bins)}",
                found=str(table.shape),
            )
        return table

    def forget(self, streams: Iterable[StreamKey]) -> None:
        self._arms.forget(streams)


def compare_items(
    reference: ArrayLike, current: ArrayLike, rng: np.random.Generator, *, bins: int = BINS
) -> ItemComparison:
    """Whether two samples of independent items differ, as an e-value. Exact at any size.

    Args:
        reference, current: (n,) numbers; values that are not finite are left out.
        rng: the order of the items, and ties.

    Raises:
        ShapeError: not one-dimensional.
    """
    old, lost_old = _finite(reference, "reference")
    new, lost_new = _finite(current, "current")
    log_e = 0.0
    if len(old) and len(new):
        both = np.sort(np.concatenate([old, new]))
        edges = np.unique(both[(np.arange(1, bins) * len(both)) // bins])
        pool = np.bincount(np.searchsorted(edges, old, side="right"), minlength=bins)[None]
        table = np.bincount(np.searchsorted(edges, new, side="right"), minlength=bins)[None]
        bets = item_bets()
        p_counts = _p_counts(pool, table, bets, rng)
        log_e = float(logsumexp(p_counts @ np.log(bets.payoff).T, b=bets.prior))
    return ItemComparison(
        log_e=log_e,
        p_bound=float(np.exp(min(0.0, -log_e))),
        items=len(new),
        reference_items=len(old),
        left_out=(lost_old, lost_new),
    )


def run_length(
    *,
    shift: float,
    streams: int = 1,
    reference: int = 10_000,
    samples: float = 1e5,
    per_step: int = 20,
    healthy_steps: int = 50,
    limit_steps: int = 1000,
    seed: int = 0,
) -> int | None:
    """How many normal samples one stream of a fleet needs until a shift of its mean is found.

    The reference figures of the documentation: one item stream among ``streams`` equal ones, a
    pool of ``reference`` samples, on average one false crossing in ``samples`` samples of each
    stream (A = samples / per_step steps, shared by the fleet), after ``healthy_steps`` steps
    without drift. None where it is not found in ``limit_steps`` steps.
    """
    rng = np.random.default_rng(seed)
    edges = np.quantile(rng.normal(size=200_000), np.arange(1, BINS) / BINS)
    bets = item_bets()
    log_payoff = np.log(bets.payoff).T

    def binned(n: int, mean: float) -> Ints:
        at = np.searchsorted(edges, rng.normal(mean, 1.0, n), side="right")
        return np.bincount(at, minlength=BINS)[None].astype(np.int64)

    pool, evidence = binned(reference, 0.0), np.zeros(bets.arms)
    for step in range(healthy_steps + limit_steps):
        table = binned(per_step, shift if step >= healthy_steps else 0.0)
        paid = np.exp((_p_counts(pool, table, bets, rng) @ log_payoff)[0])
        evidence = (evidence + bets.prior / streams) * paid
        pool += table
        if evidence.sum() >= samples / per_step:
            if step >= healthy_steps:
                return (step - healthy_steps + 1) * per_step
            evidence[:] = 0.0
    return None


def _finite(values: ArrayLike, name: str) -> tuple[Floats, int]:
    array: NDArray[Any] = np.asarray(values, np.float64)
    if array.ndim != 1:
        raise ShapeError(name, expected="(n,)", found=str(array.shape))
    kept = array[np.isfinite(array)]
    return kept, len(array) - len(kept)


def _p_counts(pool: Ints, table: Ints, bets: Bets, rng: np.random.Generator) -> Floats:
    """How many p-values of each stream's items fall into each cell: (n, J).

    Args:
        pool, table: (n, bins), the items known and the items to judge.
    """
    n, bins = table.shape
    size = table.sum(axis=1)
    out = np.zeros((n, len(bets.widths)))
    if n == 0 or size.sum() == 0:
        return out
    row = np.repeat(np.arange(n), size)
    bin_of = np.repeat(np.tile(np.arange(bins), n), table.ravel())
    order = np.lexsort((rng.random(len(row)), row))
    place = np.arange(len(row)) - np.repeat(np.cumsum(size) - size, size)
    longest = int(size.max())
    items = np.full((n, longest), -1)
    items[row, place] = bin_of[order]
    now = pool.astype(np.float64)
    chunk = max(1, _ROOM // (n * bins))
    for first in range(0, longest, chunk):
        part = items[:, first : first + chunk]
        present = part >= 0
        hot = np.zeros((n, part.shape[1], bins))
        which, when = np.nonzero(present)
        hot[which, when, part[present]] = 1.0
        earlier = hot.cumsum(axis=1) - hot + now[:, None, :]
        upto = earlier.cumsum(axis=2)[which, when]
        at = np.arange(len(which))
        same = earlier[which, when, part[present]]
        below = upto[at, part[present]] - same
        p = (below + rng.random(len(at)) * (same + 1.0)) / (upto[:, -1] + 1.0)
        np.add.at(out, (which, bets.cell(p)), 1.0)
        now = now + hot.sum(axis=1)
    return out
