"""Fleet evidence: conformal p-values, bets, injection Shiryaev-Roberts; one budget for all streams.

Per tick and stream i the score becomes a p-value against the stream's growing pool, every arm theta
of the bets pays ``L_theta(p)``, and ::

    R_theta <- (R_theta + omega_i pi_theta) L_theta,     evidence = sum_theta R_theta

with ``sum_i omega_i <= 1`` over the fleet: 30 % for whole-model streams, 30 % for ``key=value``
slices, 40 % for finer ones (levels without streams give theirs to the others).

**Guarantee.** A page is an evidence that reaches A = ``threshold`` (in ticks), after which that
stream is reset or held. Then ``E[pages in T ticks] <= T / A``, whatever the dependence between
streams, also at
stopping times, however many streams there are, and while they come and go: each R has conditional
expectation ``R + omega`` per tick, and a page takes at least A out of the sum.

**Assumptions.** The healthy windows of one stream are exchangeable after the score is studentised.
Seasons, slow drift and autocorrelation between windows break it; correlation inside a window does
not. The location m and variance b are estimated once, from the history itself; with a history of
200 windows and more the effect on p-values is below their resolution 1/(N + 1). Provisional
verdicts (see ``history``) are guardrails and carry no such guarantee. Taking windows out of the
pool while an alarm is open makes the pool cleaner after a true alarm, and slightly too clean after
a false one.

**When not to use it.** For drift slower than the history: a growing pool absorbs it.

Source: Shin, Ramdas and Rinaldo, E-detectors, 2022; Vovk, Nouretdinov and Gammerman, Testing
Exchangeability On-Line, 2003.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.evidence.bets import standard_bets
from detectors.evidence.history import borrow, grow, join_open, learn
from detectors.evidence.pool import cells_of, p_values
from detectors.evidence.shiryaev import bet, onsets, shares
from detectors.evidence.table import NEW, SETTLED, WARMING, StreamTable
from detectors.scores import ScoreBatch
from detectors.streams import StreamKey
from vigil.errors import ConflictError

Floats = NDArray[np.float64]

CAP = 1e6
"""Evidence stops growing at so many thresholds; a cap only lowers it."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class StepResult:
    """One tick of N streams.

    ``z`` studentised score, ``p`` conformal p-value (NaN: the stream was left out because the table
    is full), ``evidence`` in ticks, ``onset_tick`` the start that explains the scores best,
    ``provisional``: the stream has no history of its own yet, ``exceeded``: evidence >= threshold.
    """

    streams: tuple[StreamKey, ...]
    z: Floats
    p: Floats
    evidence: Floats
    log_evidence: Floats
    onset_tick: NDArray[np.int64]
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

    def learn(self, batches: Sequence[ScoreBatch]) -> None:
        """Take windows declared healthy as history: locations, variances and pools, no bets.

        Streams with at least ``min_history`` windows in one call settle; the others start to warm
        up.
        """
        if not batches:
            return
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
            table.novel[rows[use]] = batch.novel[use]
        other = novel != table.novel[everything]
        for column in columns.values():
            column[other] = np.nan
        learn(table, everything, **columns)

    def step(self, batch: ScoreBatch, *, tick: int, rng: np.random.Generator) -> StepResult:
        """Judge one tick.

        Args:
            batch: the scores of all streams seen in this tick.
            tick: its number; must grow from step to step.
            rng: breaks ties among scores.

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
        judged = [stream for stream, used in zip(batch.streams, use.tolist(), strict=True) if used]
        self._prepare(rows, batch.novel[use], batch)
        table.last_seen[rows] = tick

        offset = score - table.mean[rows]
        scale = np.sqrt(noise**2 + table.between[rows])
        band = table.band[rows]
        uniform = rng.random(len(rows))
        excess = np.sign(offset) * np.maximum(np.abs(offset) - band, 0.0) / scale
        cells = cells_of(excess)
        p = p_values(table.counts[rows], cells, uniform)
        p = np.where((band > 0) & (np.abs(offset) <= band), uniform, p)
        bet(
            table,
            rows,
            p,
            shares(judged),
            bets=self._bets,
            tick=tick,
            ceiling=CAP * self.threshold,
        )
        evidence = table.evidence[rows].sum(axis=1)
        onset = onsets(table, rows, tick)
        provisional = table.state[rows] != SETTLED
        self._join(rows, cells, score, noise, tick)
        self._join_open(rows, batch, use)
        return StepResult(
            streams=batch.streams,
            z=_scatter(use, offset / scale, np.nan),
            p=_scatter(use, p, np.nan),
            evidence=_scatter(use, evidence, 0.0),
            log_evidence=_scatter(use, np.log(np.maximum(evidence, 1e-300)), -np.inf),
            onset_tick=_scatter(use, onset, tick).astype(np.int64),
            provisional=_scatter(use, provisional, True).astype(bool),
            exceeded=_scatter(use, evidence >= self.threshold, False).astype(bool),
        )

    def hold(self, streams: Iterable[StreamKey], *, since_tick: int) -> None:
        """While an alarm is open: take the windows since its onset out of the pools again (the last
        64 at most), and let no more in."""
        rows = self._table.rows(streams)
        self._table.held[rows] = True
        self._table.take_back(rows, since_tick)

    def release(self, streams: Iterable[StreamKey], *, fresh_start: bool = True) -> None:
        """The alarm is over: windows join the pools again, and evidence starts from nothing."""
        rows = self._table.rows(streams)
        self._table.held[rows] = False
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
            table.evidence = np.zeros((len(table), engine._bets.arms))
            table.cusum = np.zeros((len(table), engine._bets.arms))
            table.start = np.zeros((len(table), engine._bets.arms), np.int64)
            table.arms = engine._bets.arms
        engine._table = table
        engine.last_tick = header["last_tick"]
        return engine

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

    def _prepare(
        self, rows: NDArray[np.int64], novel: NDArray[np.bool_], batch: ScoreBatch
    ) -> None:
        table = self._table
        changed = rows[(table.novel[rows] != novel) & (table.state[rows] != NEW)]
        table.clear(changed)
        table.novel[rows] = novel
        fresh = rows[table.state[rows] == NEW]
        if len(fresh):
            borrow(table, fresh, batch.healthy)

    def _join(
        self,
        rows: NDArray[np.int64],
        cells: NDArray[np.int64],
        score: Floats,
        noise: Floats,
        tick: int,
    ) -> None:
        table = self._table
        free = ~table.held[rows]
        slot = table.next_slot(tick)
        mine, joined = rows[free], cells[free]
        table.counts[mine, joined] += 1
        table.ring_cells[mine, slot] = joined
        grow(table, mine, score[free], noise[free])

    def _join_open(
        self, rows: NDArray[np.int64], batch: ScoreBatch, use: NDArray[np.bool_]
    ) -> None:
        table = self._table
        fit = ~table.held[rows] & ~table.novel[rows] & np.isfinite(batch.open_score[use])
        join_open(table, rows[fit], batch.open_score[use][fit], batch.open_noise[use][fit])

    def _restart(self, rows: NDArray[np.int64]) -> None:
        self._table.evidence[rows] = 0.0
        self._table.cusum[rows] = 0.0

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
