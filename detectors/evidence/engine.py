"""Fleet evidence: the change track, with one budget for all streams.

Conformal p-values, bets, injection Shiryaev-Roberts.

Per tick and stream i the score becomes a p-value in each of two views (``views``: less a trailing
reference and a daily profile, plain and pre-whitened) against the stream's growing pool (``pool``;
after extremes: ``aftershock``). Every arm theta of the bets pays ``L_theta(p)``, tempered by tau
(``tempering``), and ::

    R_theta <- (R_theta + omega_i pi_theta) L_theta^(1 / tau),     evidence = sum_theta R_theta

over arms and views, with ``sum_i omega_i <= 1`` over the fleet: 30 % for whole-model streams, 30 %
for ``key=value`` slices, 40 % for finer ones (levels without streams give theirs to the others).

**Guarantee.** A page is an evidence that reaches A = ``threshold`` (in ticks), after which that
stream is reset or held. Then ``E[pages in T ticks] <= T / A``, whatever the dependence between
streams, also at stopping times, however many streams there are, and while they come and go: each R
has conditional expectation at most ``R + omega`` per tick, and a page takes at least A out of the
sum.

**Assumptions.** The p-values of a view are uniform given the past. That is exact where the healthy
residuals are exchangeable. Seasons, weather and autocorrelation break it; profile, reference,
whitening, strata and tempering are there to mend that, not to prove it: how well they do is
measured, in simulated production years (``docs/evidence.md``) and on a deployment's own past
(``vigil audit``). Fits are renewed from the past only. Provisional verdicts (see ``history``) are
guardrails and carry no guarantee. A reference is shared by the windows that it judges: where scores
pile up at a sharp edge (many exact zeros, say) the p-values beside it hang together, and a short
history does not show that. Taking windows out of the pool while an alarm is open makes the
pool cleaner after a true alarm, and slightly too clean after a false one.

**When not to use it.** For drift slower than the trailing reference, about an hour: it is absorbed.
The drift track (``band``) looks for that.

**Cost.** O(streams x arms) per tick; state is some 5 KB a stream, whatever its age.

Source: Shin, Ramdas and Rinaldo, E-detectors, 2022; Vovk, Nouretdinov and Gammerman, Testing
Exchangeability On-Line, 2003.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from detectors.evidence import aftershock, holding
from detectors.evidence.bets import standard_bets
from detectors.evidence.findable import smallest_shift
from detectors.evidence.history import grow, join_open, learn
from detectors.evidence.novelty import prepare
from detectors.evidence.onset import onsets_of
from detectors.evidence.past import date, gathered
from detectors.evidence.roster import Roster
from detectors.evidence.shiryaev import bet
from detectors.evidence.step_result import StepResult, scattered
from detectors.evidence.table import NO_BET, VIEWS, StreamTable
from detectors.evidence.table_bytes import from_bytes, to_bytes
from detectors.evidence.views import absorb, judge, notice_gaps
from detectors.scores import ScoreBatch
from detectors.streams import StreamKey
from vigil.errors import ConflictError

__all__ = ["FleetEvidence", "StepResult"]

CAP = 1e6
"""Evidence stops growing at so many thresholds; a cap only lowers it."""


class FleetEvidence:
    """Evidence of all streams. One ``step`` per fleet tick, with the scores of all models joined.

    Args:
        threshold: A, in ticks: on average at most one false page in A ticks.
        min_history: windows that a stream needs before it is judged on its own history.
        retire_after: ticks without a score after which a stream is forgotten.
        max_streams: the table's bound. Beyond it new streams are left out (p is NaN) until others
            retire.
        max_per_model: the bound of one model and deployment, so that none takes all of the table.
    """

    def __init__(
        self,
        threshold: float,
        min_history: int = 200,
        *,
        retire_after: int = 43_200,
        max_streams: int = 50_000,
        max_per_model: int = 25_000,
    ) -> None:
        if not threshold > 1 or min_history < 2:
            raise ValueError(
                f"expected threshold > 1 and min_history >= 2, found {threshold} and {min_history}"
            )
        self.threshold = float(threshold)
        self.last_tick: int | None = None
        self._bets = standard_bets()
        self._table = StreamTable(arms=self._bets.arms, min_history=min_history)
        self.roster = Roster(
            self._table,
            retire_after=retire_after,
            max_streams=max_streams,
            max_per_model=max_per_model,
        )

    def __len__(self) -> int:
        return len(self._table)

    @property
    def min_history(self) -> int:
        return self._table.min_history

    @property
    def streams(self) -> tuple[StreamKey, ...]:
        return tuple(self._table.keys)

    @property
    def held(self) -> tuple[StreamKey, ...]:
        """The streams whose windows join no pool, because an alarm is open."""
        return tuple(self._table.keys[row] for row in np.flatnonzero(self._table.held))

    def history(self, stream: StreamKey) -> int:
        """Own windows in the pool of a stream; 0 where it is not known."""
        row = self._table.index.get(stream)
        return 0 if row is None else int(self._table.history[row])

    def between(self, stream: StreamKey) -> float:
        """Variance of a stream's healthy scores from window to window, beyond sampling, in squared
        units of its score; 0 where it is not known."""
        row = self._table.index.get(stream)
        return 0.0 if row is None else float(self._table.between[row])

    def learn(
        self,
        batches: Sequence[ScoreBatch],
        *,
        at: Sequence[datetime] | None = None,
        ticks: Sequence[int] | None = None,
    ) -> None:
        """Take windows declared healthy as history: locations, variances and pools, no bets.

        Streams with at least ``min_history`` windows in one call settle; the others start to warm
        up.

        Args:
            batches: one for each tick, oldest first.
            at: their times, for the daily profile; without them there is none.
            ticks: their numbers, so that the first step knows how long ago that was; without them
                it follows at once.
        """
        if not batches:
            return
        if ticks is not None and len(ticks) != len(batches):
            raise ValueError(f"expected {len(batches)} ticks, found {len(ticks)}")
        if at is not None and len(at) != len(batches):
            raise ValueError(f"expected {len(batches)} times, found {len(at)}")
        located = [self.roster.rows(batch.streams) for batch in batches]
        table = self._table
        everything, columns = gathered(table, batches, located)
        learn(table, everything, **columns, at=at)
        if ticks is not None:
            date(table, everything, columns["score"], np.asarray(ticks, np.int64))

    def step(
        self,
        batch: ScoreBatch,
        *,
        tick: int,
        rng: np.random.Generator,
        at: datetime | None = None,
    ) -> StepResult:
        """Judge one tick.

        Args:
            batch: the scores of all streams seen in this tick.
            tick: its number; must grow from step to step.
            rng: breaks ties among scores.
            at: when it was, for the daily profile; without it there is none.

        Raises:
            ConflictError: the tick has been judged already.
        """
        if self.last_tick is not None and tick <= self.last_tick:
            raise ConflictError(
                f"evidence: tick {tick} is not after {self.last_tick}, the last judged"
            )
        self.last_tick = tick
        self.roster.retire(tick, batch.streams)
        located = self.roster.rows(batch.streams)
        use = (located >= 0) & np.isfinite(batch.score) & np.isfinite(batch.noise)
        rows = located[use]
        table = self._table
        score, noise = batch.score[use], batch.noise[use]
        other = prepare(table, rows, batch.novel[use], batch.healthy)
        notice_gaps(table, rows[~other], tick)
        table.last_seen[rows[~other]] = tick
        after = aftershock.turn(table, tick)
        seen = judge(table, rows, score, noise, at=at, rng=rng, after=after, left_out=other)
        slot = table.next_slot(tick)
        evidence = bet(
            table,
            rows,
            seen.p,
            self.roster.shares(batch.streams, use),
            bets=self._bets,
            slot=slot,
            ceiling=CAP * self.threshold,
        )
        onset, first, last = onsets_of(
            table, self._bets, rows, evidence, threshold=self.threshold, tick=tick
        )
        joined = absorb(table, seen, slot, at)
        grow(table, rows[joined], score[joined], noise[joined])
        known = np.flatnonzero(use)[~other]
        join_open(table, rows[~other], batch.open_score[known], batch.open_noise[known])
        return StepResult(
            streams=batch.streams,
            z=scattered(use, np.where(other, 0.0, seen.z), np.nan),
            p=scattered(use, np.where(np.isfinite(seen.p[:, 0]), seen.p[:, 0], 0.5), np.nan),
            evidence=scattered(use, evidence, 0.0),
            log_evidence=scattered(use, np.log(np.maximum(evidence, 1e-300)), -np.inf),
            onset_tick=scattered(use, onset, tick).astype(np.int64),
            onset_first=scattered(use, first, tick).astype(np.int64),
            onset_last=scattered(use, last, tick).astype(np.int64),
            provisional=scattered(use, ~seen.settled, True).astype(bool),
            exceeded=scattered(use, evidence >= self.threshold, False).astype(bool),
        )

    def hold(self, streams: Iterable[StreamKey], *, since_tick: int) -> None:
        """While an alarm is open: take the windows since its onset out of the pools again (the last
        64 at most), and let no more in."""
        now = since_tick if self.last_tick is None else self.last_tick
        holding.hold(self._table, self._table.rows(streams), since_tick=since_tick, now=now)

    def release(self, streams: Iterable[StreamKey], *, fresh_start: bool = True) -> None:
        """The alarm is over: windows join the pools again, and evidence starts from nothing.

        After ``holding.STALE`` ticks the reference, which stood still, starts from nothing too.
        """
        rows = self._table.rows(streams)
        holding.release(self._table, rows, now=self.last_tick or 0)
        if fresh_start:
            self._restart(rows)

    def reset(self, streams: Iterable[StreamKey]) -> None:
        """After a page: evidence starts from nothing, the pools stay."""
        self._restart(self._table.rows(streams))

    def forget(self, streams: Iterable[StreamKey]) -> None:
        """Throw the history of these streams away; they borrow again as on the first day."""
        self._table.clear(self._table.rows(streams))

    def accept(self, streams: Iterable[StreamKey]) -> None:
        """What these streams do now is the new normal, e.g. a new site that stays.

        They begin anew without borrowing: mute until they have a history of their own.
        """
        holding.accept(self._table, self._table.rows(streams))

    def to_bytes(self) -> bytes:
        """All state; the random generator is the caller's."""
        header = {"threshold": self.threshold, **self.roster.bounds, "last_tick": self.last_tick}
        return to_bytes(self._table, header)

    @classmethod
    def from_bytes(cls, blob: bytes) -> FleetEvidence:
        """Raises:
        WireError: damaged, not evidence, or of a newer format.
        """
        header, table = from_bytes(blob)
        engine = cls(
            float(header["threshold"]),
            table.min_history,
            retire_after=int(header["retire_after"]),
            max_streams=int(header["max_streams"]),
            max_per_model=int(header.get("max_per_model", header["max_streams"])),
        )
        if table.arms != engine._bets.arms:
            table.arms = engine._bets.arms
            table.evidence = np.zeros((len(table), VIEWS, table.arms), np.float32)
        engine._table = engine.roster.table = table
        engine.last_tick = header["last_tick"]
        return engine

    def findable(self, *, windows: int = 30) -> dict[StreamKey, float]:
        """The smallest lasting shift of each settled stream that ``windows`` windows usually show,
        in units of its score; NaN where the stream abstains. See ``findable``."""
        found = smallest_shift(self._table, self._bets, threshold=self.threshold, windows=windows)
        return dict(zip(self._table.keys, found.tolist(), strict=True))

    def _restart(self, rows: NDArray[np.int64]) -> None:
        self._table.evidence[rows] = 0.0
        self._table.ring_bets[rows] = NO_BET
