"""What deployers are told: doubt is never a reason to roll back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from canary_fleet import DEPLOYMENT, MODEL, canaries_of, started, window
from test_canary_job import bad_traffic
from web_client import TestClient

from monitor.canary.hooks import Hook, answer
from monitor.canary.step import CanaryOutcome
from monitor.canary.verdict import Evidence, Result, decide
from monitor.gate.report import GateOutcome
from monitor.services import Services
from monitor.store.tables import CanaryRow
from monitor.web.app import create_app
from monitor.web.auth import create_token
from vigil.clock import ManualClock

HOME = "http://127.0.0.1:8080"
VERDICT = f"/v1/verdict/{MODEL}/{DEPLOYMENT}"


def hook(name: str) -> str:
    return f"/v1/hooks/flagger/{name}/{MODEL}/{DEPLOYMENT}"


@pytest.fixture
def client(lone: Services) -> Iterator[TestClient]:
    app = create_app(lone)
    with TestClient(app, base_url=HOME, client=("127.0.0.1", 5000)) as opened:
        yield opened


def token(services: Services, scope: str) -> str:
    with services.sessions.begin() as session:
        return create_token(session, name=scope, scope=scope, actor="test", at=services.clock.now())


def concluded(services: Services, outcome: str) -> None:
    """As though the canary had ended so."""
    canary = started(services)
    with services.sessions.begin() as session:
        session.get_one(CanaryRow, canary).state = outcome


NOTHING = [None, CanaryOutcome.RUNNING, CanaryOutcome.VOID, CanaryOutcome.ENDED]


@pytest.mark.parametrize("canary", NOTHING)
@pytest.mark.parametrize("gate", [None, *GateOutcome])
def test_no_evidence_is_inconclusive_and_rolls_nothing_back(
    canary: CanaryOutcome | None, gate: GateOutcome | None
) -> None:
    """Whatever is missing or unclear: every hook that can roll back says no to it."""
    found = decide(Evidence(candidate="v2", canary=canary, gate=gate))
    assert (found.result, found.value) == (Result.INCONCLUSIVE, 0)
    assert answer(Hook.ROLLBACK, found).status == 412
    for counts_failures in (Hook.ROLLOUT, Hook.PRE_ROLLOUT):
        assert answer(counts_failures, found).status == 200
    assert answer(Hook.CONFIRM_PROMOTION, found).status == 412


def test_evidence_against_a_candidate_is_told_at_every_hook() -> None:
    for evidence in (
        Evidence(candidate="v2", canary=CanaryOutcome.ROLLBACK),
        Evidence(candidate="v2", canary=CanaryOutcome.ACCEPT, incident=7, incident_title="worse"),
    ):
        found = decide(evidence)
        assert (found.result, found.value) == (Result.FAIL, -1)
        statuses = {each: answer(each, found).status for each in Hook}
        assert statuses.pop(Hook.ROLLBACK) == 200
        assert (statuses.pop(Hook.EVENT), statuses.pop(Hook.POST_ROLLOUT)) == (200, 200)
        assert set(statuses.values()) == {412}


def test_an_accepted_candidate_is_promoted() -> None:
    found = decide(Evidence(candidate="v2", canary=CanaryOutcome.ACCEPT))
    assert (found.result, found.value) == (Result.PASS, 1)
    assert answer(Hook.CONFIRM_PROMOTION, found).status == 200
    assert answer(Hook.ROLLBACK, found).status == 412


def test_a_rollout_waits_for_freezes_and_failed_gates() -> None:
    found = decide(Evidence(candidate="v2", gate=GateOutcome.FAIL))
    assert answer(Hook.CONFIRM_ROLLOUT, found).status == 412
    calm = decide(Evidence(candidate="v2", gate=GateOutcome.PASS))
    assert answer(Hook.CONFIRM_ROLLOUT, calm).status == 200
    frozen = answer(Hook.CONFIRM_ROLLOUT, calm, frozen_by="release freeze until noon")
    assert (frozen.status, frozen.text) == (412, "release freeze until noon")


def test_an_unknown_candidate_is_answered_like_doubt(client: TestClient) -> None:
    """A 404 would be an error to Argo, and enough of those a failure."""
    reply = client.get(VERDICT, params={"candidate": "v9"})
    assert (reply.status_code, reply.json()["result"], reply.json()["value"]) == (
        200,
        "inconclusive",
        0,
    )
    assert client.get("/v1/verdict/no/where").json()["result"] == "inconclusive"


@pytest.mark.parametrize(
    ("state", "result"),
    [
        ("accept", "pass"),
        ("rollback", "fail"),
        ("running", "inconclusive"),
        ("void", "inconclusive"),
    ],
)
def test_the_verdict_follows_the_canary(
    lone: Services, client: TestClient, state: str, result: str
) -> None:
    concluded(lone, state)
    found = client.get(VERDICT).json()
    assert (found["result"], found["candidate"], found["canary"]) == (result, "v2", state)
    assert client.post(hook("rollback"), json={}).status_code == (200 if result == "fail" else 412)


def test_evidence_from_labels_reaches_the_rollback_hook(
    lone: Services, client: TestClient, clock: ManualClock
) -> None:
    """From bad labels to Flagger's 200, and not before."""
    started(lone)
    window(lone, "v2", 1.0)
    body = {"name": "digits", "namespace": "prod", "phase": "Progressing", "metadata": {}}
    assert client.post(hook("rollback"), json=body).status_code == 412
    bad_traffic(lone, clock)
    canaries_of(lone).run_due()
    reply = client.post(hook("rollback"), json=body)
    assert (reply.status_code, reply.json()["result"]) == (200, "fail")
    assert "incident" in reply.json()["text"]


def test_an_unknown_hook_is_refused(client: TestClient) -> None:
    reply = client.post(hook("load-test"), json={})
    assert reply.status_code == 404
    assert "confirm-rollout" in reply.json()["detail"]


def test_half_a_body_rolls_nothing_back(client: TestClient, lone: Services) -> None:
    concluded(lone, "rollback")
    assert client.post(hook("rollback"), content=b'{"metadata"').status_code == 422
    assert client.post(hook("rollback"), json={"metadata": 3}).status_code == 422


def test_the_token_may_stand_in_the_metadata(lone: Services) -> None:
    """From another machine: with a token that may read, not without, not with one that may only
    send."""
    concluded(lone, "rollback")
    app = create_app(lone)
    with TestClient(app, base_url=HOME, client=("10.1.2.3", 5000)) as far:
        viewer, sender = token(lone, "viewer"), token(lone, "ingest")
        for given, status in ((viewer, 200), (sender, 403), ("wrong", 401), ("", 401)):
            reply = far.post(hook("rollback"), json={"metadata": {"token": given}})
            assert reply.status_code == status, given
            assert viewer not in reply.text
        assert far.get(VERDICT).status_code == 401


def test_canaries_are_started_and_ended_over_the_api(lone: Services, client: TestClient) -> None:
    operator = {"Authorization": f"Bearer {token(lone, 'operator')}"}
    viewer = {"Authorization": f"Bearer {token(lone, 'viewer')}"}
    body = {"model": MODEL, "deployment": DEPLOYMENT, "candidate": "v2", "share": 0.1}
    assert client.post("/v1/canaries", json=body, headers=viewer).status_code == 403
    made = client.post("/v1/canaries", json=body, headers=operator)
    assert (made.status_code, made.json()["control"], made.json()["state"]) == (
        201,
        "v1",
        "running",
    )
    assert client.post("/v1/canaries", json=body, headers=operator).status_code == 409
    for wrong in ({"share": 1.5}, {"share": 0}, {"candidate": ""}, {"alpha": 2}, {"what": 1}):
        reply = client.post("/v1/canaries", json={**body, **wrong}, headers=operator)
        assert reply.status_code == 422, wrong
    number = made.json()["id"]
    assert client.post(f"/v1/canaries/{number}/end", json={}, headers=viewer).status_code == 403
    ended = client.post(f"/v1/canaries/{number}/end", json={"note": "n"}, headers=operator)
    assert ended.json()["state"] == "ended"
    assert client.post(f"/v1/canaries/{number}/end", json={}, headers=operator).status_code == 409
    assert client.post("/v1/canaries/999/end", json={}, headers=operator).status_code == 404
    assert [one["id"] for one in client.get("/v1/canaries").json()] == [number]
