"""MLflow's alias and Triton's versions: marks of a plan, names of versions, refusals."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import Any

import pytest
from stub_receivers.server import ReceiverServer, Trouble
from stub_targets.controllers import NAME
from stub_targets.mlflow import MlflowStub
from stub_targets.triton import TritonStub
from test_target_contract import CONFLICT, EXECUTED, FAILED, PENDING, READY, UNCLEAR, a_plan

from alerts.actions.targets.mlflow import MlflowAlias
from alerts.actions.targets.system_http import SystemHttp
from alerts.actions.targets.triton import PARAMETER, TritonTarget
from alerts.actions.targets.version_names import NumberedName

TOKEN = "a-token-0123456789"
MLFLOW, TRITON = a_plan("mlflow"), a_plan("triton")


@contextmanager
def over(stub: Any, target: Any, *more: str, names: str = "v{number}"):
    server = ReceiverServer(stub)
    with server.running() as url:
        http = SystemHttp(target.kind, url, token=lambda: TOKEN, timeout_s=5.0)
        opened = target(http, NAME, *more, NumberedName.parse(names))
        try:
            yield opened, server
        finally:
            opened.close()


def an_mlflow() -> MlflowStub:
    stub = MlflowStub(TOKEN)
    for version in ("1", "2"):
        stub.register(NAME, version)
    stub.models[NAME]["aliases"] = {"champion": "2", "challenger": "1"}
    return stub


def a_triton() -> TritonStub:
    stub = TritonStub(TOKEN, NAME)
    for version in (1, 2):
        stub.release(version)
    return stub


def test_a_service_that_was_killed_after_the_alias_was_set_finds_out():
    """The note was only ``sent``, and the alias is where the plan wants it: executed."""
    stub = an_mlflow()
    stub.models[NAME]["tags"][f"vigil.{MLFLOW.id}"] = "sent"
    with over(stub, MlflowAlias, "champion") as (target, _):
        assert target.status(MLFLOW).state is READY
        stub.models[NAME]["aliases"]["champion"] = "1"
        assert target.status(MLFLOW).state is EXECUTED
        assert target.execute(MLFLOW).state is EXECUTED
    assert stub.pointed == []


def test_an_alias_that_someone_else_pointed_there_is_not_by_this_plan():
    stub = an_mlflow()
    stub.models[NAME]["aliases"]["champion"] = "1"
    with over(stub, MlflowAlias, "champion") as (target, _):
        assert target.status(MLFLOW).state is CONFLICT
        assert target.verify(MLFLOW).state is EXECUTED


def test_that_it_can_not_be_noted_afterwards_is_no_failure():
    """The last request sets the tag ``done``: the alias is set all the same."""
    stub = an_mlflow()
    with over(stub, MlflowAlias, "champion") as (target, server):
        before = [Trouble(how="pass_on")] * 6
        server.then(*before, Trouble(status=403, body=b"{}"))
        assert target.execute(MLFLOW).state is EXECUTED
        assert stub.models[NAME]["tags"] == {f"vigil.{MLFLOW.id}": "sent"}
        assert target.status(MLFLOW).state is EXECUTED


@pytest.mark.parametrize("status", ["PENDING_REGISTRATION", "FAILED_REGISTRATION"])
def test_a_version_that_is_not_ready_is_refused(status):
    stub = an_mlflow()
    stub.register(NAME, "1", status=status)
    with over(stub, MlflowAlias, "champion") as (target, _):
        report = target.execute(MLFLOW)
    assert (report.state, status in report.text) == (FAILED, True)


def test_mlflow_s_own_words_are_shown():
    """A reserved alias, and a model that is not there."""
    stub = an_mlflow()
    stub.models[NAME]["aliases"]["latest"] = "2"
    with over(stub, MlflowAlias, "latest") as (target, _):
        report = target.execute(MLFLOW)
        assert (report.state, "'latest' is reserved" in report.text) == (FAILED, True)
        stub.models.clear()
        assert f"Registered Model with name={NAME} not found" in target.execute(MLFLOW).text


def test_an_alias_that_is_not_set_serves_nothing():
    with over(an_mlflow(), MlflowAlias, "production") as (target, _):
        assert target.serving(NAME, "production") is None
        assert target.execute(MLFLOW).state is CONFLICT
        assert target.verify(MLFLOW).state is UNCLEAR


def test_triton_keeps_the_rest_of_the_configuration():
    """Another version policy, and the plan as a parameter beside those that are there."""
    stub = a_triton()
    stub.config["parameters"] = {"threads": {"string_value": "4"}}
    with over(stub, TritonTarget) as (target, server):
        assert target.execute(TRITON).state is EXECUTED
    assert stub.config == {
        "name": NAME,
        "backend": "onnxruntime",
        "max_batch_size": 8,
        "version_policy": {"specific": {"versions": [1]}},
        "parameters": {
            "threads": {"string_value": "4"},
            PARAMETER: {"string_value": TRITON.id},
        },
    }
    (load,) = [one for one in server.seen if one.path.endswith("/load")]
    assert isinstance(json.loads(load.body)["parameters"]["config"], str)


def test_a_load_that_fails_keeps_what_serves():
    """The earlier version's files are damaged."""
    stub = a_triton()
    stub.broken.add(1)
    with over(stub, TritonTarget) as (target, _):
        report = target.execute(TRITON)
        assert (report.state, "load failed" in report.text) == (FAILED, True)
        assert target.serving(NAME, "production") == "v2"
        assert target.status(TRITON).state is READY


def test_a_server_that_loads_by_itself_refuses():
    stub = a_triton()
    stub.mode = "poll"
    with over(stub, TritonTarget) as (target, _):
        report = target.execute(TRITON)
    assert (report.state, "polling is enabled" in report.text) == (FAILED, True)


def test_a_version_that_is_still_loading_is_on_its_way():
    stub = a_triton()
    with over(stub, TritonTarget) as (target, _):
        target.execute(TRITON)
        stub.states[3] = "LOADING"
        assert target.verify(TRITON).state is PENDING


def test_a_server_that_started_anew_serves_the_latest_again():
    """What it was told is forgotten: ``verify`` says so, and the plan could be sent again."""
    stub = a_triton()
    with over(stub, TritonTarget) as (target, _):
        target.execute(TRITON)
        stub.release(2)
        assert target.verify(TRITON).state is CONFLICT
        assert target.status(TRITON).state is READY


def test_several_ready_versions_answer_as_the_highest():
    """Requests without a version go to the highest that is ready."""
    stub = a_triton()
    stub.states[1] = "READY"
    with over(stub, TritonTarget) as (target, _):
        assert target.serving(NAME, "production") == "v2"
        assert target.execute(TRITON).state is EXECUTED
    assert stub.states == {1: "READY", 2: "UNAVAILABLE"}


@pytest.mark.parametrize("target", [MlflowAlias, TritonTarget])
def test_a_version_that_is_no_number_is_refused(target):
    stub = an_mlflow() if target is MlflowAlias else a_triton()
    more = ("champion",) if target is MlflowAlias else ()
    with over(stub, target, *more) as (opened, _):
        report = opened.execute(a_plan("x", to_version="main"))
    assert report.state is FAILED
    assert "main is not the name of a numbered version" in report.text


@pytest.mark.parametrize(
    ("pattern", "name", "number"),
    [
        ("{number}", "12", "12"),
        ("v{number}", "v12", "12"),
        ("reader-{number}-gpu", "reader-3-gpu", "3"),
        ("v{number}", "12", None),
        ("v{number}", "v012", None),
        ("v{number}", "v1\n", None),
        ("v{number}", "v\u0661", None),
        ("a.{number}", "ab1", None),
    ],
)
def test_names_of_numbered_versions(pattern, name, number):
    names = NumberedName.parse(pattern)
    assert names.number(name) == number
    if number is not None:
        assert names.name(number) == name


@pytest.mark.parametrize("text", ["", "v", "{number}{number}", "{version}"])
def test_patterns_without_a_number_are_refused(text):
    with pytest.raises(ValueError, match="number"):
        NumberedName.parse(text)
