"""Who waits for whom: locks are taken in one order, and none is held while much is read."""

from __future__ import annotations

import threading

import pytest
from rsp_routes import escalations, follow, told
from rsp_stage import Stage

from alerts.types import MessageEvent
from monitor.response import digest as module
from monitor.response import people, record
from monitor.response.digest import Digests
from monitor.settings.alerting import Digest


def test_an_acknowledgement_and_a_step_at_once_do_not_wait_for_one_another(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
):
    """Both need the incident and its escalation; the person's change wins, and nothing fails."""
    follow(stage)
    incident = stage.tell(stage.incident(), MessageEvent.TRIGGER)
    stage.clock.advance(301.0)
    written, failures = threading.Event(), []
    save, mine = record.save, threading.get_ident()

    def slowly(session, moved):
        saved = save(session, moved)
        if threading.get_ident() == mine:
            written.set()
            job.join(0.5)  # the step comes in between, where it can
        return saved

    def step() -> None:
        written.wait(20.0)
        try:
            escalations(stage).run_due()
        except Exception as error:
            failures.append(error)

    monkeypatch.setattr(record, "save", slowly)
    job = threading.Thread(target=step)
    job.start()
    with stage.services.sessions.begin() as session:
        now = stage.clock.now()
        people.acknowledge(session, incident.id, actor="ann", at=now, announcer=stage.announcer)
    job.join(30.0)
    assert failures == []
    assert ("second", "trigger") not in told(stage)
    assert stage.incident_row(incident).acknowledged_at is not None


def test_a_digest_reads_its_day_before_it_holds_up_any_writer(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
):
    stage.services.settings.__dict__["digest"] = Digest(receivers=("chat",), at="13:00")
    digests = Digests(stage.services)
    digests.run_due()
    stage.clock.advance(7200.0)
    gather, done = module.facts_of, []

    def gathered(*args, **values):
        writer = threading.Thread(target=lambda: done.append(stage.incident()))
        writer.start()
        writer.join(5.0)
        assert done, "a writer waits for the digest"
        return gather(*args, **values)

    monkeypatch.setattr(module, "facts_of", gathered)
    assert digests.run_due() == 1
    assert [row.receiver for row in stage.messages()] == ["chat"]
