"""Ticks, corrective actions and deliveries in the timeline, on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest
import small_fleet as fleet
from rsp_stage import Stage
from sqlalchemy import select

from alerts.types import MessageEvent
from monitor.response import followups, steps, told
from monitor.store.tables import AuditRow, OutboxRow, TimelineRow
from runbooks.library import load
from vigil.errors import ConflictError, NotFoundError, VigilError

BOOK = load().get("model_regression")
AT = fleet.NOON


def test_a_step_is_ticked_once_and_can_be_taken_back(stage: Stage) -> None:
    incident = stage.incident()
    with stage.services.sessions.begin() as session:
        assert steps.tick(session, incident.id, BOOK, 4, actor="ann", at=AT)
        assert not steps.tick(session, incident.id, BOOK, 4, actor="bob", at=AT)
    with stage.services.sessions.begin() as session:
        assert steps.ticks_of(session, incident.id, BOOK.name)[4].actor == "ann"
        assert steps.untick(session, incident.id, BOOK, 4, actor="bob", at=AT)
        assert not steps.untick(session, incident.id, BOOK, 4, actor="bob", at=AT)
    assert stage.timeline(incident).count("runbook") == 2
    with stage.services.sessions() as session:
        actors = session.scalars(select(AuditRow.actor).order_by(AuditRow.id)).all()
    assert actors == ["ann", "bob"]


def test_a_step_or_an_incident_that_is_not_there_is_named(stage: Stage) -> None:
    incident = stage.incident()
    with stage.services.sessions() as session:
        with pytest.raises(NotFoundError, match="expected a step from 1 to 9, found 10"):
            steps.tick(session, incident.id, BOOK, 10, actor="ann", at=AT)
        with pytest.raises(NotFoundError):
            steps.tick(session, 999, BOOK, 1, actor="ann", at=AT)


def test_corrective_actions_are_listed_by_when_they_are_due(stage: Stage) -> None:
    incident = stage.incident()
    with stage.services.sessions.begin() as session:
        for text, days in (("b", 9), ("none", None), ("a", 1)):
            due = None if days is None else AT + timedelta(days=days)
            followups.add(session, incident.id, text, due_at=due, actor="ann", at=AT)
        gone = followups.add(session, incident.id, "gone", actor="ann", at=AT)
        followups.close(session, gone.id, "dropped", note="too costly", actor="ann", at=AT)
    with stage.services.sessions() as session:
        rows = followups.listed(session)
        assert [row.text for row in rows] == ["a", "b", "none", "gone"]
        assert followups.count_open(session) == 3
        late = AT + timedelta(days=2)
        assert [row.text for row in rows if followups.is_overdue(row, late)] == ["a"]
    assert stage.timeline(incident).count("followup") == 5


def test_what_can_not_be_closed_is_refused(stage: Stage) -> None:
    incident = stage.incident()
    with stage.services.sessions.begin() as session:
        number = followups.add(session, incident.id, "x", actor="ann", at=AT).id
    with stage.services.sessions.begin() as session:
        with pytest.raises(VigilError, match="reason"):
            followups.close(session, number, "dropped", actor="ann", at=AT)
        with pytest.raises(VigilError, match="expected done or dropped"):
            followups.close(session, number, "open", actor="ann", at=AT)
        with pytest.raises(NotFoundError, match="F-99"):
            followups.close(session, 99, "done", actor="ann", at=AT)
        followups.close(session, number, "done", actor="ann", at=AT)
        with pytest.raises(ConflictError, match="done already"):
            followups.close(session, number, "done", actor="bob", at=AT)
        with pytest.raises(VigilError, match="found 0"):
            followups.add(session, incident.id, " \n ", actor="ann", at=AT)


def test_the_timeline_tells_what_became_of_each_message(stage: Stage) -> None:
    """Once for a message, not for an attempt; a dead one with its reason."""
    incident = stage.tell(stage.incident(), MessageEvent.UPDATE)
    with stage.services.sessions.begin() as session:
        row = session.scalars(select(OutboxRow)).one()
        told.note(session, row, AT)  # it still waits
        row.state, row.attempts = "delivered", 3
        told.note(session, row, AT)
        row.state, row.last_error = "dead", "HTTP 400."
        told.note(session, row, AT)
    with stage.services.sessions() as session:
        lines = session.execute(
            select(TimelineRow.kind, TimelineRow.text)
            .where(TimelineRow.kind.in_(("delivered", "undelivered")))
            .order_by(TimelineRow.id)
        ).all()
    receiver = stage.messages()[0].receiver
    assert [tuple(line) for line in lines] == [
        ("delivered", f"{receiver} has the {row.event}, at attempt 3."),
        ("undelivered", f"{receiver} does not get the {row.event}: HTTP 400."),
    ]
    assert incident.id
