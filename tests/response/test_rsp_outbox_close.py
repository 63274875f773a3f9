"""A service that ends leaves no connection open and no attempt half done."""

from __future__ import annotations

import threading

import small_fleet as fleet
from rsp_stage import Stage

from alerts.types import MessageEvent


class Open(fleet.Notes):
    """Holds connections open, and takes its time."""

    closed = 0

    def deliver(self, message, *, thread, unclear=False):
        begun.set()
        go.wait(20.0)
        assert not self.closed
        return super().deliver(message, thread=thread, unclear=unclear)

    def close(self) -> None:
        self.closed += 1


begun, go = threading.Event(), threading.Event()


def test_the_end_waits_for_the_attempt_that_runs_and_begins_no_other(lone_stage: Stage):
    notes = Open()
    box = lone_stage.outbox({"pager": notes})
    for number in range(3):
        made = lone_stage.incident(fingerprint=f"{number:032d}")
        lone_stage.tell(made, MessageEvent.TRIGGER)
    box.kick(["pager"])
    assert begun.wait(20.0)
    ending = threading.Thread(target=box.close)
    ending.start()
    while not box._closed:
        ending.join(0.01)
    go.set()
    ending.join(20.0)
    box.kick(["pager"])
    assert box.deliver_due() >= 0
    assert (len(notes.told), notes.closed) == (1, 1)
    assert [row.state for row in lone_stage.messages()] == ["delivered", "waiting", "waiting"]
