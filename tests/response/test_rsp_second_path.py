"""The second path closes what it opened, and one bad summary stops no delivery."""

from __future__ import annotations

import small_fleet as fleet
from rsp_stage import Stage
from sqlalchemy import select

from alerts.types import Delivery, DeliveryOutcome, MessageEvent
from monitor.response import people
from monitor.settings.receivers import ConsoleReceiver
from monitor.store.tables import OutboxRow

BUSY = Delivery(outcome=DeliveryOutcome.RETRY, error="429", retry_after_s=900.0)


def configured(stage: Stage, **receivers: dict) -> None:
    made = {name: ConsoleReceiver(kind="console", **rules) for name, rules in receivers.items()}
    settings = stage.services.settings.model_copy(update={"receivers": made})
    object.__setattr__(stage.services, "settings", settings)


def test_what_ended_before_its_second_path_was_told_ends_there_too(stage: Stage, notes):
    """The resolve was written while only the first knew: a busy receiver is not a broken one."""
    configured(stage, pager={"fallback": "chat"}, chat={})
    chat = fleet.Notes("chat")
    notes.answers = [BUSY] * 100
    box = stage.outbox({"pager": notes, "chat": chat})
    made = stage.tell(stage.incident(), MessageEvent.TRIGGER)
    box.deliver_due()
    stage.clock.advance(100.0)
    with stage.services.sessions.begin() as session:
        now = stage.clock.now()
        people.resolve(session, made.id, actor="ann", at=now, announcer=stage.announcer)
    for _ in range(80):
        stage.clock.advance(10.0)
        box.deliver_due()
    assert chat.events in (["trigger", "resolve"], [])


def test_a_summary_that_cannot_be_closed_stops_no_delivery(lone_stage: Stage, notes):
    configured(lone_stage, pager={"per_minute": 1})
    box = lone_stage.outbox({"pager": notes})
    for number in range(3):
        made = lone_stage.incident(fingerprint=f"{number:032d}")
        lone_stage.tell(made, MessageEvent.TRIGGER)
    box.deliver_due()
    with lone_stage.services.sessions.begin() as session:
        row = session.scalars(select(OutboxRow).where(OutboxRow.event == "summary")).one()
        row.message = {"damaged": True}
        now = lone_stage.clock.now()
        for number in (1, 2, 3):
            people.resolve(session, number, actor="ann", at=now, announcer=None)
    lone_stage.clock.advance(61.0)
    lone_stage.tell(lone_stage.incident(fingerprint="9" * 32), MessageEvent.TRIGGER)
    box.deliver_due()
    assert notes.told[-1][0].incident.id == 4
