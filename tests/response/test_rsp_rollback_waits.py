"""A rollback that no rule forbids waits where a person, or time, has to decide."""

from __future__ import annotations

import httpx
import numpy as np
import pytest
from rsp_rollbacks import approve, codes, ready, work
from rsp_stage import FAMILY, Stage, model_answers

from alerts.actions.replay import pack_reply, unpack_request
from monitor.response import people
from monitor.store.tables import ActionRow


def test_what_waits_for_a_person_goes_when_that_person_says_so(stage: Stage):
    stage.open(automatic=False)
    incident, action = stage.bad_release()
    ready(stage)
    work(stage)
    row = stage.action(action)
    assert (row.state, codes(row, "wait")) == ("waiting", {"not_automatic"})
    assert stage.timeline(incident).count("rollback_waits") == 1
    assert stage.promotions == ["v1", "v2"]
    approve(stage, action)
    work(stage)
    row = stage.action(action)
    assert (row.state, row.approved_by) == ("verifying", "ann")
    assert stage.promotions[-1] == "v1"


def test_an_approval_expires(stage: Stage):
    stage.open(automatic=False, approval_expires_s=60.0)
    _, action = stage.bad_release()
    ready(stage)
    work(stage)
    approve(stage, action)
    stage.clock.advance(61.0)
    work(stage)
    row = stage.action(action)
    assert row.state == "waiting"
    assert "approval_expired" in codes(row, "wait")
    assert stage.promotions == ["v1", "v2"]


def test_a_second_rollback_waits_for_the_cooldown(stage: Stage):
    stage.open(cooldown_s=600.0)
    first, action = stage.bad_release()
    ready(stage)
    work(stage)
    with stage.services.sessions.begin() as session:
        row = session.get_one(ActionRow, action)
        row.state, row.finished_at = "recovered", stage.clock.now()
        people.resolve(session, first.id, actor="ann", at=stage.clock.now())
    stage.registry.promote(*FAMILY, "v2", actor="ci")
    _, again = stage.propose(fingerprint="e" * 32)
    work(stage)
    row = stage.action(again)
    assert (row.state, codes(row, "wait")) == ("waiting", {"cooldown"})
    assert stage.promotions == ["v1", "v2", "v1", "v2"]
    stage.clock.advance(600.0)
    work(stage)
    assert stage.promotions == ["v1", "v2", "v1", "v2", "v1"]


def test_an_incident_that_was_resolved_during_verification_does_not_block_the_next_rollback(
    stage: Stage,
):
    """Whoever closes an incident ends its verification: the model is not busy for ever."""
    stage.open(cooldown_s=0.0)
    first, _ = stage.bad_release()
    ready(stage)
    work(stage)
    with stage.services.sessions.begin() as session:
        people.resolve(session, first.id, actor="ann", at=stage.clock.now())
    stage.registry.promote(*FAMILY, "v2", actor="ci")
    stage.clock.advance(30.0)
    _, again = stage.propose(fingerprint="e" * 32)
    work(stage)
    assert stage.action(again).state == "verifying"


def hanging(request: httpx.Request) -> httpx.Response:
    raise httpx.ReadTimeout("slow", request=request)


def away(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("refused", request=request)


def nan_reply(request: httpx.Request) -> httpx.Response:
    return model_answers(float("nan"))(request)


ENDPOINTS = {
    "gave no answer": hanging,
    "out of reach": away,
    "does not have v1": lambda request: httpx.Response(404),
    "answered 500": lambda request: httpx.Response(500),
    "does not fit": lambda request: httpx.Response(200, content=b"garbage"),
    "which is what drifted": nan_reply,
}


@pytest.mark.parametrize("why", list(ENDPOINTS))
def test_without_a_counterfactual_it_waits_for_a_person_with_the_reason(lone_stage: Stage, why):
    stage = lone_stage
    _, action = stage.bad_release()
    ready(stage)
    stage.replay_by(ENDPOINTS[why])
    work(stage)
    row = stage.action(action)
    assert (row.state, codes(row, "wait")) == ("waiting", {"no_counterfactual"})
    assert why in row.result["text"]
    assert stage.promotions == ["v1", "v2"]
    approve(stage, action)
    work(stage, each_s=30.0)
    assert stage.promotions == ["v1", "v2", "v1"]


def test_a_reply_of_another_shape_waits_too_and_holds_nobody_up(lone_stage: Stage):
    """Probabilities of three classes where the baseline has five, embeddings of another width."""

    def answer(request: httpx.Request) -> httpx.Response:
        version, images = unpack_request(request.content)
        odd = np.full((len(images), 3), 1 / 3, np.float32)
        return httpx.Response(200, content=pack_reply(version, odd, odd))

    _, action = lone_stage.bad_release()
    ready(lone_stage)
    lone_stage.replay_by(answer)
    work(lone_stage)
    assert lone_stage.action(action).state in ("waiting", "refused")
    assert lone_stage.promotions == ["v1", "v2"]


@pytest.mark.parametrize("why", ["endpoint", "baseline", "images"])
def test_without_what_a_counterfactual_needs_it_waits_for_a_person(lone_stage: Stage, why: str):
    _, action = lone_stage.bad_release()
    if why != "endpoint":
        lone_stage.replay_by(model_answers())
    if why != "baseline":
        lone_stage.baselines()
    work(lone_stage)
    row = lone_stage.action(action)
    assert row.state == "waiting"
    assert why in row.result["text"]


@pytest.mark.parametrize(("seconds", "goes"), [(3000.0, True), (3700.0, False)])
def test_a_counterfactual_of_long_ago_is_asked_for_anew(
    lone_stage: Stage, seconds: float, goes: bool
):
    """What was better an hour ago may be as bad on today's traffic: it does not stand for ever."""
    lone_stage.open(automatic=False)
    _, action = lone_stage.bad_release()
    ready(lone_stage)
    work(lone_stage)
    assert lone_stage.action(action).decision["interlock"]["outcome"] == "better"
    lone_stage.clock.advance(seconds)
    lone_stage.replay_by(model_answers(0.3))
    approve(lone_stage, action)
    work(lone_stage)
    row = lone_stage.action(action)
    assert row.state == ("verifying" if goes else "refused")
    assert row.decision["interlock"]["outcome"] == ("better" if goes else "no_better")
