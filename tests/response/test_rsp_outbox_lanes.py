"""A receiver that hangs holds up no other, nor the service."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from threading import Event

import pytest
import small_fleet as fleet
from rsp_stage import Stage

from alerts.notifiers.protocol import Guarantee
from alerts.types import Delivery, DeliveryOutcome, Message, MessageEvent
from monitor.response import outbox as module
from monitor.response.announce import Announcer
from monitor.settings.alerting import Route


class Hanging:
    """A receiver that answers when it is let go."""

    name = "slow"
    guarantee = Guarantee.KEYED

    def __init__(self) -> None:
        self.let_go, self.tries = Event(), 0

    def deliver(
        self, message: Message, *, thread: Mapping[str, str], unclear: bool = False
    ) -> Delivery:
        self.tries += 1
        assert self.let_go.wait(20.0)
        return Delivery(outcome=DeliveryOutcome.DELIVERED, receipt={"message_id": message.id})


@pytest.fixture
def slow() -> Iterator[Hanging]:
    made = Hanging()
    yield made
    made.let_go.set()


def test_a_receiver_that_hangs_holds_up_no_other(
    lone_stage: Stage, slow: Hanging, notes: fleet.Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 0.3)
    routes = (Route(receivers=("slow", "pager")),)
    both = lone_stage.services.settings.model_copy(update={"routes": routes})
    lone_stage.announcer = Announcer(both, lone_stage.services.runbooks)
    incident = lone_stage.incident()
    lone_stage.tell(incident, MessageEvent.TRIGGER)
    lone_stage.tell(incident, MessageEvent.UPDATE)
    box = lone_stage.outbox({"slow": slow, "pager": notes})
    assert box.deliver_due() == 2
    assert notes.events == ["trigger", "update"]
    lone_stage.tell(incident, MessageEvent.RESOLVE)
    assert box.deliver_due() == 1
    assert notes.events == ["trigger", "update", "resolve"]
    assert slow.tries == 1  # it is not asked again while it hangs
    slow.let_go.set()
    monkeypatch.setattr(module, "PATIENCE_S", 10.0)
    assert box.deliver_due() == 3
    assert {row.state for row in lone_stage.messages()} == {"delivered"}


def test_a_lane_ends_after_a_while(
    lone_stage: Stage, notes: fleet.Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LANE_S", 0.0)
    lone_stage.tell(lone_stage.incident(), MessageEvent.TRIGGER)
    box = lone_stage.outbox({"pager": notes})
    assert box.deliver_due() == 0
    monkeypatch.setattr(module, "LANE_S", 10.0)
    assert box.deliver_due() == 1


def test_what_is_committed_while_a_lane_ends_goes_in_the_next(
    lone_stage: Stage, notes: fleet.Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No poll comes: each lane is allowed one attempt, and is kicked while it makes it."""
    monkeypatch.setattr(module, "MOST", 1)
    incident = lone_stage.incident()
    lone_stage.tell(incident, MessageEvent.TRIGGER)

    class Busy(fleet.Notes):
        def deliver(
            self, message: Message, *, thread: Mapping[str, str], unclear: bool = False
        ) -> Delivery:
            if len(self.told) < 4:
                lone_stage.tell(incident, MessageEvent.UPDATE)
                box.kick(["pager"])
            else:
                done.set()
            return super().deliver(message, thread=thread, unclear=unclear)

    done, busy = Event(), Busy()
    box = lone_stage.outbox({"pager": busy})
    box.kick(["pager"])
    assert done.wait(20.0)
