"""What people are told: one row in the outbox per receiver, in the transaction of its cause."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts.routing import DEFAULT_RECEIVERS, Route, RouteDecision, choose
from alerts.text import compose
from alerts.types import AlertKind, Incident, MessageEvent, Severity, TimelineEntry
from monitor.response import record
from monitor.response.in_context import in_context
from monitor.settings.receivers import PagerDutyReceiver
from monitor.settings.schema import Settings
from monitor.store import installation
from monitor.store.tables import ActionRow, OutboxRow
from runbooks.library import Library

WAITING, DELIVERED, DEAD = "waiting", "delivered", "dead"


class Announcer:
    """Writes messages; ``monitor.response.outbox`` delivers them."""

    def __init__(self, settings: Settings, library: Library) -> None:
        self._settings = settings
        self._library = library
        self._pagers = {
            name
            for name, receiver in settings.receivers.items()
            if isinstance(receiver, PagerDutyReceiver)
        }
        self._routes = [
            Route(
                receivers=route.receivers,
                model=route.match.model,
                severity=Severity(route.match.severity) if route.match.severity else None,
                cause=route.match.cause,
            )
            for route in settings.routes
        ]

    def route(self, incident: Incident) -> RouteDecision:
        decision = choose(
            self._routes,
            model=incident.model,
            severity=incident.severity,
            cause=incident.cause,
        )
        if incident.kind is not AlertKind.BASELINE_DRIFT:
            return decision
        awake = tuple(name for name in decision.receivers if name not in self._pagers)
        return replace(
            decision,
            receivers=awake or DEFAULT_RECEIVERS,
            reason=f"{decision.reason}; a ticket goes to no pager",
        )

    def owner(self, model: str, deployment: str) -> str:
        """Who answers for a model, as the settings say; empty where they don't."""
        watched = self._settings.model(model, deployment)
        return watched.owner if watched else ""

    def tell(
        self,
        session: Session,
        incident: Incident,
        event: MessageEvent,
        *,
        at: datetime,
        note: str = "",
        change: str = "",
        next_step: str = "",
        told_by: str = "",
    ) -> None:
        """Queue a message for everyone who was told of the incident, or should be now.

        The incident's version is part of each message's name, so the same step is told once. The
        receiver ``told_by`` is left out: what came from there is not sent back.
        """
        decision = self.route(incident)
        told = session.scalars(
            select(OutboxRow.receiver).where(OutboxRow.incident_id == incident.id).distinct()
        ).all()
        if event is MessageEvent.TRIGGER:
            record.note(
                session,
                incident.id,
                TimelineEntry(
                    at=at,
                    kind="routed",
                    actor="vigil",
                    text=f"To {', '.join(decision.receivers)}: {decision.reason}.",
                ),
            )
        done = self._done(session, incident.id)
        installed = installation.of(session)
        for receiver in dict.fromkeys((*decision.receivers, *told)):
            if receiver == told_by:
                continue
            newcomer = receiver not in told and event is MessageEvent.UPDATE
            kind = MessageEvent.TRIGGER if newcomer else event
            name = f"{installed}-incident-{incident.id}-v{incident.version}-{kind.value}-{receiver}"
            if session.scalar(select(OutboxRow.id).where(OutboxRow.dedup_key == name)):
                continue
            message = compose(
                incident,
                event=kind,
                id=name,
                now=at,
                base_url=self._settings.service.url,
                tick_s=self._settings.service.window_s,
                done=done,
                next_step=next_step,
                todo=self._todo(incident.kind),
                note=note,
                change=change,
                installation=installed,
            )
            message = in_context(session, message, receiver)
            session.add(
                OutboxRow(
                    dedup_key=name,
                    receiver=receiver,
                    incident_id=incident.id,
                    event=kind.value,
                    message=message.to_json(),
                    state=WAITING,
                    created_at=at,
                    next_attempt_at=at,
                )
            )
        session.flush()

    def _todo(self, kind: AlertKind) -> str:
        return self._library.for_alert(kind.value).first_step

    @staticmethod
    def _done(session: Session, incident_id: int) -> Sequence[str]:
        rows = session.scalars(
            select(ActionRow).where(ActionRow.incident_id == incident_id).order_by(ActionRow.id)
        )
        return [text for row in rows if (text := str(row.result.get("text", "")))]
