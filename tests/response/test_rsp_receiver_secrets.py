"""No receiver's secret is ever seen: not in errors, reprs, logs, the outbox or the timeline.

Every secret is the same marked text; every failure is made to happen, among them APIs that repeat
whatever they were sent; then everything that is kept or shown is searched.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from rsp_stage import Stage
from sqlalchemy import select
from stub_receivers import KINDS, Rig, Trouble, rig
from stub_receivers.rigs import secrets

from alerts.types import MessageEvent
from monitor.store.tables import Base, OutboxRow

TROUBLES = (
    Trouble(status=429, headers={"Retry-After": "1"}),
    Trouble(status=500, body=b"oops"),
    Trouble(status=400, body=b'{"ok": false, "error": "no"}'),
    Trouble(body=b"<html>"),
    Trouble(how="drop"),
    Trouble(how="reset"),
    Trouble(how="hang"),
    Trouble(how="endless"),
)
ECHOES = (200, 202, 302, 400, 401, 429, 500)


def everything(stage: Stage) -> str:
    """Each row of each table."""
    with stage.services.sessions() as session:
        rows = [
            [str(value) for value in row]
            for table in Base.metadata.sorted_tables
            for row in session.execute(select(table))
        ]
    return json.dumps(rows)


def unseen(text: str) -> bool:
    return not any(secret in text for secret in secrets())


def deliver(stage: Stage, notifier: Any, event: MessageEvent, incident: Any) -> None:
    """One attempt through the outbox, at a message of its own."""
    stage.tell(incident, event, note=f"News {stage.clock.now()}.")
    stage.outbox({"pager": notifier}).deliver_due()
    stage.clock.advance(7200)


@pytest.fixture
def made(request: pytest.FixtureRequest) -> Rig:
    return rig(request.param)


@pytest.mark.parametrize("made", KINDS, indirect=True)
def test_a_secret_is_seen_nowhere_whatever_fails(
    lone_stage: Stage, made: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    incident = lone_stage.incident()
    with made.running(timeout_s=0.3) as notifier:
        for trouble in TROUBLES:
            made.server.then(trouble)
            deliver(lone_stage, notifier, MessageEvent.TRIGGER, incident)
        for status in ECHOES:
            made.server.echo = status
            deliver(lone_stage, notifier, MessageEvent.UPDATE, incident)
        shown = repr(notifier) + str(notifier) + caplog.text
    with lone_stage.services.sessions() as session:
        rows = list(session.scalars(select(OutboxRow)))
    assert len(rows) == len(TROUBLES) + len(ECHOES)
    assert not made.server.troubles
    assert len(made.server.seen) >= len(rows)
    assert unseen(everything(lone_stage))
    assert unseen(shown)
    assert unseen(
        Path(lone_stage.database.removeprefix("sqlite:///")).read_bytes().decode("latin1")
    )


@pytest.mark.parametrize("made", [kind for kind in KINDS if kind != "webhook"], indirect=True)
def test_the_search_would_find_a_secret(made: Rig, make_seen: Any) -> None:
    """The stub did get it, so what is searched for is what was sent. The webhook's secret signs,
    and is never sent."""
    with made.running() as notifier:
        notifier.deliver(make_seen, thread={})
    sent = "".join(
        f"{each.path}{each.query}{each.headers}{each.body!r}" for each in made.server.seen
    )
    assert not unseen(sent)


@pytest.fixture
def make_seen(lone_stage: Stage) -> Any:
    from alerts.types import Message

    lone_stage.tell(lone_stage.incident(), MessageEvent.TRIGGER)
    with lone_stage.services.sessions() as session:
        return Message.from_json(session.scalars(select(OutboxRow)).one().message)
