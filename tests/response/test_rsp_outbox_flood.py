"""Rate limit with a summary, circuit breaker and second path, on a real database."""

from __future__ import annotations

import pytest
import small_fleet as fleet
from rsp_stage import Stage
from sqlalchemy import update

from alerts import incidents
from alerts.breaker import TRIP
from alerts.types import Delivery, DeliveryOutcome, MessageEvent
from monitor.response import letters, record
from monitor.response.outbox import CLAIM_S, CRASHES, Outbox
from monitor.settings.receivers import ConsoleReceiver
from monitor.store.tables import OutboxRow
from vigil.errors import ConflictError, NotFoundError, VigilError

SILENT = Delivery(outcome=DeliveryOutcome.UNCLEAR, error="no answer")
REFUSED = Delivery(outcome=DeliveryOutcome.FAILED, error="HTTP 403")


def configured(stage: Stage, **receivers: dict) -> None:
    """The receivers of the settings, all of one kind: what is asked of them is not the kind's."""
    made = {name: ConsoleReceiver(kind="console", **rules) for name, rules in receivers.items()}
    settings = stage.services.settings.model_copy(update={"receivers": made})
    object.__setattr__(stage.services, "settings", settings)


def trigger(stage: Stage, number: int):
    incident = stage.incident(fingerprint=f"{number:032d}", title=f"trouble {number}")
    return stage.tell(incident, MessageEvent.TRIGGER)


def resolve(stage: Stage, incident) -> None:
    with stage.services.sessions.begin() as session:
        now = stage.clock.now()
        known = record.get(session, incident.id)
        moved = record.save(session, incidents.resolve(known, at=now, actor="vigil"))
        stage.announcer.tell(session, moved, MessageEvent.RESOLVE, at=now)


def states(stage: Stage, receiver: str = "pager") -> list[str]:
    return [row.state for row in stage.messages() if row.receiver == receiver]


def pump(stage: Stage, box: Outbox, *, seconds: float, step_s: float = 5.0) -> None:
    for _ in range(round(seconds / step_s)):
        box.deliver_due()
        stage.clock.advance(step_s)


def test_a_flood_is_a_few_messages_and_one_summary_of_the_rest(stage: Stage, notes):
    configured(stage, pager={"per_minute": 3})
    made = [trigger(stage, number) for number in range(20)]
    box = stage.outbox({"pager": notes})
    box.deliver_due()
    assert len(notes.told) == 3
    summary = notes.told[2][0]
    assert summary.headline == "18 more incidents open"
    assert summary.incident.id == 0
    assert {link.href.rsplit("/", 1)[1] for link in summary.links} == {
        str(one.id) for one in made[2:]
    }
    assert states(stage).count("summarised") == 18
    assert all(stage.incident_row(one).paged_at is not None for one in made)
    pump(stage, box, seconds=120)
    assert len(notes.told) == 3


def test_resolves_of_what_was_told_go_one_by_one_and_of_a_summary_once_all_are_over(
    stage: Stage, notes
):
    configured(stage, pager={"per_minute": 3})
    made = [trigger(stage, number) for number in range(6)]
    box = stage.outbox({"pager": notes})
    box.deliver_due()
    told = [message.thread_key for message, _, _ in notes.told]
    for one in made:
        resolve(stage, one)
    pump(stage, box, seconds=240)
    closed = [m.thread_key for m, _, _ in notes.told if m.event is MessageEvent.RESOLVE]
    assert set(told) <= set(closed)  # both incidents that were told, and the summary
    assert [m.event.value for m, _, _ in notes.told].count("trigger") >= 3
    assert set(states(stage)) == {"delivered", "summarised"}
    resolved = notes.told[
        [m.headline for m, _, _ in notes.told].index("Resolved: all incidents of the summary")
    ]
    assert resolved[1]["message_id"] == notes.told[2][0].id  # in the summary's thread


def test_a_minute_with_room_sends_each_by_itself(stage: Stage, notes):
    configured(stage, pager={"per_minute": 3})
    for number in range(3):
        trigger(stage, number)
    stage.outbox({"pager": notes}).deliver_due()
    assert [m.headline for m, _, _ in notes.told] == ["trouble 0", "trouble 1", "trouble 2"]


def test_what_may_have_arrived_is_not_put_into_a_summary(stage: Stage, notes):
    configured(stage, pager={"per_minute": 1})
    trigger(stage, 0)
    box = stage.outbox({"pager": notes})
    notes.answers = [SILENT]
    box.deliver_due()
    for number in range(1, 4):
        trigger(stage, number)
    stage.clock.advance(61.0)
    box.deliver_due()
    assert states(stage)[1:4] == ["summarised"] * 3
    pump(stage, box, seconds=120)
    assert states(stage)[0] == "delivered"
    assert [unclear for m, _, unclear in notes.told if m.headline == "trouble 0"] == [False, True]


def test_a_receiver_that_is_down_is_left_alone_but_for_probes(stage: Stage, notes):
    for number in range(30):
        trigger(stage, number)
    notes.answers = [SILENT] * 8
    box = stage.outbox({"pager": notes})
    box.deliver_due()
    assert len(notes.told) == TRIP
    box.deliver_due()
    assert len(notes.told) == TRIP  # nothing while it is open
    pump(stage, box, seconds=600)
    assert set(states(stage)) == {"delivered"}
    assert len(notes.told) == 8 + 30
    (row,) = letters_of(stage)
    assert (row.failures, row.down_since, row.last_error) == (0, None, "")


def letters_of(stage: Stage):
    with stage.services.sessions() as session:
        return letters.standings(
            session, stage.services.settings.receivers or {"pager": None}, now=stage.clock.now()
        )


def test_the_second_path_is_told_once_with_the_reason_when_the_first_is_down(stage: Stage, notes):
    configured(stage, pager={"fallback": "chat"}, chat={})
    made = trigger(stage, 0)
    for number in range(1, TRIP):
        trigger(stage, number)
    chat = fleet.Notes("chat")
    notes.answers = [SILENT] * 1000
    boxes = [stage.outbox({"pager": notes, "chat": chat}) for _ in range(2)]
    for _ in range(6):
        for box in boxes:
            box.deliver_due()
        stage.clock.advance(2.0)
    assert len(chat.told) == TRIP
    first = next(m for m, _, _ in chat.told if m.incident.id == made.id)
    assert (
        "as the second path: pager is down since 2026-11-20 12:00 UTC: no answer" in first.done[-1]
    )
    copies = [row for row in stage.messages() if row.receiver == "chat"]
    assert all(row.reason.startswith("second path: pager is down since") for row in copies)
    assert stage.incident_row(made).paged_at is not None
    assert stage.timeline(made).count("second_path") == 1


def test_whoever_was_told_by_the_second_path_is_told_of_the_resolve(stage: Stage, notes):
    configured(stage, pager={"fallback": "chat"}, chat={})
    made = trigger(stage, 0)
    chat = fleet.Notes("chat")
    notes.answers = [REFUSED] + [SILENT] * 1000
    box = stage.outbox({"pager": notes, "chat": chat})
    pump(stage, box, seconds=4, step_s=2.0)
    assert states(stage) == ["dead"]
    assert chat.events == ["trigger"]
    assert "pager did not take it: HTTP 403" in chat.told[0][0].done[-1]
    resolve(stage, made)
    pump(stage, box, seconds=4, step_s=2.0)
    assert chat.events == ["trigger", "resolve"]


def test_a_page_that_nobody_took_in_time_goes_the_second_path(stage: Stage, notes):
    configured(stage, pager={"fallback": "chat"}, chat={})
    trigger(stage, 0)
    chat = fleet.Notes("chat")
    notes.answers = [Delivery(outcome=DeliveryOutcome.RETRY, error="429", retry_after_s=900.0)]
    box = stage.outbox({"pager": notes, "chat": chat})
    pump(stage, box, seconds=290)
    assert chat.told == []
    pump(stage, box, seconds=30)
    assert [m.done[-1] for m, _, _ in chat.told] == [
        "Told you, as the second path: pager has not taken it for 300 s."
    ]


def test_a_page_that_its_second_path_took_and_that_is_over_is_not_sent_late(stage: Stage, notes):
    configured(stage, pager={"fallback": "chat"}, chat={})
    made = [trigger(stage, number) for number in range(TRIP)]
    chat = fleet.Notes("chat")
    notes.answers = [SILENT] * TRIP
    box = stage.outbox({"pager": notes, "chat": chat})
    pump(stage, box, seconds=4, step_s=2.0)
    later = trigger(stage, TRIP)  # never attempted: the breaker is open
    pump(stage, box, seconds=4, step_s=2.0)
    resolve(stage, later)
    assert len(chat.told) == TRIP + 1
    notes.told.clear()
    stage.clock.advance(120.0)
    pump(stage, box, seconds=60)
    assert later.id not in {m.incident.id for m, _, _ in notes.told}
    assert {m.incident.id for m, _, _ in notes.told} == {one.id for one in made}
    ours = [row for row in stage.messages() if row.incident_id == later.id]
    assert [row.state for row in ours if row.receiver == "pager"] == ["withdrawn"] * 2
    assert "chat was told instead" in ours[0].last_error


def test_an_old_update_that_a_resolve_overtook_is_withdrawn(stage: Stage, notes):
    made = trigger(stage, 0)
    box = stage.outbox({"pager": notes})
    box.deliver_due()
    notes.answers = [Delivery(outcome=DeliveryOutcome.RETRY, error="503", retry_after_s=120.0)]
    trigger(stage, 1)
    box.deliver_due()
    stage.tell(made, MessageEvent.UPDATE)
    resolve(stage, made)
    pump(stage, box, seconds=180)
    mine = [m.event.value for m, _, _ in notes.told if m.incident.id == made.id]
    assert mine == ["trigger", "resolve"]
    assert "withdrawn" in states(stage)


def test_a_damaged_message_is_dead_at_once_and_holds_up_nobody(stage: Stage, notes):
    first = trigger(stage, 0)
    trigger(stage, 1)
    with stage.services.sessions.begin() as session:
        session.execute(
            update(OutboxRow)
            .where(OutboxRow.incident_id == first.id)
            .values(message={"headline": "half a"})
        )
    stage.outbox({"pager": notes}).deliver_due()
    assert states(stage) == ["dead", "delivered"]
    assert "damaged (KeyError)" in stage.messages()[0].last_error


def test_a_message_that_breaks_its_notifier_dies_and_does_not_close_the_receiver(
    stage: Stage, notes
):
    trigger(stage, 0)
    notes.answers = [RuntimeError("boom")] * CRASHES
    box = stage.outbox({"pager": notes})
    pump(stage, box, seconds=300)
    (row,) = stage.messages()
    assert (row.state, row.attempts) == ("dead", CRASHES)
    assert row.last_error == f"vigil: unexpected RuntimeError, {CRASHES} times"
    trigger(stage, 1)
    box.deliver_due()
    assert states(stage) == ["dead", "delivered"]


def test_a_late_answer_does_not_undo_what_another_process_delivered(stage: Stage, notes):
    """Its claim ran out while it waited; another has sent the message meanwhile."""
    trigger(stage, 0)
    other = fleet.Notes()

    class Slow(fleet.Notes):
        def deliver(self, message, *, thread, unclear=False):
            stage.clock.advance(CLAIM_S + 1)
            stage.outbox({"pager": other}).deliver_due()
            return SILENT

    stage.outbox({"pager": Slow()}).deliver_due()
    (row,) = stage.messages()
    assert (row.state, len(other.told), row.attempts) == ("delivered", 1, 2)


def test_a_dead_trigger_is_sent_again_with_the_resolve_that_followed(stage: Stage, notes):
    made = trigger(stage, 0)
    notes.answers = [REFUSED]
    box = stage.outbox({"pager": notes})
    box.deliver_due()
    resolve(stage, made)
    box.deliver_due()
    now = stage.clock.now()
    with stage.services.sessions.begin() as session:
        (dead,) = letters.letters(session, state="dead")
        letters.resend(session, dead.id, actor="ann", at=now)
    box.deliver_due()
    assert notes.events == ["trigger", "resolve", "trigger", "resolve"]
    with stage.services.sessions.begin() as session, pytest.raises(ConflictError):
        letters.resend(session, dead.id, actor="ann", at=now)


def test_what_is_dropped_does_not_go_and_what_is_not_there_is_said(stage: Stage, notes):
    trigger(stage, 0)
    now = stage.clock.now()
    with stage.services.sessions.begin() as session:
        (row,) = letters.letters(session)
        letters.drop(session, row.id, actor="ann", at=now)
    assert stage.outbox({"pager": notes}).deliver_due() == 0
    assert stage.messages()[0].last_error == "dropped by ann"
    with stage.services.sessions.begin() as session:
        with pytest.raises(ConflictError, match="withdrawn"):
            letters.drop(session, row.id, actor="ann", at=now)
        with pytest.raises(NotFoundError):
            letters.resend(session, 999, actor="ann", at=now)
        with pytest.raises(VigilError, match="expected one of waiting"):
            letters.letters(session, state="lost")


def test_a_committed_message_is_delivered_without_waiting_for_the_poll(stage: Stage, notes):
    box = stage.outbox({"pager": notes})
    trigger(stage, 0)
    box.kick(["pager"])
    box.deliver_due()
    assert len(notes.told) == 1
