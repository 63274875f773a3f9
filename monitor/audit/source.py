"""The stored windows of a deployment as scored ticks, in order of time and in bounded memory.

What is not healthy traffic is left out: streams that may touch an incident, from its onset until
it was resolved, unless people called it a false alarm; versions without an active baseline, or
measured with another ruler than their baseline's; damaged windows. All is counted. Every window is
replayed in its own time, whenever it arrived.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from alerts.types import Disposition
from detectors.scores import ScoreBatch, score
from detectors.streams import StreamKey
from monitor.audit.replay import AuditTick, Between
from monitor.audit.report import Left
from monitor.checks.due import end_of, number_containing
from monitor.checks.gather import Gathered, line_up, parts_of
from monitor.checks.judge import Rules, Standing, measure, newest_of, onset_of, outcome_of
from monitor.checks.newest import Over
from monitor.checks.recent import Family, RecentTicks
from monitor.checks.references import References
from monitor.settings.schema import Settings
from monitor.store import windows
from monitor.store.database import Sessions
from monitor.store.tables import IncidentRow, LabelRow, WindowRow
from vigil.errors import VigilError
from vigil.types import WHOLE, Effect, Outcome, Slice

WINDOWS_AT_ONCE = 200
LONGEST_BURN_IN_DAYS = 14.0


class AuditError(VigilError):
    """An audit that can't be made: what is missing, and what to do about it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Scope:
    """What is audited. None: everything that is stored; the burn-in then is the first half of it,
    two weeks at most."""

    model: str | None = None
    deployment: str | None = None
    days: float | None = None
    burn_in_days: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """The ticks with data: the first ``learn`` of them teach, the others are judged."""

    ticks: tuple[int, ...]
    learn: int
    windows_per_tick: float


@dataclass(frozen=True, kw_only=True, slots=True)
class _Trouble:
    """An incident's span in ticks, both counted, and its traffic."""

    first: int
    last: int
    slice: Slice


def plan(session: Session, settings: Settings, scope: Scope) -> Plan:
    """Which ticks to replay.

    Raises:
        AuditError: there are no windows, or too few to learn from and to judge.
    """
    for name, value in (("days", scope.days), ("burn-in", scope.burn_in_days)):
        if value is not None and not 0 < value < 1e6:
            raise AuditError(f"self-audit: {name}: expected a number of days, found {value:g}")
    window_s, need = settings.service.window_s, settings.checks.min_history
    ends = session.scalars(select(WindowRow.end_at).where(*_of(scope))).all()
    if not ends:
        whose = f" of {scope.model}" if scope.model else ""
        where = f" in {scope.deployment}" if scope.deployment else ""
        raise AuditError(
            f"self-audit: no verified window{whose}{where} is stored; point a tap here, or "
            "`vigil backfill` logs"
        )
    numbers = [number_containing(end, window_s) for end in ends]
    ticks = sorted(set(numbers))
    if scope.days is not None:
        ticks = [tick for tick in ticks if tick > ticks[-1] - scope.days * 86_400 / window_s]
    longest = (scope.burn_in_days or LONGEST_BURN_IN_DAYS) * 86_400 / window_s
    learn = int(longest) if scope.burn_in_days else int(min(len(ticks) / 2, longest))
    judged = len(ticks) - learn
    if learn < need or judged < need:
        raise AuditError(
            f"self-audit: too little history: {len(ticks)} ticks have data, of which {learn} would "
            f"teach and {max(judged, 0)} be judged; each part needs {need} (checks.min_history). "
            "Wait, or `vigil backfill` logs"
        )
    return Plan(
        ticks=tuple(ticks), learn=learn, windows_per_tick=max(1.0, len(numbers) / len(set(numbers)))
    )


class Source:
    """Reads the ticks of a plan, and says of alarms what the product would say.

    One pass: iterate over ``ticks``; ``left`` counts what was left out so far, and ``judge`` looks
    at the last 64 ticks that were read.
    """

    def __init__(self, sessions: Sessions, settings: Settings, scope: Scope, chosen: Plan) -> None:
        self._sessions, self._settings, self._scope, self._plan = sessions, settings, scope, chosen
        self._window_s = settings.service.window_s
        self._references = References()
        self._recent = RecentTicks()
        self._session: Session | None = None
        self._unreadable: list[int] = []
        self._unverified = self._of_incidents = 0
        self._labels: dict[int, dict[Family, dict[str, list[Any]]]] = {}
        self._labelled: tuple[int, int] = (0, -1)
        self._kept: dict[
            tuple[int, frozenset[Slice]],
            tuple[tuple[StreamKey, ...], tuple[StreamKey, ...], NDArray[np.bool_]],
        ] = {}

    @property
    def left(self) -> Left:
        return Left(
            of_incidents=self._of_incidents,
            unverified=self._unverified,
            unreadable=len(self._unreadable),
        )

    def ticks(self, *, now: datetime) -> Iterator[AuditTick]:
        """Every tick of the plan, scored. ``now``: until when an open incident lasts."""
        with self._sessions() as session:
            troubles = _troubles(session, self._window_s, now)
            families = session.execute(
                select(WindowRow.model, WindowRow.deployment).where(*_of(self._scope)).distinct()
            ).all()
        chosen = self._plan
        step = max(1, int(WINDOWS_AT_ONCE / chosen.windows_per_tick))
        for first in range(0, len(chosen.ticks), step):
            numbers = chosen.ticks[first : first + step]
            with self._sessions() as session:
                self._session = session
                try:
                    yield from self._chunk(
                        session,
                        numbers,
                        sorted((one.model, one.deployment) for one in families),
                        troubles,
                        first,
                    )
                finally:
                    self._session = None

    def judge(
        self, standings: Sequence[Standing], tick: int, between: Between
    ) -> dict[StreamKey, Outcome]:
        """What the product would say of streams whose evidence reached the threshold."""
        if self._session is None:
            raise RuntimeError("judge is called between two ticks of `ticks`")
        said: dict[StreamKey, Outcome] = {}
        groups: dict[tuple[Family, int], list[Standing]] = defaultdict(list)
        for one in standings:
            groups[(one.stream.model, one.stream.deployment), onset_of(one, tick)].append(one)
        for (family, onset), mine in groups.items():
            over = self._over(self._session, family, tick, _rules(self._settings, family, between))
            found = over(onset, [one.stream for one in mine])
            newest = newest_of(mine, found, tick, over)
            said |= {
                one.stream: outcome_of(one, found.get(one.stream), newest.get(one.stream))[0]
                for one in mine
            }
        return said

    def _over(self, session: Session, family: Family, tick: int, rules: Rules) -> Over:
        def over(first: int, streams: Sequence[StreamKey]) -> dict[StreamKey, Effect]:
            seen = self._recent.between(family, first, tick).values()
            parts = parts_of(session, self._references, seen)
            return measure(parts, streams, rules) if parts else {}

        return over

    def _chunk(
        self,
        session: Session,
        numbers: Sequence[int],
        families: Sequence[Family],
        troubles: Mapping[Family, Sequence[_Trouble]],
        position: int,
    ) -> Iterator[AuditTick]:
        window = timedelta(seconds=self._window_s)
        by_tick: dict[int, dict[Family, list[windows.StoredWindow]]] = defaultdict(dict)
        start, end = (
            end_of(numbers[0], self._window_s) - window,
            end_of(numbers[-1], self._window_s),
        )
        for family in families:
            for stored in windows.between(
                session, *family, start, end, unreadable=self._unreadable
            ):
                number = number_containing(stored.end, self._window_s)
                by_tick[number].setdefault(family, []).append(stored)
        for place, number in enumerate(numbers, position):
            self._read_labels(session, number)
            batches = []
            for family, mine in by_tick.pop(number, {}).items():
                labels = self._labels.get(number, {}).get(family, {})
                batches += self._score(session, family, mine, labels, number, troubles)
            self._recent.forget(number)
            if batches:
                yield AuditTick(
                    tick=number,
                    at=end_of(number, self._window_s),
                    batch=ScoreBatch.join(batches),
                    teaches=place < self._plan.learn,
                )

    def _score(
        self,
        session: Session,
        family: Family,
        stored: Sequence[windows.StoredWindow],
        labels: dict[str, list[Any]],
        tick: int,
        troubles: Mapping[Family, Sequence[_Trouble]],
    ) -> list[ScoreBatch]:
        gathered: Gathered = line_up(
            session, self._references, family, stored, labels, tick=tick, window_s=self._window_s
        )
        self._unverified += gathered.unverified
        self._recent.add(family, tick, gathered.on_time)
        try:
            parts = parts_of(session, self._references, gathered.on_time)
            batch = score(parts, *family) if parts else None
        except VigilError:
            self._unreadable += [one.id for one in stored]
            return []
        if batch is None:
            return []
        sick = frozenset(
            one.slice for one in troubles.get(family, ()) if one.first <= tick <= one.last
        )
        return [self._without(batch, sick) if sick else batch]

    def _without(self, batch: ScoreBatch, sick: frozenset[Slice]) -> ScoreBatch:
        """The scores of streams that surely have none of the sick traffic."""
        key = id(batch.streams), sick
        known = self._kept.get(key)
        if known is None or known[0] is not batch.streams:
            mask = np.array([all(apart(one.slice, each) for each in sick) for one in batch.streams])
            streams = tuple(s for s, keep in zip(batch.streams, mask.tolist(), strict=True) if keep)
            if len(self._kept) >= 256:
                self._kept.clear()
            known = self._kept[key] = (batch.streams, streams, mask)
        _, streams, mask = known
        self._of_incidents += len(mask) - len(streams)
        return ScoreBatch(
            streams=streams,
            score=batch.score[mask],
            noise=batch.noise[mask],
            records=batch.records[mask],
            novel=batch.novel[mask],
            open_score=batch.open_score[mask],
            open_noise=batch.open_noise[mask],
            healthy=batch.healthy,
        )

    def _read_labels(self, session: Session, tick: int) -> None:
        """Keep the labels of the day around a tick: live ones where they were counted, back-filled
        ones where their predictions were made."""
        first, last = self._labelled
        if first <= tick <= last:
            return
        first, last = tick, tick + max(1, int(86_400 / self._window_s)) - 1
        rows = session.execute(
            select(
                LabelRow.model,
                LabelRow.deployment,
                LabelRow.version,
                LabelRow.cell,
                LabelRow.prediction,
                LabelRow.label,
                LabelRow.confidence,
                LabelRow.judged_by,
                LabelRow.predicted_at,
            ).where(
                LabelRow.chosen.is_(False),
                or_(
                    LabelRow.judged_by.between(max(first, 1), last),
                    and_(
                        LabelRow.judged_by == 0,
                        LabelRow.predicted_at > end_of(first - 1, self._window_s),
                        LabelRow.predicted_at <= end_of(last, self._window_s),
                    ),
                ),
            )
        )
        self._labels, self._labelled = {}, (first, last)
        for row in rows:
            number = row.judged_by or number_containing(row.predicted_at, self._window_s)
            of = self._labels.setdefault(number, {}).setdefault((row.model, row.deployment), {})
            of.setdefault(row.version, []).append(row)


def apart(one: Slice, other: Slice) -> bool:
    """Whether two slices surely share no traffic: a key has another value."""
    values = dict(other.pairs)
    return any(values.get(key, value) != value for key, value in one.pairs)


def _of(scope: Scope) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [WindowRow.verified.is_(True), WindowRow.records > 0]
    if scope.model is not None:
        conditions.append(WindowRow.model == scope.model)
    if scope.deployment is not None:
        conditions.append(WindowRow.deployment == scope.deployment)
    return conditions


def _troubles(session: Session, window_s: float, now: datetime) -> dict[Family, list[_Trouble]]:
    rows = session.execute(
        select(
            IncidentRow.model,
            IncidentRow.deployment,
            IncidentRow.slice,
            IncidentRow.onset_at,
            IncidentRow.detected_at,
            IncidentRow.resolved_at,
        ).where(
            or_(
                IncidentRow.disposition.is_(None),
                IncidentRow.disposition != Disposition.FALSE_ALARM.value,
            )
        )
    )
    found: dict[Family, list[_Trouble]] = defaultdict(list)
    for row in rows:
        found[row.model, row.deployment].append(
            _Trouble(
                first=number_containing(row.onset_at or row.detected_at, window_s),
                last=number_containing(row.resolved_at or now, window_s),
                slice=_slice(row.slice),
            )
        )
    return found


def _slice(text: str) -> Slice:
    try:
        return Slice.parse(text)
    except ValueError:
        return WHOLE


def _rules(settings: Settings, family: Family, between: Between) -> Rules:
    watched = settings.model(*family)
    return Rules(
        tolerances=watched.tolerance if watched else {},
        objectives={"latency_s": watched.latency_objective_s} if watched else {},
        threshold=settings.threshold_ticks,
        between=between,
    )
