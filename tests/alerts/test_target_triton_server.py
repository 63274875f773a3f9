"""The Triton target on Triton's own server; and that the stub answers as the server does."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from heavy_servers import home, started
from stub_receivers.server import ReceiverServer
from stub_targets.controllers import NAME
from stub_targets.triton import TritonStub
from test_target_contract import CONFLICT, EXECUTED, FAILED, READY, a_plan

from alerts.actions.targets.system_http import SystemHttp
from alerts.actions.targets.triton import PARAMETER, TritonTarget
from alerts.actions.targets.version_names import NumberedName

TOKEN = "a-token-0123456789"
PLAN = a_plan("triton")
CONFIG = """
name: "reader"
backend: "python"
max_batch_size: 8
input [ { name: "x" data_type: TYPE_FP32 dims: [ 1 ] } ]
output [ { name: "y" data_type: TYPE_FP32 dims: [ 1 ] } ]
instance_group [ { count: 1 kind: KIND_CPU } ]
parameters: { key: "threads" value: { string_value: "4" } }
"""
MODEL = """
class TritonPythonModel:
    def execute(self, requests):
        return []
"""
WHERE = (
    "import sys, sysconfig, pytriton; print(pytriton.__path__[0]); "
    "print(sysconfig.get_path('purelib')); print(sysconfig.get_config_var('LIBDIR')); "
    "print('%d.%d' % sys.version_info[:2])"
)

pytestmark = [pytest.mark.servers, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its address, in explicit mode; versions 1 and 2 are there, and 3, which is damaged."""
    folder = tmp_path_factory.mktemp("triton")
    python = home("nvidia-pytriton") / "bin" / "python"
    said = subprocess.run((python, "-c", WHERE), check=True, capture_output=True, text=True)
    package, packages, libraries, version = said.stdout.split()
    triton = Path(package) / "tritonserver"
    helper = triton / "python_backend_stubs" / version / "triton_python_backend_stub"
    if not helper.exists():
        pytest.skip(f"it runs no models of Python {version}")
    # It finds its libraries beside where it is, so it runs there.
    program, backends = triton / "bin" / "tritonserver", triton / "backends"
    shutil.copy(helper, backends / "python")
    for each in (program, backends / "python" / helper.name):
        each.chmod(0o755)
    for number, text in (("1", MODEL), ("2", MODEL), ("3", "this is no Python")):
        (folder / "models" / NAME / number).mkdir(parents=True)
        (folder / "models" / NAME / number / "model.py").write_text(text)
    (folder / "models" / NAME / "config.pbtxt").write_text(CONFIG)

    def command(port: str) -> list[str | Path]:
        return [
            *(program, f"--model-repository={folder}/models"),
            *(f"--backend-directory={backends}", "--model-control-mode=explicit"),
            *("--http-address=127.0.0.1", f"--http-port={port}"),
            *("--allow-grpc=false", "--allow-metrics=false"),
        ]

    environment = {"LD_LIBRARY_PATH": libraries, "PYTHONPATH": packages}
    with started(folder, command, health="/v2/health/ready", environment=environment) as url:
        yield url


def load(url: str, *versions: int) -> None:
    """As a person releases: the model is loaded with these versions, and without our note."""
    policy = f'{{"specific": {{"versions": {list(versions)}}}}}'
    config = (
        f'{{"name": "{NAME}", "backend": "python", "max_batch_size": 8, "version_policy": {policy},'
        '"input": [{"name": "x", "data_type": "TYPE_FP32", "dims": [1]}],'
        '"output": [{"name": "y", "data_type": "TYPE_FP32", "dims": [1]}],'
        '"instance_group": [{"count": 1, "kind": "KIND_CPU"}],'
        '"parameters": {"threads": {"string_value": "4"}}}'
    )
    path = f"{url}/v2/repository/models/{NAME}/load"
    body = {"parameters": {"config": config}}
    httpx.post(path, json=body, timeout=60.0).raise_for_status()


@pytest.fixture
def target(server: str) -> Iterator[TritonTarget]:
    """Version 2 serves."""
    load(server, 2)
    http = SystemHttp("triton", server, timeout_s=60.0)
    made = TritonTarget(http, NAME, NumberedName.parse("v{number}"))
    yield made
    made.close()


def test_a_plan_is_rehearsed_carried_out_once_and_verified(server, target):
    assert target.serving(NAME, "production") == "v2"
    assert target.dry_run(PLAN).state is READY
    assert target.verify(PLAN).state is CONFLICT
    assert target.execute(PLAN).state is EXECUTED
    assert target.serving(NAME, "production") == "v1"
    assert target.verify(PLAN).state is EXECUTED
    assert target.execute(PLAN).state is EXECUTED
    config = httpx.get(f"{server}/v2/models/{NAME}/config", timeout=30.0).json()
    assert config["parameters"] == {
        "threads": {"string_value": "4"},
        PARAMETER: {"string_value": PLAN.id},
    }
    assert [is_ready(server, version) for version in (1, 2)] == [True, False]


def is_ready(url: str, version: int) -> bool:
    """Whether this version of the model would infer."""
    path = f"{url}/v2/models/{NAME}/versions/{version}/ready"
    return httpx.get(path, timeout=30.0).status_code == 200


@pytest.mark.parametrize(("version", "why"), [("v9", "at least one version"), ("v3", "")])
def test_a_version_that_can_not_be_loaded_keeps_what_serves(server, target, version, why):
    """It is not there, or its files are damaged."""
    report = target.execute(a_plan("triton", to_version=version))
    assert (report.state, why in report.text) == (FAILED, True)
    assert target.serving(NAME, "production") == "v2"
    assert is_ready(server, 2)
    assert target.status(PLAN).state is READY


def test_what_people_loaded_meanwhile_stays(server, target):
    load(server, 1)
    assert target.execute(PLAN).state is CONFLICT
    assert target.verify(PLAN).state is EXECUTED


def test_the_stub_answers_as_the_server_does(server, target):
    """Statuses, and whether it is an error; of the index, names, versions and what is ready."""
    target.execute(PLAN)
    stub = TritonStub(TOKEN, NAME)
    for version in (1, 2):
        stub.release(version)
    config = f"/v2/models/{NAME}/config"
    path = f"/v2/repository/models/{NAME}/load"
    bad = '{"name": "reader", "version_policy": {"specific": {"versions": [9]}}}'
    asked: list[tuple[str, str, Any]] = [
        ("GET", config, None),
        ("GET", "/v2/models/other/config", None),
        ("POST", path, {"parameters": {"config": {"not": "a string"}}}),
        ("POST", path, {"parameters": {"config": bad}}),
        ("POST", "/v2/repository/models/other/load", {}),
    ]
    with ReceiverServer(stub).running() as stubbed:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        for method, where, body in asked:
            real, ours = (
                httpx.request(method, f"{url}{where}", json=body, headers=headers, timeout=60.0)
                for url in (server, stubbed)
            )
            assert essence(ours) == essence(real), (where, body, real.text, ours.text)


def essence(reply: httpx.Response) -> tuple[int, bool, str]:
    plain = reply.json()
    return reply.status_code, "error" in plain, str(plain.get("name", ""))
