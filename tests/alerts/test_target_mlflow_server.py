"""The alias target on MLflow's own server; and that the stub answers as the server does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from heavy_servers import home, started
from stub_receivers.server import ReceiverServer
from stub_targets.controllers import NAME
from stub_targets.mlflow import PREFIX, MlflowStub
from test_target_contract import CONFLICT, EXECUTED, FAILED, READY, a_plan

from alerts.actions.targets.mlflow import MlflowAlias
from alerts.actions.targets.system_http import SystemHttp
from alerts.actions.targets.version_names import NumberedName

PLAN = a_plan("mlflow")

pytestmark = [pytest.mark.servers, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its address."""
    program, folder = home("mlflow") / "bin" / "mlflow", tmp_path_factory.mktemp("mlflow")

    def command(port: str) -> list[str | Path]:
        return [
            *(program, "server", "--backend-store-uri", f"sqlite:///{folder}/store.db"),
            *("--artifacts-destination", folder / "artifacts", "--workers", "1"),
            *("--host", "127.0.0.1", "--port", port),
        ]

    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    with started(folder, command, environment=quiet) as url:
        yield url


class Registry:
    """What a person does in the registry."""

    def __init__(self, url: str, model: str) -> None:
        self.url, self.model = url, model
        self._post("registered-models/create", name=model)

    def release(self, number: str) -> None:
        self._post("model-versions/create", name=self.model, source=f"s3://models/{number}")
        self.point(number)

    def point(self, number: str) -> None:
        self._post("registered-models/alias", name=self.model, alias="champion", version=number)

    def _post(self, path: str, **body: str) -> None:
        httpx.post(f"{self.url}{PREFIX}{path}", json=body, timeout=30.0).raise_for_status()


@pytest.fixture
def registry(server: str, request: pytest.FixtureRequest) -> Registry:
    """A model of its own for each test: version 2 serves, after version 1."""
    made = Registry(server, f"reader-{abs(hash(request.node.name))}")
    for number in ("1", "2"):
        made.release(number)
    return made


@pytest.fixture
def target(registry: Registry) -> Iterator[MlflowAlias]:
    http = SystemHttp("mlflow", registry.url, timeout_s=30.0)
    made = MlflowAlias(http, registry.model, "champion", NumberedName.parse("v{number}"))
    yield made
    made.close()


def test_a_plan_is_rehearsed_carried_out_once_and_verified(registry, target):
    assert target.serving(NAME, "production") == "v2"
    assert target.dry_run(PLAN).state is READY
    assert target.verify(PLAN).state is CONFLICT
    assert target.execute(PLAN).state is EXECUTED
    assert target.serving(NAME, "production") == "v1"
    assert target.verify(PLAN).state is EXECUTED
    registry.release("3")
    assert target.execute(PLAN).state is EXECUTED
    assert target.serving(NAME, "production") == "v3"


def test_what_people_changed_stays(registry, target):
    assert target.dry_run(PLAN).state is READY
    registry.release("3")
    assert target.execute(PLAN).state is CONFLICT
    assert target.serving(NAME, "production") == "v3"


def test_a_service_that_was_killed_in_between_finds_out(registry, target, monkeypatch):
    """After the first note, and after the alias: the note in the registry tells."""
    done: list[str] = []
    ask = MlflowAlias._ask

    def dying(self: Any, method: str, path: str, *args: Any, **more: Any) -> Any:
        if method == "POST" and len(done) == dying.after:
            raise KeyboardInterrupt
        done.append(path) if method == "POST" else None
        return ask(self, method, path, *args, **more)

    for after, found in ((1, READY), (2, EXECUTED)):
        registry.point("2")
        plan = a_plan("mlflow", attempt=after)
        done.clear()
        dying.after = after
        with monkeypatch.context() as patch:
            patch.setattr(MlflowAlias, "_ask", dying)
            with pytest.raises(KeyboardInterrupt):
                target.execute(plan)
        assert target.status(plan).state is found
        assert target.execute(plan).state is EXECUTED
        assert target.serving(NAME, "production") == "v1"


def test_a_version_or_model_that_is_not_there_is_refused(registry, target):
    report = target.execute(a_plan("mlflow", to_version="v9"))
    assert (report.state, "has no version 9" in report.text) == (FAILED, True)
    http = SystemHttp("mlflow", registry.url, timeout_s=30.0)
    lost = MlflowAlias(http, "no-such-model", "champion", NumberedName.parse("v{number}"))
    assert "Registered Model with name=no-such-model not found" in lost.execute(PLAN).text
    lost.close()


ASKED: list[tuple[str, str, dict[str, str]]] = [
    ("GET", "registered-models/get", {"name": "MODEL"}),
    ("GET", "registered-models/get", {"name": "no-such-model"}),
    ("GET", "model-versions/get", {"name": "MODEL", "version": "1"}),
    ("GET", "model-versions/get", {"name": "MODEL", "version": "9"}),
    ("GET", "model-versions/get", {"name": "MODEL", "version": "x"}),
    ("POST", "registered-models/set-tag", {"name": "MODEL", "key": PLAN.id, "value": "sent"}),
    ("POST", "registered-models/set-tag", {"name": "MODEL", "value": "sent"}),
    ("POST", "registered-models/set-tag", {"name": "MODEL", "key": "a*b", "value": "sent"}),
    ("POST", "registered-models/alias", {"name": "MODEL", "alias": "a", "version": "1"}),
    ("POST", "registered-models/alias", {"name": "MODEL", "alias": "a", "version": "9"}),
    ("POST", "registered-models/alias", {"name": "MODEL", "alias": "v1", "version": "1"}),
    ("POST", "registered-models/alias", {"name": "MODEL", "alias": "latest", "version": "1"}),
    ("POST", "registered-models/alias", {"name": "MODEL", "alias": "a"}),
    ("GET", "registered-models/get", {"name": "MODEL"}),
]


def test_the_stub_answers_as_the_server_does(registry):
    """Status, code of the error, and the fields that the target reads."""
    stub = MlflowStub("a-token-0123456789")
    for number in ("1", "2"):
        stub.register(registry.model, number)
    stub.models[registry.model]["aliases"]["champion"] = "2"
    with ReceiverServer(stub).running() as stubbed:
        for method, path, fields in ASKED:
            values = {k: registry.model if v == "MODEL" else v for k, v in fields.items()}
            kind = "params" if method == "GET" else "json"
            real, ours = (
                httpx.request(
                    method,
                    f"{url}{PREFIX}{path}",
                    headers={"Authorization": "Bearer a-token-0123456789"},
                    timeout=30.0,
                    **{kind: values},
                )
                for url in (registry.url, stubbed)
            )
            assert essence(ours) == essence(real), (method, path, values)


def essence(reply: httpx.Response) -> tuple[Any, ...]:
    plain = reply.json()
    model = plain.get("registered_model", {})
    version = plain.get("model_version", {})
    return (
        reply.status_code,
        plain.get("error_code"),
        model.get("tags"),
        sorted(map(str, model.get("aliases", ()))),
        {key: version.get(key) for key in ("version", "status")},
    )
