"""A release freeze: rollbacks wait for a person, who may override it."""

from __future__ import annotations

from datetime import timedelta

from rsp_rollbacks import approve, codes, ready, work
from rsp_stage import Stage

from alerts.silences.draft import from_texts
from monitor.response import silences


def freeze(stage: Stage, matcher: str) -> str:
    now = stage.clock.now()
    with stage.services.sessions.begin() as session:
        draft = from_texts(
            kind="freeze",
            matchers=[matcher],
            lasts="2h",
            comment="year-end",
            actor="jo",
            now=now,
        )
        return silences.create(session, draft).name


def test_a_rollback_waits_while_its_model_is_frozen_and_goes_when_that_ends(stage: Stage) -> None:
    """All other reasons speak for it; the reason names the freeze and its end."""
    incident, action = stage.bad_release()
    ready(stage)
    name = freeze(stage, f"model={incident.model}")
    work(stage)
    row = stage.action(action)
    assert row.state == "waiting"
    assert row.decision["needs_approval"]
    assert codes(row, "wait") == {"frozen"}
    assert f"release freeze {name} until " in row.result["text"]
    assert stage.promotions == ["v1", "v2"]
    with stage.services.sessions.begin() as session:
        silences.end(session, 1, actor="jo", at=stage.clock.now())
    work(stage)
    assert stage.action(action).state == "verifying"
    assert stage.promotions == ["v1", "v2", "v1"]


def test_a_persons_approval_overrides_the_freeze_and_it_is_said(lone_stage: Stage) -> None:
    stage = lone_stage
    _, action = stage.bad_release()
    ready(stage)
    name = freeze(stage, 'model=~".+"')
    work(stage)
    approve(stage, action)
    work(stage)
    row = stage.action(action)
    assert row.state == "verifying", row.result
    texts = [each["text"] for each in row.decision["reasons"] if each["code"] == "approved"]
    assert len(texts) == 1
    assert texts[0].startswith(f"approved by ann, in spite of the release freeze {name} until ")


def test_a_freeze_of_other_models_or_of_yesterday_holds_nothing(lone_stage: Stage) -> None:
    stage = lone_stage
    freeze(stage, "model=another")
    freeze(stage, 'model=~".+"')
    with stage.services.sessions.begin() as session:
        earlier = stage.clock.now() - timedelta(seconds=1)
        silences.end(session, 2, actor="jo", at=earlier)
    _, action = stage.bad_release()
    ready(stage)
    work(stage)
    assert stage.action(action).state == "verifying"
