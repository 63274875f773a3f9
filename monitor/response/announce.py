"""What people are told: an incident's news goes through the pipeline, and what comes out is queued,
one row in the outbox per receiver, in the transaction of its cause."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts.labels import labels_of
from alerts.pipeline.case import Case, Notice
from alerts.pipeline.stages import Pipeline
from alerts.text import compose
from alerts.types import Incident, MessageEvent, TimelineEntry
from monitor.response import escalation_state, facts, record, silences
from monitor.response.in_context import in_context
from monitor.response.rules import rules_of
from monitor.runbook_values import page_of
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
        rules = rules_of(settings)
        self.pipeline, self.policies = Pipeline(rules), rules.policies

    def owner(self, model: str, deployment: str) -> str:
        """Who answers for a model, as the settings say; empty where they don't."""
        watched = self._settings.model(model, deployment)
        return watched.owner if watched else ""

    def upstream(self, model: str, deployment: str) -> str:
        """What feeds a model, as the settings say; empty where they don't."""
        watched = self._settings.model(model, deployment)
        return watched.upstream if watched else ""

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
        """Decide who hears of this, and queue a message for each.

        The incident's version is part of each message's name, so the same step is told once. The
        receiver ``told_by`` is left out: what came from there is not sent back. That it knows of
        a beginning or an end is written down.
        """
        case = self.pipeline.tell(self.case(session, incident, event, at=at))
        self._write(session, incident, case, at)
        self._escalate(session, case, incident)
        notices = [each for each in case.notices if each.receiver != told_by]
        self.queue(session, incident, notices, at=at, note=note, change=change, next_step=next_step)
        if told_by and event in (MessageEvent.TRIGGER, MessageEvent.RESOLVE):
            there = Notice(receiver=told_by, event=event, reason="it came from there")
            self.queue(session, incident, (there,), at=at, note=note, known_there=True)

    def case(
        self, session: Session, incident: Incident, event: MessageEvent, *, at: datetime
    ) -> Case:
        """An incident's news, with what the database knows."""
        known = facts.known(session, at)
        whole = next((each for each in known.open if each.id == incident.part_of), None)
        return Case(
            at=at,
            labels=labels_of(incident),
            known=known,
            incident=incident,
            event=event,
            told=facts.told(session, incident.id),
            unreached=facts.unreached(session, incident.id),
            whole=whole,
            whole_told=facts.told(session, whole.id) if whole else (),
            also=tuple(self._also(incident)),
            before=facts.decisions(session, [incident.id])[incident.id],
        )

    def _also(self, incident: Incident) -> Iterable[Mapping[str, str]]:
        """The labels of the incident as it would be on the other models that feel it."""
        for model, deployment in json.loads(incident.labels.get("also", "[]")):
            owner = self.owner(model, deployment)
            yield {
                **labels_of(incident),
                "model": model,
                "deployment": deployment,
                "owner": owner,
            }

    @staticmethod
    def _write(session: Session, incident: Incident, case: Case, at: datetime) -> None:
        for each in case.written:
            entry = TimelineEntry(
                at=at, kind=facts.DECISION, actor="vigil", text=str(each), data=each.to_json()
            )
            record.note(session, incident.id, entry)
        silence = case.silence
        if silence is not None:
            silences.held_back(session, silence.id, at)

    def _escalate(self, session: Session, case: Case, incident: Incident) -> None:
        if case.quietens:
            reason = f"incident {incident.id} is {incident.state.value}"
            if escalation_state.stop(session, incident.id, reason):
                text = f"The escalation stops: {reason}."
                entry = TimelineEntry(at=case.at, kind="escalated", actor="vigil", text=text)
                record.note(session, incident.id, entry)
            return
        policy = self.policies.get(case.escalation or "")
        if policy is not None and case.notices:
            afresh = case.event is MessageEvent.TRIGGER
            escalation_state.begin(session, incident.id, policy, at=case.at, afresh=afresh)

    def queue(
        self,
        session: Session,
        incident: Incident,
        notices: Sequence[Notice],
        *,
        at: datetime,
        note: str = "",
        change: str = "",
        next_step: str = "",
        known_there: bool = False,
    ) -> None:
        """Write the messages; each is written once per version of the incident.

        Args:
            known_there: nothing is to be sent, the receivers know it already.
        """
        done = self._done(session, incident.id)
        installed = installation.of(session)
        for notice in notices:
            name = (
                f"{installed}-incident-{incident.id}-v{incident.version}-"
                f"{notice.event.value}-{notice.receiver}"
            )
            if session.scalar(select(OutboxRow.id).where(OutboxRow.dedup_key == name)):
                continue
            message = compose(
                incident,
                event=notice.event,
                id=name,
                now=at,
                base_url=self._settings.service.url,
                tick_s=self._settings.service.window_s,
                done=done,
                next_step=next_step,
                todo=self._todo(incident),
                note=note,
                change=change,
                installation=installed,
            )
            message = in_context(session, message, notice.receiver)
            session.add(
                OutboxRow(
                    dedup_key=name,
                    receiver=notice.receiver,
                    incident_id=incident.id,
                    event=notice.event.value,
                    message=message.to_json(),
                    state=DELIVERED if known_there else WAITING,
                    created_at=at,
                    next_attempt_at=at,
                    delivered_at=at if known_there else None,
                    receipt=_receipt(session, incident.id, notice.receiver) if known_there else {},
                    reason=notice.reason,
                )
            )
        session.flush()

    def _todo(self, incident: Incident) -> str:
        book = page_of(self._library, incident)
        return book.first_step if book else ""

    @staticmethod
    def _done(session: Session, incident_id: int) -> Sequence[str]:
        rows = session.scalars(
            select(ActionRow).where(ActionRow.incident_id == incident_id).order_by(ActionRow.id)
        )
        return [text for row in rows if (text := str(row.result.get("text", "")))]


def _receipt(session: Session, incident_id: int, receiver: str) -> dict[str, Any]:
    """What a receiver gave for the latest message of an incident: the next one needs it."""
    latest = (
        select(OutboxRow.receipt)
        .where(
            OutboxRow.incident_id == incident_id,
            OutboxRow.receiver == receiver,
            OutboxRow.state == DELIVERED,
        )
        .order_by(OutboxRow.id.desc())
        .limit(1)
    )
    return dict(session.scalar(latest) or {})
