"""Messages arrive at least once, in order per incident and receiver; unclear attempts are known."""

from __future__ import annotations

from datetime import timedelta

import pytest
import small_fleet as fleet
from rsp_stage import Stage

from alerts.types import Delivery, DeliveryOutcome, MessageEvent
from monitor.response import letters, people
from monitor.response import outbox_settle as module
from monitor.response.announce import Announcer
from monitor.response.outbox import CLAIM_S
from monitor.settings.alerting import Route

RETRY = Delivery(outcome=DeliveryOutcome.RETRY, error="busy")
UNCLEAR = Delivery(outcome=DeliveryOutcome.UNCLEAR, error="no answer")
FAILED = Delivery(outcome=DeliveryOutcome.FAILED, error="refused")


class Dead(BaseException):
    """The process dies here."""


def three(stage: Stage) -> None:
    incident = stage.incident()
    for event in (MessageEvent.TRIGGER, MessageEvent.UPDATE, MessageEvent.RESOLVE):
        stage.tell(incident, event)


def drain(stage: Stage, box, *, steps: int = 40, each_s: float = 30.0) -> None:
    for _ in range(steps):
        box.deliver_due()
        stage.clock.advance(each_s)


def test_messages_of_an_incident_go_in_order_and_later_ones_know_the_thread(stage: Stage, notes):
    three(stage)
    box = stage.outbox({"pager": notes})
    assert box.deliver_due() == 3
    assert notes.events == ["trigger", "update", "resolve"]
    threads = [thread for _, thread, _ in notes.told]
    assert threads[0] == {}
    assert threads[1]["message_id"] == notes.told[0][0].id
    assert threads[2]["message_id"] == notes.told[1][0].id
    assert {row.state for row in stage.messages()} == {"delivered"}
    assert box.deliver_due() == 0


def test_what_follows_waits_for_what_has_not_arrived(stage: Stage, notes):
    three(stage)
    notes.answers = [RETRY, RETRY]
    box = stage.outbox({"pager": notes})
    box.deliver_due()
    assert notes.events == ["trigger"]
    drain(stage, box)
    assert notes.events == ["trigger", "trigger", "trigger", "update", "resolve"]


def test_another_incident_and_another_receiver_do_not_wait(stage: Stage, notes):
    routes = (Route(receivers=("pager", "chat")),)
    both = stage.services.settings.model_copy(update={"routes": routes})
    stage.announcer = Announcer(both, stage.services.runbooks)
    chat = fleet.Notes("chat")
    three(stage)
    three(stage)
    notes.answers = [RETRY]
    stage.outbox({"pager": notes, "chat": chat}).deliver_due()
    assert chat.events == ["trigger", "update", "resolve"] * 2
    assert notes.events == ["trigger", "trigger", "update", "resolve"]


def test_a_crash_between_claim_and_settle_makes_the_next_attempt_look_first(stage: Stage, notes):
    incident = stage.incident()
    stage.tell(incident, MessageEvent.TRIGGER)
    notes.answers = [Dead()]
    with pytest.raises(Dead):
        stage.outbox({"pager": notes}).deliver_due()
    after = stage.outbox({"pager": notes})
    assert after.deliver_due() == 0  # someone may still be at it
    stage.clock.advance(CLAIM_S)
    assert after.deliver_due() == 1
    assert [unclear for _, _, unclear in notes.told] == [False, True]
    assert [row.attempts for row in stage.messages()] == [2]


def test_an_attempt_that_surely_failed_need_not_look(stage: Stage, notes):
    stage.tell(stage.incident(), MessageEvent.TRIGGER)
    notes.answers = [RETRY]
    drain(stage, stage.outbox({"pager": notes}), steps=3)
    assert [unclear for _, _, unclear in notes.told] == [False, False]


def test_once_unclear_stays_unclear_until_it_is_known(stage: Stage, notes):
    """A refusal while looking says nothing of the attempt before: it may have arrived."""
    stage.tell(stage.incident(), MessageEvent.TRIGGER)
    notes.answers = [UNCLEAR, RETRY]
    drain(stage, stage.outbox({"pager": notes}), steps=4)
    assert [unclear for _, _, unclear in notes.told] == [False, True, True]


def test_waits_grow_and_what_the_receiver_asks_for_is_the_least(lone_stage: Stage, notes):
    stage = lone_stage
    stage.tell(stage.incident(), MessageEvent.TRIGGER)
    asked = Delivery(outcome=DeliveryOutcome.RETRY, error="429", retry_after_s=120.0)
    notes.answers = [RETRY, RETRY, RETRY, asked]
    box = stage.outbox({"pager": notes})
    waits = []
    for _ in range(4):
        box.deliver_due()
        (row,) = stage.messages()
        waits.append((row.next_attempt_at - stage.clock.now()).total_seconds())
        stage.clock.advance(waits[-1])
    assert 1.5 <= waits[0] <= 2.5 <= waits[1] <= 5.0 <= waits[2] <= 10.0
    assert waits[3] == 120.0
    assert box.deliver_due() == 1
    assert stage.messages()[0].state == "delivered"


def test_a_message_that_nobody_takes_for_a_day_is_dead_and_can_be_sent_again(stage: Stage, notes):
    stage.tell(stage.incident(), MessageEvent.TRIGGER)
    notes.answers = [RETRY] * 1000
    box = stage.outbox({"pager": notes})
    drain(stage, box, steps=110, each_s=900.0)
    (row,) = stage.messages()
    assert (row.state, row.last_error) == ("dead", "busy")
    assert row.next_attempt_at < stage.clock.now()
    notes.answers = []
    with stage.services.sessions.begin() as session:
        letters.resend(session, row.id, actor="ann", at=stage.clock.now())
    stage.clock.advance(600.0)  # the breaker was open
    assert box.deliver_due() == 1
    assert stage.messages()[0].state == "delivered"


def test_a_refusal_for_good_is_dead_at_once_and_holds_nobody_up(stage: Stage, notes):
    three(stage)
    notes.answers = [FAILED]
    stage.outbox({"pager": notes}).deliver_due()
    assert [row.state for row in stage.messages()] == ["dead", "delivered", "delivered"]
    assert notes.told[1][1] == {}


def test_a_message_to_a_receiver_that_is_gone_is_dead_with_the_reason(lone_stage: Stage):
    lone_stage.tell(lone_stage.incident(), MessageEvent.TRIGGER)
    lone_stage.outbox({}).deliver_due()
    (row,) = lone_stage.messages()
    assert (row.state, "no longer configured" in row.last_error) == ("dead", True)


def test_the_first_page_moves_the_incident_once(stage: Stage, notes):
    incident = stage.incident()
    stage.tell(incident, MessageEvent.TRIGGER)
    stage.clock.advance(3.0)
    box = stage.outbox({"pager": notes})
    box.deliver_due()
    first = stage.incident_row(incident).paged_at
    assert first == fleet.NOON + timedelta(seconds=3)
    stage.clock.advance(60.0)
    stage.tell(incident, MessageEvent.TRIGGER)
    box.deliver_due()
    assert stage.incident_row(incident).paged_at == first
    assert stage.timeline(incident).count("paged") == 1


def test_an_update_or_a_silent_receiver_pages_nobody(stage: Stage, notes):
    incident = stage.incident()
    stage.tell(incident, MessageEvent.TRIGGER)
    stage.outbox({"pager": notes}, "pager").deliver_due()
    assert stage.incident_row(incident).paged_at is None


def test_a_notifier_that_explodes_stops_nobody_else(stage: Stage, notes):
    three(stage)
    three(stage)
    notes.answers = [RuntimeError("boom")]
    box = stage.outbox({"pager": notes})
    box.deliver_due()
    assert notes.events == ["trigger", "trigger", "update", "resolve"]
    assert "RuntimeError" in stage.messages()[0].last_error
    assert "boom" not in stage.messages()[0].last_error
    drain(stage, box, steps=3)
    assert {row.state for row in stage.messages()} == {"delivered"}
    assert notes.told[4][2] is True  # the exploded attempt may have got through


def test_someone_who_acknowledges_meanwhile_does_not_lose_the_page(
    stage: Stage, notes, monkeypatch
):
    """The incident moves between the outbox's read and its write: the page is noted still."""
    incident = stage.incident()
    stage.tell(incident, MessageEvent.TRIGGER)
    page_sent, done = module.incidents.page_sent, []

    def slowly(*args, **values):
        if not done and stage.database.startswith("postgresql"):
            done.append(1)
            with stage.services.sessions.begin() as session:
                people.acknowledge(session, incident.id, actor="ann", at=stage.clock.now())
        return page_sent(*args, **values)

    monkeypatch.setattr(module.incidents, "page_sent", slowly)
    stage.outbox({"pager": notes}).deliver_due()
    assert len(notes.told) == 1
    assert stage.messages()[0].state == "delivered"
    assert stage.incident_row(incident).paged_at is not None


def test_the_same_step_is_told_once(stage: Stage):
    incident = stage.incident()
    with stage.services.sessions.begin() as session:
        for _ in range(2):
            stage.announcer.tell(
                session, incident, MessageEvent.TRIGGER, at=stage.clock.now(), note="x"
            )
    assert len(stage.messages()) == 1
