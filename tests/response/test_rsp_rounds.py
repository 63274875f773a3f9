"""An incident that comes back is told afresh: who heard of its end is paged anew."""

from __future__ import annotations

from rsp_routes import escalations, follow, held, row_of, silence, told
from rsp_stage import Stage
from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts.types import Incident, MessageEvent
from monitor.response import people
from monitor.store.tables import OutboxRow

TRIGGER = MessageEvent.TRIGGER


def resolve(stage: Stage, incident: Incident, **values: str) -> None:
    with stage.services.sessions.begin() as session:
        now = stage.clock.now()
        people.resolve(
            session, incident.id, actor="ann", at=now, announcer=stage.announcer, **values
        )


def reopen(stage: Stage, incident: Incident, **values: str) -> None:
    with stage.services.sessions.begin() as session:
        now = stage.clock.now()
        people.reopen(
            session, incident.id, actor="ann", at=now, announcer=stage.announcer, **values
        )


def test_what_comes_back_while_it_is_muted_pages_when_the_mute_ends(stage: Stage):
    """As a page, not as news of something that its receiver believes to be over: PagerDuty shows
    no news."""
    follow(stage)
    incident = stage.tell(stage.incident(), TRIGGER)
    resolve(stage, incident)
    silence(stage, "model", "digits", for_s=600.0)
    stage.clock.advance(60.0)
    reopen(stage, incident)
    held(stage).run_due()
    assert told(stage) == [("pager", "trigger"), ("pager", "resolve")]
    stage.clock.advance(600.0)
    held(stage).run_due()
    held(stage).run_due()
    assert told(stage)[2:] == [("pager", "trigger")]
    assert row_of(stage).state == "waiting"
    resolve(stage, incident)
    assert told(stage)[3:] == [("pager", "resolve")]


def test_what_comes_back_and_ends_muted_is_told_to_nobody(lone_stage: Stage):
    follow(lone_stage)
    incident = lone_stage.tell(lone_stage.incident(), TRIGGER)
    resolve(lone_stage, incident)
    silence(lone_stage, "model", "digits", for_s=600.0)
    reopen(lone_stage, incident)
    resolve(lone_stage, incident)
    assert told(lone_stage) == [("pager", "trigger"), ("pager", "resolve")]


def test_an_escalation_pages_those_again_who_heard_that_it_was_over(lone_stage: Stage):
    follow(lone_stage)
    incident = lone_stage.tell(lone_stage.incident(), TRIGGER)
    lone_stage.clock.advance(301.0)
    escalations(lone_stage).run_due()
    resolve(lone_stage, incident)
    reopen(lone_stage, incident)
    before = told(lone_stage)
    assert before[-1] == ("pager", "trigger")
    lone_stage.clock.advance(301.0)
    escalations(lone_stage).run_due()
    assert told(lone_stage)[len(before) :] == [("second", "trigger")]


def test_an_escalation_that_had_ended_begins_again_with_a_page_that_was_held_back(
    lone_stage: Stage,
):
    follow(lone_stage)
    incident = lone_stage.tell(lone_stage.incident(), TRIGGER)
    for _ in range(4):
        lone_stage.clock.advance(601.0)
        escalations(lone_stage).run_due()
    assert row_of(lone_stage).state == "exhausted"
    resolve(lone_stage, incident)
    silence(lone_stage, "model", "digits", for_s=60.0)
    reopen(lone_stage, incident)
    lone_stage.clock.advance(60.0)
    held(lone_stage).run_due()
    assert row_of(lone_stage).state == "waiting"


def test_who_ended_it_elsewhere_is_paged_when_it_comes_back_after_a_mute(lone_stage: Stage):
    """The resolve came from the pager, so it was not sent there; it is over there all the same."""
    follow(lone_stage)
    incident = lone_stage.tell(lone_stage.incident(), TRIGGER)
    resolve(lone_stage, incident, told_by="pager")
    assert told(lone_stage) == [("pager", "trigger"), ("pager", "resolve")]
    assert [row.state for row in lone_stage.messages()] == ["waiting", "delivered"]
    silence(lone_stage, "model", "digits", for_s=60.0)
    reopen(lone_stage, incident)
    lone_stage.clock.advance(60.0)
    held(lone_stage).run_due()
    assert told(lone_stage)[2:] == [("pager", "trigger")]


def test_who_reopened_it_elsewhere_is_told_of_the_end(lone_stage: Stage):
    follow(lone_stage)
    incident = lone_stage.tell(lone_stage.incident(), TRIGGER)
    resolve(lone_stage, incident)
    silence(lone_stage, "model", "digits", for_s=60.0)
    reopen(lone_stage, incident, told_by="pager")
    resolve(lone_stage, incident)
    assert [row.event for row in lone_stage.messages() if row.state == "waiting"] == [
        "trigger",
        "resolve",
        "resolve",
    ]


def test_the_receipt_of_the_first_round_is_kept(lone_stage: Stage, notes):
    """A receiver needs it to end what a person reopened there."""
    follow(lone_stage)
    box = lone_stage.outbox({"pager": notes})
    incident = lone_stage.tell(lone_stage.incident(), TRIGGER)
    box.deliver_due()
    resolve(lone_stage, incident, told_by="pager")
    reopen(lone_stage, incident, told_by="pager")
    resolve(lone_stage, incident)
    box.deliver_due()
    assert [message.event.value for message, _, _ in notes.told] == ["trigger", "resolve"]
    assert notes.told[-1][1] == {"message_id": notes.told[0][0].id}


def test_whom_nothing_reached_gets_the_page_with_the_next_news(stage: Stage):
    """The page was given up. News as such would be shown to nobody; the end is told as ever."""
    follow(stage)
    incident = stage.tell(stage.incident(), TRIGGER)
    with stage.services.sessions.begin() as session:
        session.get_one(OutboxRow, row_id(session)).state = "dead"
    stage.tell(incident, MessageEvent.UPDATE)
    assert told(stage) == [("pager", "trigger"), ("pager", "trigger")]
    resolve(stage, incident)
    assert told(stage)[2:] == [("pager", "resolve")]


def row_id(session: Session) -> int:
    return session.scalars(select(OutboxRow.id)).one()
