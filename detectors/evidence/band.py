"""Band companion, the drift track: is traffic still near the training baseline?

Column k is "below the baseline quantile q_k" (scalars, 15 of them) or "of class k" (categories,
one against the rest). Its healthy share may lie anywhere in the band ::

    [low_k - tau, high_k + tau],   [low_k, high_k] exact binomial, 1 - delta / columns each

where tau is the stream's tolerance. Per step, with c of n records in the column, the arms bet that
the share lies beyond the band's edge m, at q: ``(q / m)^c ((1 - q) / (1 - m))^(n - c)``, both
sides, q = m moved by 0.05, 0.2, 0.7 and 2 in log odds. Then injection Shiryaev-Roberts.

**Guarantee.** With probability 1 - delta over the baseline, the expected number of crossings is at
most steps / A for ANY process whose conditional share, given the past, stays in the band; it needs
no exchangeability and may wander. Records of a step may have different shares, as in a stratified
mixture: only their mean must lie in the band, since ``prod(1 + l (p_i - m)) <= (1 + l (p - m))^n``.
So drift smaller than the tolerance never alarms, however large the traffic. For categories a total
variation distance up to tau keeps every class share within tau. Where the reference is a mixture
of cells, the effective size stands for the baseline's, which is an approximation.

**Tempering.** Correlated frames make counts vary more than binomially. Arms pay ``L^(1 / deff)``,
deff the variance of block shares over the binomial one, from differences of successive blocks, so
that slow wander (which the band allows) does not inflate it. It is the mean over the past, so a
stream's first steps only learn it. Approximate: exact for independent records only.

**When not to use it.** To find something fast: it takes what a tolerance allows. For streams with
a daily cycle beyond the tolerance and steps shorter than a day: each night is outside the band.
State the day as the step, or judge the effect over a day (``recent``).

Source: Waudby-Smith and Ramdas, Estimating means of bounded random variables by betting, 2024.
Cost: O(streams x 15 x 8) per step.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from scipy.stats import beta

from detectors.evidence.arms import Arms, known
from detectors.evidence.track import Track, shares_of
from detectors.streams import StreamKey
from vigil.errors import ShapeError
from vigil.types import Effect

Floats = NDArray[np.float64]

COLUMNS = 15
DELTA = 0.01
MOVES = (0.05, 0.2, 0.7, 2.0)
LEARN_STEPS = 1
"""Steps that only learn the design effect."""

_MEMORY = 100.0
_EDGE = 1e-9


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class BandBatch:
    """One step of N streams.

    * ``records`` (N,): n. ``counts`` (N, 15): c of each column. ``expected`` (N, 15): the
      reference's shares, weighted by the traffic's mix; NaN where a column is not used.
    * ``reference_records`` (N,): the size the reference counts for. ``tolerance`` (N,).
    * ``classes`` (N,): the columns are class shares, not a distribution function.
    * ``deff`` (N,): this step's design effect, NaN where it can't be told.
    """

    streams: tuple[StreamKey, ...]
    records: Floats
    counts: Floats
    expected: Floats
    reference_records: Floats
    tolerance: Floats
    classes: NDArray[np.bool_]
    deff: Floats

    def __post_init__(self) -> None:
        n = len(self.streams)
        for name in ("records", "reference_records", "tolerance", "classes", "deff"):
            found = getattr(self, name).shape
            if found != (n,):
                raise ShapeError(f"band.{name}", expected=str((n,)), found=str(found))
        for name in ("counts", "expected"):
            found = getattr(self, name).shape
            if found != (n, COLUMNS):
                raise ShapeError(f"band.{name}", expected=str((n, COLUMNS)), found=str(found))


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class BandResult:
    """``evidence`` (N,) in steps; ``exceeded``; ``column`` (N,) that has most of the evidence, -1:
    none; ``above`` (N,): its share is too large; ``learning``: no bet was made yet."""

    streams: tuple[StreamKey, ...]
    evidence: Floats
    exceeded: NDArray[np.bool_]
    column: NDArray[np.int64]
    above: NDArray[np.bool_]
    learning: NDArray[np.bool_]


class BandEvidence(Track):
    """The drift track of all streams.

    Args:
        threshold: A, in steps of this track (hours, say): one false crossing in A steps at most.
        delta: the chance that a baseline leads its band astray, per stream.
        memory: steps over which ``recent`` averages the effect.
    """

    what = "drift"
    kept = ("delta", "memory")

    def __init__(
        self,
        threshold: float,
        *,
        delta: float = DELTA,
        memory: float = 24.0,
        max_streams: int = 50_000,
    ) -> None:
        if not 0 < delta < 1 or not memory >= 1:
            raise ValueError(f"expected 0 < delta < 1 <= memory, found {delta} and {memory}")
        self.delta, self.memory = delta, memory
        arms = 2 * COLUMNS * len(MOVES)
        self._arms = Arms(
            self.what,
            prior=np.full(arms, 1.0 / arms),
            threshold=threshold,
            columns={
                "deff": ((2,), np.float64, 0.0),
                "steps": ((), np.int64, 0),
                "sums": ((2,), np.float64, 0.0),
                "gap": ((COLUMNS,), np.float64, 0.0),
                "classes": ((), np.bool_, False),
            },
            max_streams=max_streams,
        )

    @property
    def streams(self) -> tuple[StreamKey, ...]:
        return tuple(self._arms.keys)

    def step(self, batch: BandBatch, *, step: int) -> BandResult:
        """One step; streams without records are left alone.

        Raises:
            ConflictError: the step was done.
        """
        arms = self._arms
        arms.begin(step)
        located = arms.rows(batch.streams)
        use = (located >= 0) & (batch.records > 0) & (batch.reference_records > 0)
        rows = located[use]
        taken, number = arms["deff"][rows].T
        deff = np.where(number > 0, taken / np.maximum(number, 1e-9), 1.0)
        learning = arms["steps"][rows] < LEARN_STEPS
        log_paid = self._log_paid(batch, use) / np.maximum(deff, 1.0)[:, None]
        log_paid[learning] = -np.inf
        omega = shares_of(batch.streams, use)
        evidence = arms.bet(rows, log_paid, omega)
        self._remember(batch, use, rows)
        table = arms["evidence"][rows].reshape(len(rows), COLUMNS, 2, len(MOVES)).sum(axis=3)
        best = table.reshape(len(rows), -1).argmax(axis=1) if len(rows) else np.zeros(0, int)
        mark = np.where(evidence > 0, best, -1)
        where = located.copy()
        where[~use] = -1
        found = known(batch.streams, where, evidence)
        place = known(batch.streams, where, mark.astype(float), -1.0).astype(np.int64)
        return BandResult(
            streams=batch.streams,
            evidence=found,
            exceeded=found >= arms.threshold,
            column=np.where(place >= 0, place // 2, -1),
            above=(place >= 0) & (place % 2 == 0),
            learning=known(batch.streams, where, learning.astype(float), 1.0) > 0,
        )

    def _log_paid(self, batch: BandBatch, use: NDArray[np.bool_]) -> Floats:
        low, high = band(
            batch.expected[use],
            batch.reference_records[use],
            batch.tolerance[use],
            delta=self.delta,
        )
        n, c = batch.records[use][:, None], batch.counts[use]
        above = _bets(c, n, high)
        below = _bets(n - c, n, 1.0 - low)
        both = np.stack([above, below], axis=2)
        both[~np.isfinite(batch.expected[use])] = -np.inf
        return both.reshape(len(c), COLUMNS * 2 * len(MOVES))

    def _remember(self, batch: BandBatch, use: NDArray[np.bool_], rows: NDArray[np.int64]) -> None:
        arms = self._arms
        seen = batch.deff[use]
        told = np.isfinite(seen)
        keep = 1.0 - 1.0 / _MEMORY
        arms["deff"][rows[told]] *= keep
        arms["deff"][rows[told]] += np.stack([seen[told], np.ones(told.sum())], axis=1)
        arms["steps"][rows] += 1
        arms["classes"][rows] = batch.classes[use]
        fade = 1.0 - 1.0 / self.memory
        n = batch.records[use]
        gap = batch.counts[use] - n[:, None] * np.nan_to_num(batch.expected[use])
        gap[~np.isfinite(batch.expected[use])] = 0.0
        arms["sums"][rows] *= fade
        arms["sums"][rows] += np.stack([n, n / batch.reference_records[use]], 1)
        arms["gap"][rows] = arms["gap"][rows] * fade + gap

    def recent(self, streams: Iterable[StreamKey], tolerance: Sequence[float]) -> list[Effect]:
        """The effect over the last ``memory`` steps or so, older ones fading, of known streams.

        KS distance at the 15 quantiles, or total variation over the classes, with a 95 % interval
        (Dvoretzky-Kiefer-Wolfowitz and bounded differences), design effect and reference included.
        """
        arms = self._arms
        rows = arms.find(streams)
        n, against = arms["sums"][rows].T
        size = np.maximum(n, 1e-9)
        gap = np.abs(arms["gap"][rows]) / size[:, None]
        value = np.where(arms["classes"][rows], 0.5 * gap.sum(axis=1), gap.max(axis=1, initial=0))
        taken, number = arms["deff"][rows].T
        deff = np.maximum(1.0, np.where(number > 0, taken / np.maximum(number, 1e-9), 1.0))
        margin = np.sqrt(np.log(40.0) / 2.0 * (deff + against) / size)
        return [
            Effect(
                value=float(v),
                low=float(max(v - m, 0.0)),
                high=float(v + m),
                tolerance=float(t),
                unit="total variation" if c else "KS distance",
                records=int(k),
            )
            for v, m, t, c, k in zip(
                value, margin, tolerance, arms["classes"][rows], n, strict=True
            )
        ]

    def reach(self, stream: StreamKey) -> float:
        """How much of ``memory`` the recent effect covers, 0 to 1."""
        rows = self._arms.find([stream])
        if len(rows) == 0:
            return 0.0
        return float(self._arms["steps"][rows[0]] / self.memory) if self.memory else 1.0

    def forget(self, streams: Iterable[StreamKey]) -> None:
        self._arms.forget(streams)


def band(
    expected: Floats, reference_records: Floats, tolerance: Floats, *, delta: float = DELTA
) -> tuple[Floats, Floats]:
    """The band of each column, (n, 15) twice, in [0, 1].

    Exact binomial (Clopper-Pearson), Bonferroni over columns and sides: it holds for fixed cuts,
    and for cuts at quantiles of the same baseline, where ``F(q_k)`` has a beta distribution.
    """
    size = reference_records[:, None]
    share = np.clip(np.nan_to_num(expected, nan=0.5), 0.0, 1.0)
    count = share * size
    level = delta / (2.0 * expected.shape[1])
    with np.errstate(invalid="ignore"):
        low = np.where(count > 0, beta.ppf(level, np.maximum(count, 1e-9), size - count + 1), 0.0)
        high = np.where(
            count < size, beta.isf(level, count + 1, np.maximum(size - count, 1e-9)), 1.0
        )
    endless = ~np.isfinite(size) & np.ones_like(share, bool)
    low, high = np.where(endless, share, low), np.where(endless, share, high)
    room = tolerance[:, None]
    return np.clip(low - room, 0.0, 1.0), np.clip(high + room, 0.0, 1.0)


def _bets(count: Floats, n: Floats, edge: Floats) -> Floats:
    """Log payoffs (n, 15, moves) of the bets that the share is above ``edge``."""
    able = (edge > _EDGE) & (edge < 1.0 - _EDGE)
    m = np.clip(edge, _EDGE, 1.0 - _EDGE)[:, :, None]
    q = expit(logit(m) + np.array(MOVES))
    c, rest = count[:, :, None], (n - count)[:, :, None]
    paid = c * np.log(q / m) + rest * (np.log1p(-q) - np.log1p(-m))
    # A certain edge can't be bet on; with the edge at 0 any record of the column refutes it, which
    # a band of finite size never claims.
    return np.where(able[:, :, None], paid, -np.inf)
