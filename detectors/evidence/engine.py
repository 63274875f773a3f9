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

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from detectors.evidence import aftershock, trailing
from detectors.evidence.bets import standard_bets
from detectors.evidence.findable import smallest_shift
from detectors.evidence.history import borrow, grow, join_open, learn
from detectors.evidence.onset import onsets
from detectors.evidence.shiryaev import bet, shares
from detectors.evidence.table import NEW, NO_BET, SETTLED, VIEWS, WARMING, StreamTable
from detectors.evidence.views import absorb, judge, notice_gaps
from detectors.scores import ScoreBatch
from detectors.streams import StreamKey
from vigil.errors import ConflictError

Floats = NDArray[np.float64]

PATIENCE = 60
"""Windows in a row that a stream must be novel, or known again, before it begins anew as that."""

STALE = 1440
"""Ticks on hold after which the reference is too old: a day of minutes, and weather changes."""

CAP = 1e6
"""Evidence stops growing at so many thresholds; a cap only lowers it."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class StepResult:
    """One tick of N streams.

    ``z`` studentised score, ``p`` conformal p-value of the plain view (NaN: the stream was left out
    because the table is full), ``evidence`` in ticks, ``onset_tick`` the start that explains the
    scores best, ``onset_first`` and ``onset_last`` the ends of its interval (about 95 %),
    ``provisional``: the stream has no history of its own yet, ``exceeded``: evidence >= threshold.
    """

    streams: tuple[StreamKey, ...]
    z: Floats
    p: Floats
    evidence: Floats
    log_evidence: Floats
    onset_tick: NDArray[np.int64]
    onset_first: NDArray[np.int64]
    onset_last: NDArray[np.int64]
    provisional: NDArray[np.bool_]
    exceeded: NDArray[np.bool_]


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
        self.retire_after = retire_after
        self.max_streams = max_streams
        self.max_per_model = max_per_model
        self.last_tick: int | None = None
        self._bets = standard_bets()
        self._table = StreamTable(arms=self._bets.arms, min_history=min_history)
        self._omega: tuple[tuple[StreamKey, ...], bytes, Floats] | None = None
        self._seen: dict[int, tuple[tuple[StreamKey, ...], NDArray[np.int64]]] = {}

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
        located = [self._rows(batch.streams) for batch in batches]
        table = self._table
        everything = np.unique(np.concatenate(located))
        everything = everything[everything >= 0]
        position = np.full(len(table) + 1, -1)
        position[everything] = np.arange(len(everything))
        shape = (len(batches), len(everything))
        columns = {name: np.full(shape, np.nan) for name in _SCORES}
        novel = np.zeros(shape, bool)
        for i, (batch, rows) in enumerate(zip(batches, located, strict=True)):
            use = rows >= 0
            where = position[rows[use]]
            for name, column in columns.items():
                column[i, where] = getattr(batch, name)[use]
            novel[i, where] = batch.novel[use]
        seen = np.isfinite(columns["score"])
        often = 2 * (novel & seen).sum(axis=0) > seen.sum(axis=0)
        young = (table.state[everything] == NEW) & (table.history[everything] == 0)
        table.novel[everything[young]] = often[young]
        other = novel != table.novel[everything]
        for column in columns.values():
            column[other] = np.nan
        learn(table, everything, **columns, at=at)
        if ticks is not None:
            self._date(everything, np.isfinite(columns["score"]), np.asarray(ticks, np.int64))

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
        if len(self._table) + len(batch) > self.max_streams or tick % 256 == 0:
            self._retire(tick, batch.streams)
        located = self._rows(batch.streams)
        use = (located >= 0) & np.isfinite(batch.score) & np.isfinite(batch.noise)
        rows = located[use]
        table = self._table
        score, noise = batch.score[use], batch.noise[use]
        other = self._prepare(rows, batch.novel[use], batch)
        notice_gaps(table, rows[~other], tick)
        table.last_seen[rows[~other]] = tick
        after = aftershock.turn(table, tick)
        seen = judge(table, rows, score, noise, at=at, rng=rng, after=after, left_out=other)
        slot = table.next_slot(tick)
        evidence = bet(
            table,
            rows,
            seen.p,
            self._shares(batch.streams, use),
            bets=self._bets,
            slot=slot,
            ceiling=CAP * self.threshold,
        )
        onset, first, last = self._onsets(rows, evidence, tick)
        provisional = ~seen.settled
        joined = absorb(table, seen, slot, at)
        grow(table, rows[joined], score[joined], noise[joined])
        self._join_open(rows[~other], batch, np.flatnonzero(use)[~other])
        return StepResult(
            streams=batch.streams,
            z=_scatter(use, np.where(other, 0.0, seen.z), np.nan),
            p=_scatter(use, np.where(np.isfinite(seen.p[:, 0]), seen.p[:, 0], 0.5), np.nan),
            evidence=_scatter(use, evidence, 0.0),
            log_evidence=_scatter(use, np.log(np.maximum(evidence, 1e-300)), -np.inf),
            onset_tick=_scatter(use, onset, tick).astype(np.int64),
            onset_first=_scatter(use, first, tick).astype(np.int64),
            onset_last=_scatter(use, last, tick).astype(np.int64),
            provisional=_scatter(use, provisional, True).astype(bool),
            exceeded=_scatter(use, evidence >= self.threshold, False).astype(bool),
        )

    def hold(self, streams: Iterable[StreamKey], *, since_tick: int) -> None:
        """While an alarm is open: take the windows since its onset out of the pools again (the last
        64 at most), and let no more in."""
        table = self._table
        rows = np.unique(table.rows(streams))
        rows = rows[~table.held[rows]]
        table.held[rows] = True
        table.held_since[rows] = since_tick if self.last_tick is None else self.last_tick
        back = table.take_back(rows, since_tick)
        aftershock.discard(table, rows, since_tick)
        settled = (table.state[rows] == SETTLED) & (back > 0)
        trailing.pop(table, rows[settled], back[settled])
        level, size = trailing.reference(table, rows[settled])
        known = rows[settled][size > 0]
        table.lags[known] = table.smooth[known] = level[size > 0, None]
        table.alert[rows] = 0

    def release(self, streams: Iterable[StreamKey], *, fresh_start: bool = True) -> None:
        """The alarm is over: windows join the pools again, and evidence starts from nothing.

        After ``STALE`` ticks the reference, which stood still, starts from nothing too.
        """
        table = self._table
        rows = table.rows(streams)
        age = (self.last_tick or 0) - table.held_since[rows]
        trailing.restart(table, rows[table.held[rows] & (age >= STALE)])
        table.held[rows] = False
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
        table = self._table
        rows = table.rows(streams)
        novel, seen = table.novel[rows], table.last_seen[rows]
        table.clear(rows)
        table.novel[rows], table.last_seen[rows] = novel, seen
        table.state[rows], table.band[rows] = WARMING, np.inf

    def to_bytes(self) -> bytes:
        """All state; the random generator is the caller's."""
        return self._table.to_bytes(
            {
                "threshold": self.threshold,
                "retire_after": self.retire_after,
                "max_streams": self.max_streams,
                "max_per_model": self.max_per_model,
                "last_tick": self.last_tick,
            }
        )

    @classmethod
    def from_bytes(cls, blob: bytes) -> FleetEvidence:
        """Raises:
        WireError: damaged, not evidence, or of a newer format.
        """
        header, table = StreamTable.from_bytes(blob)
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
        engine._table = table
        engine.last_tick = header["last_tick"]
        return engine

    def findable(self, *, windows: int = 30) -> dict[StreamKey, float]:
        """The smallest lasting shift of each settled stream that ``windows`` windows usually show,
        in units of its score; NaN where the stream abstains. See ``findable``."""
        found = smallest_shift(self._table, self._bets, threshold=self.threshold, windows=windows)
        return dict(zip(self._table.keys, found.tolist(), strict=True))

    def _onsets(
        self, rows: NDArray[np.int64], evidence: Floats, tick: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Onsets of the streams with evidence to speak of; the others begin now."""
        out = tuple(np.full(len(rows), tick, np.int64) for _ in range(3))
        loud = np.flatnonzero(evidence >= self.threshold / 20.0)
        if len(loud):
            table = self._table
            mine = rows[loud]
            found = onsets(
                table.ring_bets[mine],
                table.ring_ticks,
                table.temper[mine][:, :, self._bets.kind].astype(np.float64),
                np.log(self._bets.payoff),
                tick,
            )
            for column, values in zip(out, found, strict=True):
                column[loud] = values
        return out[0], out[1], out[2]

    def _admitted(self, streams: Iterable[StreamKey]) -> list[StreamKey]:
        """Those of the new streams for which there is room."""
        table = self._table
        room = max(0, self.max_streams - len(table))
        taken = Counter((key.model, key.deployment) for key in table.keys)
        admitted: list[StreamKey] = []
        for stream in dict.fromkeys(streams):
            family = stream.model, stream.deployment
            if stream in table.index or taken[family] >= self.max_per_model:
                continue
            taken[family] += 1
            admitted.append(stream)
        return admitted[:room]

    def _rows(self, streams: tuple[StreamKey, ...]) -> NDArray[np.int64]:
        """The row of each stream, -1 where the table is full. Ticks of one layout share the
        tuple."""
        found = self._seen.get(id(streams))
        if found is not None and found[0] is streams:
            return found[1]
        table = self._table
        rows = table.find(streams)
        if (rows < 0).any():
            table.add(self._admitted(streams))
            rows = table.find(streams)
        distinct = set(rows.tolist()) if (rows >= 0).all() else set(streams)
        if len(distinct) != len(streams):
            raise ValueError("scores of one tick: expected each stream once")
        if len(self._seen) >= 256:
            self._seen.clear()
        if (rows >= 0).all():
            self._seen[id(streams)] = (streams, rows)
        return rows

    def _shares(self, streams: tuple[StreamKey, ...], use: NDArray[np.bool_]) -> Floats:
        """omega of the streams in use; the same as in the last tick where those are the same."""
        mask = use.tobytes()
        if self._omega is None or self._omega[0] is not streams or self._omega[1] != mask:
            self._omega = streams, mask, shares(list(compress(streams, use.tolist())))
        return self._omega[2]

    def _prepare(
        self, rows: NDArray[np.int64], novel: NDArray[np.bool_], batch: ScoreBatch
    ) -> NDArray[np.bool_]:
        """Make rows ready for scores of this novelty; returns which are to be left out.

        What a stream has learned of itself is not thrown away for a few windows in which only
        cells were seen that no baseline knows.
        """
        table = self._table
        other = (table.novel[rows] != novel) & (table.state[rows] != NEW)
        table.flips[rows] = np.where(other, table.flips[rows] + 1, 0)
        lasting = table.flips[rows] >= PATIENCE
        own = (table.state[rows] == SETTLED) | ~table.novel[rows]
        waits = other & own & ~lasting
        changed = rows[other & ~waits]
        held, since = table.held[changed], table.held_since[changed]
        table.clear(changed)
        table.held[changed], table.held_since[changed] = held, since
        table.novel[rows] = np.where(waits, table.novel[rows], novel)
        fresh = rows[table.state[rows] == NEW]
        if len(fresh):
            borrow(table, fresh, batch.healthy)
        return np.asarray(waits)

    def _date(
        self, rows: NDArray[np.int64], seen: NDArray[np.bool_], ticks: NDArray[np.int64]
    ) -> None:
        """Note when rows were last seen; history from before that is no reference of now."""
        table = self._table
        last = np.where(seen, ticks[:, None], 0).max(axis=0)
        before = table.last_seen[rows]
        trailing.restart(table, rows[(last > 0) & (last < before)])
        table.last_seen[rows] = np.maximum(last, before)

    def _join_open(
        self, rows: NDArray[np.int64], batch: ScoreBatch, use: NDArray[np.int64]
    ) -> None:
        table = self._table
        fit = ~table.held[rows] & ~table.novel[rows] & np.isfinite(batch.open_score[use])
        join_open(table, rows[fit], batch.open_score[use][fit], batch.open_noise[use][fit])

    def _restart(self, rows: NDArray[np.int64]) -> None:
        self._table.evidence[rows] = 0.0
        self._table.ring_bets[rows] = NO_BET

    def _retire(self, tick: int, present: tuple[StreamKey, ...]) -> None:
        table = self._table
        table.last_seen[table.last_seen == 0] = tick
        old = tick - table.last_seen > self.retire_after
        old[table.rows(present)] = False
        if old.any():
            table.keep(np.flatnonzero(~old))
            self._seen.clear()


_SCORES = ("score", "noise", "open_score", "open_noise")


def _scatter(use: NDArray[np.bool_], values: NDArray[np.generic], fill: float) -> Floats:
    out = np.full(len(use), fill, values.dtype if values.dtype != bool else np.float64)
    out[use] = values
    return out
