"""After a rollback: the detector that raised the alarm watches the new windows, starting afresh.

Recovered: the incident is closed, with the figures that prove it. Surely no better, over all that
the earlier version did since and at each of the last looks: people are told at once, because
waiting would not change it. Neither by the time-out: the rollback has not proved to help.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from alerts import incidents
from alerts.types import AlertKind, Incident, MessageEvent, Severity
from monitor.checks.recent import RecentTicks
from monitor.response import record
from monitor.response.announce import Announcer
from monitor.response.canary_recovery import by_canary, candidate_gone
from monitor.response.closing import Closing
from monitor.response.label_recovery import by_labels, only_labels
from monitor.response.recovery import (
    Health,
    Measure,
    after_action,
    no_better_since,
    rule_kept,
    tick_after,
)
from monitor.response.rollback_news import RollbackNews
from monitor.services import Services
from monitor.store.tables import ActionRow

HOPELESS_AFTER = 3
"""A rollback is called of no help after so many times the windows that prove a recovery."""


class Verification:
    """Judges rollbacks that were carried out. ``closing`` ends what has recovered."""

    def __init__(self, services: Services, announcer: Announcer, closing: Closing) -> None:
        self._services = services
        self._announcer = announcer
        self._closing = closing
        self._news = RollbackNews(announcer, services.metrics)

    def verify(
        self,
        session: Session,
        recent: RecentTicks,
        measure: Measure,
        incident: Incident,
        action: ActionRow,
        *,
        tick: int,
        at: datetime,
    ) -> None:
        """One look at what came after a rollback."""
        checks = self._services.settings.checks
        executed = action.executed_at or action.updated_at
        health, hopeless = self._look(
            session, recent, measure, incident, action, executed, tick=tick, at=at
        )
        if health.recovered:
            action.state, action.finished_at, action.updated_at = "recovered", at, at
            action.result = {**action.result, "proof": health.text, "helped": "yes"}
            self._news.count(session, incident, "recovered")
            self._closing.close(session, incident, health, at, cure=str(action.result["text"]))
        elif hopeless is not None:
            text = "the rollback did not help"
            self._escalate(session, incident, action, text, hopeless.text, "no", at)
        elif at > executed + timedelta(seconds=checks.unproven_after_s):
            text = "the rollback has not proved to help"
            self._escalate(session, incident, action, text, health.text, "unproven", at)

    def _look(
        self,
        session: Session,
        recent: RecentTicks,
        measure: Measure,
        incident: Incident,
        action: ActionRow,
        executed: datetime,
        *,
        tick: int,
        at: datetime,
    ) -> tuple[Health, Health | None]:
        """How it is; and again, where it is surely no better."""
        service, checks = self._services.settings.service, self._services.settings.checks
        version, windows = str(action.plan["to_version"]), checks.recovered_windows
        if by_canary(incident):
            gone = candidate_gone(session, incident, since=executed, at=at, windows=windows)
            return gone, None
        since = max(tick_after(executed.timestamp(), service.window_s), tick - 63)
        if incident.kind is AlertKind.HARD_FAULT:
            kept = rule_kept(
                incident,
                recent,
                version=version,
                since_tick=since,
                executed=executed,
                windows=windows,
            )
            return kept, None
        if only_labels(incident):
            labelled = by_labels(
                session,
                incident,
                recent,
                measure,
                since=executed,
                tick=tick,
                windows=windows,
                version=version,
            )
            return labelled, None
        health = after_action(
            incident,
            recent,
            measure,
            version=version,
            since_tick=since,
            tick=tick,
            windows=windows,
        )
        if health.recovered or tick - since + 1 < HOPELESS_AFTER * windows:
            return health, None
        hopeless = no_better_since(
            incident,
            recent,
            measure,
            version=version,
            since_tick=since,
            tick=tick,
            windows=windows,
        )
        return health, hopeless

    def _escalate(
        self,
        session: Session,
        incident: Incident,
        action: ActionRow,
        verdict: str,
        figures: str,
        helped: str,
        at: datetime,
    ) -> None:
        action.state, action.finished_at, action.updated_at = "unproven", at, at
        text = f"{verdict[0].upper()}{verdict[1:]}: {figures}."
        action.result = {
            **action.result,
            "text": f"{action.result['text']} {text}",
            "helped": helped,
        }
        self._news.count(session, incident, "did_not_help" if helped == "no" else "unproven")
        moved = incidents.mitigation_failed(incident, at=at, actor="vigil", text=text)
        worse = incidents.fired_again(
            record.save(session, moved),
            at=at,
            findings=(),
            severity=Severity.CRITICAL,
            reason=verdict,
        )
        incident = record.save(session, worse)
        self._announcer.tell(session, incident, MessageEvent.UPDATE, at=at, note=text)
