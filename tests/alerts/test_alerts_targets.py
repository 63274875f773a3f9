"""Rollback targets carry a plan out once, compare before they set, and never raise."""

from __future__ import annotations

import json
import multiprocessing
from dataclasses import replace
from itertools import pairwise

import httpx
import pytest

from alerts.actions.plan import RollbackPlan
from alerts.actions.signing import SIGNATURE_HEADER, TIMESTAMP_HEADER, refusal, sign
from alerts.actions.targets.protocol import TargetState
from alerts.actions.targets.registry import LocalRegistry, RegistryError
from alerts.actions.targets.webhook import SignedWebhook
from monitor.standins.app import StandIns
from vigil.clock import SystemClock
from vigil.errors import ConflictError

SECRET = "a-very-secret-secret"
PLAN = RollbackPlan(
    incident_id=7,
    model="meter-reader",
    deployment="production",
    from_version="v2",
    to_version="v1",
    target="registry",
)


@pytest.fixture(params=["registry", "webhook"])
def target(request, tmp_path):
    """Every target with v2 serving after v1, and a way to let something else serve."""
    if request.param == "registry":
        registry = LocalRegistry(tmp_path / "registry.json")
        for version in ("v1", "v2"):
            registry.promote("meter-reader", "production", version, "kim")
        yield (
            registry,
            lambda version: registry.promote("meter-reader", "production", version, "kim"),
        )
    else:
        with StandIns(pipeline_secret=SECRET) as standins:
            for version in ("v1", "v2"):
                standins.pipeline.promote("meter-reader", "production", version)
            webhook = SignedWebhook(f"{standins.url}/pipeline/rollback", SECRET)
            yield (
                webhook,
                lambda version: standins.pipeline.promote("meter-reader", "production", version),
            )
            webhook.close()


def test_a_plan_is_rehearsed_then_carried_out(target):
    """A dry run changes nothing; execution does; the status says so."""
    target, _ = target
    assert target.dry_run(PLAN).state is TargetState.READY
    assert target.status(PLAN).state is TargetState.READY
    done = target.execute(PLAN)
    assert done.state is TargetState.EXECUTED
    assert "v1" in done.text
    assert target.status(PLAN).state is TargetState.EXECUTED


def test_what_serves_is_verified_whoever_put_it_there(target):
    """``status`` tells what came of the plan, ``verify`` what serves now."""
    target, serve = target
    assert target.verify(PLAN).state is TargetState.CONFLICT
    target.execute(PLAN)
    assert target.verify(PLAN).state is TargetState.EXECUTED
    serve("v3")
    assert target.status(PLAN).state is TargetState.EXECUTED
    assert target.verify(PLAN).state is TargetState.CONFLICT
    serve("v1")
    assert target.verify(PLAN).state is TargetState.EXECUTED


def test_a_plan_sent_twice_happens_once(target):
    """Even after people moved on: the second sending does not roll back what came later."""
    target, serve = target
    assert target.execute(PLAN).state is TargetState.EXECUTED
    serve("v3")
    assert target.execute(PLAN).state is TargetState.EXECUTED
    after = replace(PLAN, from_version="v3", to_version="v2")
    assert target.dry_run(after).state is TargetState.READY


def test_a_plan_that_supposes_what_is_no_longer_true_conflicts(target):
    """Someone promoted v3 meanwhile: nothing is changed."""
    target, serve = target
    serve("v3")
    assert target.dry_run(PLAN).state is TargetState.CONFLICT
    assert target.execute(PLAN).state is TargetState.CONFLICT
    assert target.status(replace(PLAN, from_version="v3")).state is TargetState.READY


def test_a_version_that_never_served_is_refused(target):
    """A typing mistake does not take the model down."""
    target, _ = target
    assert target.execute(replace(PLAN, to_version="v9")).state is TargetState.FAILED


def test_a_registry_keeps_who_changed_what(tmp_path):
    """History, oldest first; another process sees it."""
    registry = LocalRegistry(tmp_path / "deep" / "registry.json")
    assert registry.serving("m", "d") is None
    registry.promote("m", "d", "v1", "kim")
    registry.promote("m", "d", "v2", "ci", expected="v1")
    again = LocalRegistry(registry.path)
    assert again.serving("m", "d") == "v2"
    assert [(one.version, one.previous, one.actor) for one in again.history("m", "d")] == [
        ("v1", None, "kim"),
        ("v2", "v1", "ci"),
    ]
    assert again.models() == [("m", "d")]
    with pytest.raises(ConflictError, match="expected v1 to serve, found v2"):
        again.promote("m", "d", "v3", "kim", expected="v1")


def test_a_damaged_registry_is_an_error_and_never_overwritten(tmp_path):
    """Its report is ``failed``; what is in the file stays."""
    path = tmp_path / "registry.json"
    for damage in ("{", '{"format": 2}', "[]", '{"format": 1, "models": 3}'):
        path.write_text(damage)
        registry = LocalRegistry(path)
        with pytest.raises(RegistryError, match=r"registry\.json"):
            registry.serving("m", "d")
        with pytest.raises(RegistryError):
            registry.promote("m", "d", "v1", "kim")
        assert registry.execute(PLAN).state is TargetState.FAILED
        assert path.read_text() == damage


def _promote_many(path, name):
    registry = LocalRegistry(path)
    for n in range(20):
        registry.promote("m", "d", f"{name}-{n}", name)


def test_writers_in_several_processes_lose_nothing(tmp_path):
    """The lock holds between processes: 4 x 20 promotions are 80 entries in a row."""
    path = tmp_path / "registry.json"
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_promote_many, args=(path, f"w{n}")) for n in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    history = LocalRegistry(path).history("m", "d")
    assert len(history) == 80
    assert all(b.previous == a.version for a, b in pairwise(history))


def webhook_answering(reply):
    def handler(request):
        if isinstance(reply, Exception):
            raise reply
        return reply

    client = httpx.Client(transport=httpx.MockTransport(handler))
    return SignedWebhook("http://ci.example/hook?token=abc", SECRET, client=client)


@pytest.mark.parametrize(
    ("reply", "state"),
    [
        (httpx.Response(200, json={"state": "executed"}), TargetState.EXECUTED),
        (httpx.Response(200, json={"state": "pending"}), TargetState.PENDING),
        (httpx.Response(200, json={"state": "marvellous"}), TargetState.UNCLEAR),
        (httpx.Response(200, text="ok"), TargetState.UNCLEAR),
        (httpx.Response(204), TargetState.UNCLEAR),
        (httpx.Response(302, headers={"Location": "/x"}), TargetState.FAILED),
        (httpx.Response(401, json={"text": "bad signature"}), TargetState.FAILED),
        (httpx.Response(429), TargetState.UNCLEAR),
        (httpx.Response(503), TargetState.UNCLEAR),
        (httpx.ReadTimeout("slow"), TargetState.UNCLEAR),
        (httpx.ConnectError("away"), TargetState.UNCLEAR),
    ],
)
def test_only_a_stated_success_is_a_success(reply, state):
    """A default 200 of a proxy must not count as a rollback, nor a time-out as a failure."""
    report = webhook_answering(reply).execute(PLAN)
    assert report.state is state
    assert "abc" not in report.text
    assert SECRET not in report.text


@pytest.mark.parametrize("code", [400, 401, 404, 422, 500])
def test_a_receiver_that_cannot_verify_leaves_it_to_the_windows(code):
    """Receivers written before ``verify`` refuse the action: that says nothing of what serves."""
    refusing = webhook_answering(httpx.Response(code, json={"text": "action: 'verify'"}))
    assert refusing.verify(PLAN).state is TargetState.UNCLEAR
    gave_up = webhook_answering(httpx.Response(200, json={"state": "failed"}))
    assert gave_up.verify(PLAN).state is TargetState.FAILED


def test_the_signature_covers_time_and_body():
    """Any change of either, or an old request, is refused with a reason."""
    now = 1_700_000_000
    headers = sign(SECRET, now, b"body")
    stamp, signature = headers[TIMESTAMP_HEADER], headers[SIGNATURE_HEADER]
    assert refusal(SECRET, stamp, signature, b"body", now_s=now + 299) is None
    for wrong in (
        (SECRET, stamp, signature, b"bodY"),
        (SECRET, str(now + 1), signature, b"body"),
        ("other", stamp, signature, b"body"),
        (SECRET, stamp, None, b"body"),
        (SECRET, None, signature, b"body"),
        (SECRET, "soon", signature, b"body"),
        (SECRET, "\u0661", signature, b"body"),
        (SECRET, stamp, "v1=\u00e9", b"body"),
    ):
        assert refusal(*wrong, now_s=now)
    assert "off" in refusal(SECRET, stamp, signature, b"body", now_s=now + 301)


def test_the_receiver_refuses_what_is_not_signed():
    """401 to a stranger, and nothing changes."""
    with StandIns(pipeline_secret=SECRET) as standins:
        standins.pipeline.promote("meter-reader", "production", "v1")
        standins.pipeline.promote("meter-reader", "production", "v2")
        url = f"{standins.url}/pipeline/rollback"
        body = json.dumps({"action": "execute", "plan_id": PLAN.id, "plan": PLAN.to_json()})
        assert httpx.post(url, content=body).status_code == 401
        now_s = int(SystemClock().now().timestamp())
        stale = sign(SECRET, now_s - 1000, body.encode())
        assert httpx.post(url, content=body, headers=stale).status_code == 401
        stranger = SignedWebhook(url, "another secret")
        report = stranger.execute(PLAN)
        stranger.close()
        assert report.state is TargetState.FAILED
        assert standins.pipeline.serving("meter-reader", "production") == "v2"


def test_secrets_are_not_shown():
    """Neither in a repr nor in what a report says of the URL."""
    webhook = webhook_answering(httpx.ConnectError(f"at http://u:{SECRET}@x"))
    assert SECRET not in repr(webhook)
    assert "abc" not in repr(webhook)
    assert webhook.execute(PLAN).text == "http://ci.example: no answer (ConnectError)"
