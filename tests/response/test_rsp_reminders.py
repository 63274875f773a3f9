"""Receivers that forget are told again what still goes on, and of nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rsp_stage import Stage
from sqlalchemy import select

from alerts.notifiers.protocol import Guarantee, Told, delivered
from alerts.types import Delivery, DeliveryOutcome, IncidentState, Message, MessageEvent
from monitor.response import record
from monitor.response.reminders import RESOLVED_FOR_S, Reminders
from monitor.store.tables import IncidentRow, OutboxRow


@dataclass
class Forgetting:
    """Keeps what it was told and what it was reminded of; ``away``: takes no reminder."""

    name: str = "pager"
    guarantee: Guarantee = Guarantee.KEYED
    away: bool = False
    reminded: list[list[tuple[int, str]]] = field(default_factory=list)

    def deliver(
        self, message: Message, *, thread: Mapping[str, str], unclear: bool = False
    ) -> Delivery:
        del thread, unclear
        return delivered(message, labels="kept")

    def remind(self, told: Sequence[Told]) -> Delivery:
        assert all(each.receipt["labels"] == "kept" for each in told)
        self.reminded.append([(one.message.incident.id, one.message.event.value) for one in told])
        if self.away:
            return Delivery(outcome=DeliveryOutcome.RETRY, error="away")
        return Delivery(outcome=DeliveryOutcome.DELIVERED)


def told(
    stage: Stage, receiver: Forgetting, event: MessageEvent, incident: int | None = None
) -> int:
    """An incident of which the receiver was told."""
    if incident is None:
        incident = stage.incident().id
    with stage.services.sessions.begin() as session:
        known = record.get(session, incident)
        if event is MessageEvent.RESOLVE:
            session.get_one(IncidentRow, incident).state = IncidentState.RESOLVED.value
    stage.tell(known, event)
    stage.outbox({receiver.name: receiver}).deliver_due()
    return incident


def test_an_open_incident_is_said_again_until_its_resolve_is_old(stage: Stage) -> None:
    receiver = Forgetting()
    reminders = Reminders(stage.services, {receiver.name: receiver})
    assert reminders.run_due() == 0
    first = told(stage, receiver, MessageEvent.TRIGGER)
    assert reminders.run_due() == 1
    told(stage, receiver, MessageEvent.ACKNOWLEDGE, first)
    assert reminders.run_due() == 1
    told(stage, receiver, MessageEvent.RESOLVE, first)
    assert reminders.run_due() == 1
    stage.clock.advance(RESOLVED_FOR_S + 1)
    assert reminders.run_due() == 0
    assert receiver.reminded == [
        [(first, "trigger")],
        [(first, "acknowledge")],
        [(first, "resolve")],
    ]


def test_what_was_not_delivered_is_not_said_again(lone_stage: Stage) -> None:
    """The outbox is still at it; and once the incident is over, its end is all there is to say."""
    receiver = Forgetting()
    reminders = Reminders(lone_stage.services, {receiver.name: receiver})
    incident = lone_stage.incident()
    lone_stage.tell(incident, MessageEvent.TRIGGER)
    assert reminders.run_due() == 0
    lone_stage.outbox({receiver.name: receiver}).deliver_due()
    with lone_stage.services.sessions.begin() as session:
        session.get_one(IncidentRow, incident.id).state = IncidentState.RESOLVED.value
    lone_stage.tell(incident, MessageEvent.RESOLVE)
    assert reminders.run_due() == 0
    assert receiver.reminded == []


def test_a_receiver_that_remembers_is_left_alone(lone_stage: Stage) -> None:
    class Remembering:
        name = "pager"
        guarantee = Guarantee.KEYED
        deliver = Forgetting.deliver

    receiver = Remembering()
    incident = lone_stage.incident()
    lone_stage.tell(incident, MessageEvent.TRIGGER)
    lone_stage.outbox({"pager": receiver}).deliver_due()
    with lone_stage.services.sessions() as session:
        assert [row.state for row in session.query(OutboxRow)] == ["delivered"]
    assert Reminders(lone_stage.services, {"pager": receiver}).run_due() == 0


def test_a_receiver_that_is_away_is_logged_once(lone_stage: Stage, caplog) -> None:
    receiver = Forgetting()
    reminders = Reminders(lone_stage.services, {receiver.name: receiver})
    told(lone_stage, receiver, MessageEvent.TRIGGER)
    receiver.away = True
    assert [reminders.run_due() for _ in range(3)] == [0, 0, 0]
    assert caplog.text.count("can't be reminded") == 1
    receiver.away = False
    assert reminders.run_due() == 1


def test_one_message_that_cannot_be_read_keeps_no_other_from_being_said_again(
    lone_stage: Stage,
) -> None:
    receiver = Forgetting()
    reminders = Reminders(lone_stage.services, {receiver.name: receiver})
    damaged = told(lone_stage, receiver, MessageEvent.TRIGGER)
    good = told(lone_stage, receiver, MessageEvent.TRIGGER)
    with lone_stage.services.sessions.begin() as session:
        row = session.scalars(select(OutboxRow).where(OutboxRow.incident_id == damaged)).one()
        row.message = {"damaged": True}
    assert reminders.run_due() == 1
    assert receiver.reminded == [[(good, "trigger")]]
