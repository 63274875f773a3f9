"""One suite for all that train: asked once, found again, and no secret shown."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hook_dialects import Airflow, Argo, GitHub, Pipeline
from stub_receivers.server import ReceiverServer, Trouble

from monitor.retraining.hooks.airflow import AirflowHook
from monitor.retraining.hooks.argo import ArgoHook
from monitor.retraining.hooks.github import GitHubHook
from monitor.retraining.hooks.protocol import HookState, Order, RetrainingHook
from monitor.retraining.hooks.webhook import WebhookHook

ORDER = Order(
    id="vigil-retrain-1a2b3c4d-7",
    model="reader",
    deployment="production",
    reason="accuracy 81.0 % is surely below 90 %",
    dataset="0" * 64,
    location="s3://bucket/datasets/reader/production/" + "0" * 64,
    items=240,
    incident_id=12,
    asked_at=datetime.now(UTC),
)
Make = Callable[[str, str], RetrainingHook]


@dataclass(frozen=True, kw_only=True)
class Rig:
    """A system with a hook on it; ``make`` opens another with a secret, at a place of its API."""

    dialect: Any
    server: ReceiverServer
    url: str
    make: Make
    elsewhere: Make

    def hook(self) -> RetrainingHook:
        return self.make(self.url, self.dialect.secret)


def _github(url: str, secret: str, workflow: str = "train.yml") -> RetrainingHook:
    return GitHubHook(
        repository="me/models", workflow=workflow, ref="main", token=secret, url=url, timeout_s=0.5
    )


def _airflow(url: str, secret: str, dag: str = "train") -> RetrainingHook:
    return AirflowHook(f"{url}/api/v1", dag=dag, secret=secret, user="vigil", timeout_s=0.5)


def _airflow_3(url: str, secret: str, dag: str = "train") -> RetrainingHook:
    return AirflowHook(f"{url}/api/v2", dag=dag, secret=secret, timeout_s=0.5)


def _argo(url: str, secret: str, template: str = "train") -> RetrainingHook:
    return ArgoHook(url, namespace="ml", template=template, token=secret, timeout_s=0.5)


def _webhook(url: str, secret: str, path: str = "retrain") -> RetrainingHook:
    return WebhookHook(f"{url}/{path}", secret, timeout_s=0.5)


RIGS: dict[str, tuple[Callable[[], Any], Callable[..., RetrainingHook]]] = {
    "github": (GitHub, _github),
    "airflow": (Airflow, _airflow),
    "airflow-3": (lambda: Airflow("v2"), _airflow_3),
    "argo": (Argo, _argo),
    "webhook": (Pipeline, _webhook),
}


@pytest.fixture(params=list(RIGS))
def rig(request: pytest.FixtureRequest) -> Iterator[Rig]:
    dialect, make = RIGS[request.param]
    spoken = dialect()
    if isinstance(spoken, Pipeline):
        spoken.now_s = time.time()
    server = ReceiverServer(spoken)
    with server.running() as url:
        yield Rig(
            dialect=spoken,
            server=server,
            url=url,
            make=make,
            elsewhere=lambda at, secret: make(at, secret, "other"),
        )


def test_an_order_is_taken_and_found_again(rig: Rig) -> None:
    hook = rig.hook()
    assert hook.look(ORDER).state is HookState.ABSENT
    report = hook.send(ORDER)
    assert report.state is HookState.ACCEPTED, report
    assert hook.look(ORDER).state is HookState.ACCEPTED
    assert hook.look(replace(ORDER, id=f"{ORDER.id}1")).state is HookState.ABSENT
    assert rig.dialect.runs == [ORDER.id]
    hook.close()


def test_a_keyed_system_takes_the_same_order_once(rig: Rig) -> None:
    """GitHub is not keyed: it is looked at before an order is sent again."""
    hook = rig.hook()
    reports = [hook.send(ORDER), hook.send(ORDER)]
    assert {one.state for one in reports} == {HookState.ACCEPTED}
    assert len(rig.dialect.runs) == (1 if hook.is_keyed else 2)
    hook.close()


def test_an_answer_that_was_lost_is_unclear_and_found_by_looking(rig: Rig) -> None:
    hook = rig.hook()
    rig.server.then(Trouble(how="drop", does=True))
    assert hook.send(ORDER).state is HookState.UNCLEAR
    assert hook.look(ORDER).state is HookState.ACCEPTED
    assert rig.dialect.runs == [ORDER.id]
    hook.close()


@pytest.mark.parametrize(
    "trouble",
    [
        Trouble(status=429, headers={"Retry-After": "1"}),
        Trouble(status=500),
        Trouble(status=503, body=b"<html>"),
        Trouble(how="drop"),
        Trouble(how="reset"),
        Trouble(how="hang"),
    ],
    ids=["429", "500", "503", "drop", "reset", "hang"],
)
@pytest.mark.parametrize("act", ["send", "look"])
def test_what_passes_is_unclear(rig: Rig, trouble: Trouble, act: str) -> None:
    hook = rig.hook()
    rig.server.then(trouble)
    report = getattr(hook, act)(ORDER)
    assert report.state is HookState.UNCLEAR, report
    hook.close()


def test_half_an_answer_to_a_look_is_no_answer(rig: Rig) -> None:
    hook = rig.hook()
    rig.server.then(Trouble(status=200, body=b'{"work'))
    assert hook.look(ORDER).state is HookState.UNCLEAR
    hook.close()


def test_a_wrong_secret_fails_and_no_secret_is_shown(rig: Rig) -> None:
    wrong = rig.make(rig.url, "not-the-secret")
    for report in (wrong.send(ORDER), wrong.look(ORDER)):
        assert report.state is HookState.FAILED
        assert "not-the-secret" not in repr(report)
    assert "not-the-secret" not in repr(wrong)
    assert rig.dialect.runs == []
    wrong.close()


def test_a_server_that_repeats_the_secret_shows_it_to_nobody(rig: Rig) -> None:
    hook, secret = rig.hook(), rig.dialect.secret
    said = json.dumps({"message": secret, "detail": secret, "text": "no"}).encode()
    rig.server.then(Trouble(status=400, body=said))
    report = hook.send(ORDER)
    assert report.state is HookState.FAILED
    assert secret not in repr(report)
    hook.close()


def test_what_is_not_there_can_not_train(rig: Rig) -> None:
    """An unknown workflow, DAG, template or page."""
    elsewhere = rig.elsewhere(rig.url, rig.dialect.secret)
    report = elsewhere.send(ORDER)
    assert report.state is HookState.FAILED
    assert "404" in report.text
    elsewhere.close()


def test_a_server_that_is_gone_is_unclear() -> None:
    hook = _argo("http://127.0.0.1:9", "secret")
    assert hook.send(ORDER).state is HookState.UNCLEAR
    hook.close()


def test_a_workflow_that_does_not_declare_the_inputs_is_told() -> None:
    dialect = GitHub()
    dialect.inputs.discard("location")
    with ReceiverServer(dialect).running() as url:
        hook = _github(url, dialect.secret)
        report = hook.send(ORDER)
        hook.close()
    assert report.state is HookState.FAILED
    assert "Unexpected inputs provided: ['location']" in report.text


def test_githubs_rate_limit_passes_and_a_missing_right_does_not() -> None:
    """Both are a 403."""
    dialect = GitHub()
    server = ReceiverServer(dialect)
    server.then(
        Trouble(status=403, headers={"x-ratelimit-remaining": "0"}),
        Trouble(status=403, body=b'{"message": "Resource not accessible by integration"}'),
    )
    with server.running() as url:
        hook = _github(url, dialect.secret)
        assert hook.send(ORDER).state is HookState.UNCLEAR
        refused = hook.send(ORDER)
        hook.close()
    assert refused.state is HookState.FAILED
    assert "Resource not accessible" in refused.text


def test_githubs_runs_are_looked_through_page_by_page() -> None:
    dialect = GitHub()
    with ReceiverServer(dialect).running() as url:
        hook = _github(url, dialect.secret)
        hook.send(ORDER)
        dialect.runs += [f"other-{k}" for k in range(150)]
        assert hook.look(ORDER).state is HookState.ACCEPTED
        dialect.runs[0:1] = [f"older-{k}" for k in range(400)]
        assert hook.look(ORDER).state is HookState.UNCLEAR  # too many to say that it is not there
        hook.close()
