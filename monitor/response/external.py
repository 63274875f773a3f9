"""Alerts of other systems become incidents: one for what one upstream, or one model, feels.

The pipeline says whether they are part of something that is known. Their sender says when they are
over. What a person resolved while it fired stays quiet until something new fires.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from alerts import incidents
from alerts.external import SOURCE, Batch, ExternalAlert, is_external
from alerts.grouping import Belongs, GroupDecision, alert_labels, group_key
from alerts.labels import labels_of
from alerts.notifiers.fit import clip
from alerts.pipeline.case import Arrival, Case
from alerts.types import Alert, Incident, MessageEvent, Severity, TimelineEntry
from monitor.response import external_alerts, facts, record
from monitor.response.announce import Announcer
from monitor.response.placing import MOST_ALSO, note_part
from monitor.settings.schema import Settings
from monitor.store import audit
from monitor.store.tables import ExternalAlertRow
from runbooks.library import Library
from vigil.types import WHOLE

Family = tuple[str, str]
TOGETHER = timedelta(minutes=10)
"""Two faults whose starts lie at most so far apart may be one."""

_NAMED = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """Alerts of one batch that are one fault: of one kind, behind one upstream or of one model."""

    alerts: tuple[ExternalAlert, ...]
    families: tuple[Family, ...]

    @property
    def worst(self) -> ExternalAlert:
        return max(self.alerts, key=lambda each: each.severity.rank)

    @property
    def severity(self) -> Severity:
        return self.worst.severity

    @property
    def since(self) -> datetime:
        return min(each.starts_at for each in self.alerts)

    def words(self) -> str:
        """``3 alerts: HighErrors (2), SlowDisk``."""
        counts = Counter(each.name for each in self.alerts)
        told = [f"{name} ({n})" if n > 1 else name for name, n in counts.most_common(_NAMED)]
        rest = len(counts) - len(told)
        more = f" and {rest} more kinds" if rest > 0 else ""
        n = len(self.alerts)
        return f"{n} alert{'s' if n > 1 else ''}: {', '.join(told)}{more}"


class ExternalAlerts:
    """Takes batches in, each in a transaction that the caller commits."""

    def __init__(self, settings: Settings, announcer: Announcer, library: Library) -> None:
        self._settings = settings
        self._announcer = announcer
        self._library = library
        windows = settings.checks.reopen_within_windows
        self._reopen_within = timedelta(seconds=windows * settings.service.window_s)

    def take(self, session: Session, batch: Batch, *, actor: str, at: datetime) -> list[int]:
        """Open, join and close incidents; the numbers of those that changed.

        Raises:
            ConflictError: someone changed one of them at the same moment; take it again.
        """
        known = external_alerts.known(session, [each.fingerprint for each in batch.alerts])
        fresh: list[ExternalAlert] = []
        same: list[ExternalAlertRow] = []
        over: list[ExternalAlertRow] = []
        for each in batch.alerts:
            row = known.get(each.fingerprint)
            if each.firing and (row is None or _is_new_round(row, each)):
                fresh.append(each)
            elif row is not None and row.resolved_at is None:
                (same if each.firing else over).append(row)
        before = [known[each.fingerprint] for each in fresh if each.fingerprint in known]
        left = Counter(row.incident_id for row in before if row.resolved_at is None)
        changed = [self._fires(session, group, batch, at) for group in self.groups(fresh)]
        for number, gone in left.items():
            if number not in changed and self._ended(session, number, gone, at):
                changed.append(number)
        self._lasts(session, same, at)
        changed += self._ends(session, over, at)
        for number in sorted(set(changed)):
            audit.record(
                session,
                what="external alerts",
                subject=f"incident {number}",
                actor=actor,
                at=at,
                alerts=len(batch.alerts),
                truncated=batch.truncated,
            )
        return sorted(set(changed))

    def groups(self, alerts: Iterable[ExternalAlert]) -> list[Group]:
        """One for each fault, as far as the labels tell."""
        found: dict[tuple[str, ...], list[ExternalAlert]] = {}
        for each in alerts:
            model, deployment = self.family(each)
            upstream = each.upstream or self._announcer.upstream(model, deployment)
            place = (upstream,) if upstream else (model, deployment)
            found.setdefault((each.kind.value, *place), []).append(each)
        groups = []
        for members in found.values():
            counts = Counter(self.family(each) for each in members)
            families = tuple(family for family, _ in counts.most_common())
            groups.append(Group(alerts=tuple(members), families=families))
        return groups

    def family(self, alert: ExternalAlert) -> Family:
        """Its model, and its deployment: where it names none, the only one that the settings have
        of this model, else ``production``."""
        if alert.deployment:
            return alert.model, alert.deployment
        mine = [each.deployment for each in self._settings.models if each.name == alert.model]
        return alert.model, mine[0] if len(mine) == 1 else "production"

    def _fires(self, session: Session, group: Group, batch: Batch, at: datetime) -> int:
        place = self._place(session, group, at)
        left_out = f" Alertmanager left {batch.truncated} more out." if batch.truncated else ""
        text = f"Alertmanager: {group.words()}.{left_out}"
        incident = place.incident
        if incident is None or place.belongs in (Belongs.NEW, Belongs.PART):
            incident = self._open(session, group, place, text, at)
        else:
            incident = self._join(session, incident, group, place, text, at)
        external_alerts.attach(session, incident.id, group.alerts, at=at)
        return incident.id

    def _place(self, session: Session, group: Group, at: datetime) -> GroupDecision:
        worst, (model, deployment) = group.worst, group.families[0]
        known = facts.known(session, at, since=at - self._reopen_within)
        arrival = Arrival(
            fingerprint=_fingerprint(worst, model, deployment),
            kind=worst.kind,
            cause=worst.cause,
            severity=group.severity,
            model=model,
            version=worst.version,
            deployment=deployment,
            slice=WHOLE,
            owner=self._announcer.owner(model, deployment),
            onset=group.since,
            upstream=worst.upstream or self._announcer.upstream(model, deployment),
            near=frozenset(
                each.id for each in known.open if (each.model, each.deployment) in group.families
            ),
            together=TOGETHER,
            reopen_within=self._reopen_within,
        )
        labels = labels_of(self._incident(group, at))
        case = Case(at=at, labels=labels, known=known, arrival=arrival)
        place = self._announcer.pipeline.place(case).place
        return place or GroupDecision(belongs=Belongs.NEW, incident=None, reason="nothing is known")

    def _incident(self, group: Group, at: datetime) -> Incident:
        worst, (model, deployment) = group.worst, group.families[0]
        labels = {"owner": self._announcer.owner(model, deployment), "source": SOURCE}
        upstream = worst.upstream or self._announcer.upstream(model, deployment)
        if upstream:
            labels["upstream"] = upstream
        if len(group.families) > 1:
            labels["also"] = json.dumps([list(one) for one in group.families[1 : MOST_ALSO + 1]])
        others = len(group.alerts) - 1
        more = f" (and {others} more alert{'s' if others > 1 else ''})" if others else ""
        about = f"{worst.name} on {model}" + (f": {worst.text}" if worst.text else "")
        return Incident(
            id=0,
            group_key=group_key(model, deployment, worst.cause),
            fingerprint=_fingerprint(worst, model, deployment),
            kind=worst.kind,
            cause=worst.cause,
            severity=group.severity,
            model=model,
            model_version=worst.version,
            deployment=deployment,
            slice=WHOLE,
            title=clip(about, 300) + more,
            onset_at=group.since,
            detected_at=at,
            last_firing_at=at,
            reasons=(f"Alertmanager told of {group.words()}",),
            labels=labels,
            runbook=self._library.for_alert(worst.kind.value).name,
        )

    def _open(
        self, session: Session, group: Group, place: GroupDecision, text: str, at: datetime
    ) -> Incident:
        made = self._incident(group, at)
        if place.incident is not None:
            part = {**made.labels, "part_of": str(place.incident.id)}
            made = replace(made, labels=part)
        entry = TimelineEntry(at=at, kind="detected", actor=SOURCE, text=text)
        opened = record.create(session, made, entry)
        if place.incident is not None:
            note_part(session, place.incident, opened, place.reason)
        self._announcer.tell(session, opened, MessageEvent.TRIGGER, at=at, note="")
        return opened

    def _join(
        self,
        session: Session,
        incident: Incident,
        group: Group,
        place: GroupDecision,
        text: str,
        at: datetime,
    ) -> Incident:
        if place.belongs is Belongs.REOPENS:
            why = f"Reopened: {place.reason}."
            moved = incidents.reopen(incident, at=at, actor=SOURCE, text=why)
            incident = record.save(session, moved)
        before = incident.severity
        moved = incidents.fired_again(
            incident, at=at, findings=(), severity=group.severity, reason=place.reason
        )
        incident = record.save(session, moved)
        entry = TimelineEntry(at=at, kind="widened", actor=SOURCE, text=f"{text} {place.reason}.")
        record.note(session, incident.id, entry)
        if place.belongs is Belongs.REOPENS:
            self._announcer.tell(session, incident, MessageEvent.TRIGGER, at=at, note=text)
        elif incident.severity is not before:
            self._announcer.tell(session, incident, MessageEvent.UPDATE, at=at, note=text)
        return incident

    def _lasts(self, session: Session, rows: Sequence[ExternalAlertRow], at: datetime) -> None:
        external_alerts.seen(session, rows, at=at)
        for number in sorted({row.incident_id for row in rows}):
            incident = record.get(session, number)
            if incident.state.is_open:
                moved = incidents.fired_again(
                    incident, at=at, findings=(), severity=incident.severity
                )
                record.save(session, moved)

    def _ends(self, session: Session, rows: Sequence[ExternalAlertRow], at: datetime) -> list[int]:
        numbers = Counter(row.incident_id for row in rows)
        external_alerts.over(session, rows, at=at)
        return [
            number for number, ended in numbers.items() if self._ended(session, number, ended, at)
        ]

    def _ended(self, session: Session, number: int, ended: int, at: datetime) -> bool:
        if external_alerts.still_firing(session, number):
            return False
        incident = record.get(session, number)
        text = f"Alertmanager resolved the last {ended} alert{'s' if ended > 1 else ''} of it"
        if not incident.state.is_open:
            record.save(session, incidents.went_quiet(incident, at=at))
            return False
        if not is_external(incident):
            entry = TimelineEntry(at=at, kind="quiet", actor=SOURCE, text=f"{text}.")
            record.note(session, number, entry)
            return True
        moved = incidents.recovered(incident, at=at, text=f"Recovered: {text}.")
        incident = record.save(session, moved)
        over = "Resolved: it recovered."
        moved = incidents.resolve(incident, at=at, actor=SOURCE, text=over)
        incident = record.save(session, moved)
        self._announcer.tell(session, incident, MessageEvent.RESOLVE, at=at, note=f"{text}.")
        return True


def _is_new_round(row: ExternalAlertRow, alert: ExternalAlert) -> bool:
    return row.resolved_at is not None or alert.starts_at > row.starts_at


def _fingerprint(alert: ExternalAlert, model: str, deployment: str) -> str:
    labels: Mapping[str, str] = alert_labels(
        kind=alert.kind, model=model, deployment=deployment, cause=alert.cause, slice=WHOLE
    )
    named = {**labels, "source": SOURCE, "external": alert.name}
    return Alert(labels=named, starts_at=alert.starts_at).fingerprint
