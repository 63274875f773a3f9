"""What kubectl does to the stub of the API server, beside what the rollback target does to it."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from stub_receivers.server import ReceiverServer
from stub_targets.controllers import LABEL, NAME, DeploymentController
from stub_targets.kubernetes import KubernetesStub
from test_target_contract import EXECUTED, PENDING, a_plan

from alerts.actions.targets.deployment import DeploymentTarget
from alerts.actions.targets.kubernetes_api import KubernetesApi
from alerts.actions.targets.pod_template import VersionPlace
from alerts.actions.targets.system_http import SystemHttp
from monitor.standins.reply import Reply, Request, as_json

TOKEN = "a-token-0123456789"
KUBECTL = shutil.which("kubectl")
KINDS = {"deployments": "Deployment", "replicasets": "ReplicaSet"}
JSON = {"Content-Type": "application/json"}
APPS = {"groupVersion": "apps/v1", "version": "v1"}
DISCOVERY = {
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": []},
    "/apis": {
        "kind": "APIGroupList",
        "apiVersion": "v1",
        "groups": [{"name": "apps", "versions": [APPS], "preferredVersion": APPS}],
    },
    "/apis/apps/v1": {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": "apps/v1",
        "resources": [
            {
                "name": plural,
                "singularName": kind.lower(),
                "namespaced": True,
                "kind": kind,
                "verbs": ["get", "list", "patch", "watch"],
            }
            for plural, kind in KINDS.items()
        ],
    },
}

pytestmark = pytest.mark.skipif(KUBECTL is None, reason="kubectl is not installed")


def a_cluster() -> tuple[KubernetesStub, DeploymentController]:
    api = KubernetesStub(TOKEN)
    controller = DeploymentController(api)
    for version in ("v2", "v3"):
        controller.release(version)
        controller.settle()
    return api, controller


def for_kubectl(api: KubernetesStub) -> ReceiverServer:
    """With discovery, kinds, and the token that kubectl sends over TLS only."""

    def dialect(request: Request) -> Reply:
        if request.path in DISCOVERY:
            return as_json(DISCOVERY[request.path], headers=JSON)
        headers = {**request.headers, "Authorization": f"Bearer {TOKEN}"}
        reply = api(dataclasses.replace(request, headers=headers))
        plain = json.loads(reply.body)
        typed(plain, request.path)
        return as_json(plain, reply.status, JSON)

    return ReceiverServer(dialect)


def typed(plain: dict[str, Any], path: str) -> None:
    if plain.get("kind") == "Status":
        return
    kind = next(kind for plural, kind in KINDS.items() if f"/{plural}" in path)
    if "items" in plain:
        plain.update(kind=f"{kind}List", apiVersion="apps/v1", metadata={})
    for each in plain.get("items", [plain]):
        each.setdefault("kind", kind)
        each.setdefault("apiVersion", "apps/v1")


def kubectl(url: str, folder: Path, *arguments: str) -> str:
    assert KUBECTL is not None
    command = (KUBECTL, f"--server={url}", "--namespace=models", f"--cache-dir={folder}")
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "KUBECONFIG": "/dev/null"}
    done = subprocess.run(
        (*command, *arguments),
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def bare(value: Any) -> Any:
    """Without what is empty: kubectl writes some fields of its types that are not set."""
    if isinstance(value, dict):
        return {key: bare(one) for key, one in value.items() if one not in (None, {})}
    return [bare(one) for one in value] if isinstance(value, list) else value


def test_undo_by_kubectl_and_by_vigil_come_to_the_same(tmp_path):
    """Both go from v3 back to v1, its revision 1: the same template, one patch of one kind."""
    theirs, _ = a_cluster()
    server = for_kubectl(theirs)
    with server.running() as url:
        said = kubectl(url, tmp_path, "rollout", "undo", f"deployment/{NAME}", "--to-revision=1")
    assert "rolled back" in said
    ours, _ = a_cluster()
    own = ReceiverServer(ours)
    with own.running() as url:
        http = SystemHttp("deployment", url, token=lambda: TOKEN)
        place = VersionPlace.parse(f"label:{LABEL}")
        target = DeploymentTarget(KubernetesApi(http, ours.namespace), NAME, place)
        plan = a_plan("deployment", from_version="v3")
        assert target.execute(plan).state is PENDING
        target.close()
    specs = [bare(api.objects["deployments", NAME]["spec"]) for api in (theirs, ours)]
    assert specs[0] == specs[1]
    patches = [one for seen in (server.seen, own.seen) for one in seen if one.method == "PATCH"]
    assert [one.header("Content-Type") for one in patches] == ["application/json-patch+json"] * 2
    assert [one.path for one in patches] == [patches[0].path] * 2


def test_kubectl_shows_the_rollback_in_the_history(tmp_path):
    """The change cause names the plan: who looks at the cluster sees where it came from."""
    api, controller = a_cluster()
    with for_kubectl(api).running() as url:
        http = SystemHttp("deployment", url, token=lambda: TOKEN)
        place = VersionPlace.parse(f"label:{LABEL}")
        target = DeploymentTarget(KubernetesApi(http, api.namespace), NAME, place)
        plan = a_plan("deployment", from_version="v3")
        target.execute(plan)
        target.close()
        controller.settle()
        said = kubectl(url, tmp_path, "rollout", "history", f"deployment/{NAME}")
    assert f"vigil {plan.id}" in said


def test_a_person_who_undoes_a_rollback_is_not_overruled(tmp_path):
    """``kubectl rollout undo`` takes our annotation from the Deployment; the replica set that the
    plan brought back still has it, so the plan counts as carried out."""
    api, controller = a_cluster()
    with for_kubectl(api).running() as url:
        http = SystemHttp("deployment", url, token=lambda: TOKEN)
        place = VersionPlace.parse(f"label:{LABEL}")
        target = DeploymentTarget(KubernetesApi(http, api.namespace), NAME, place)
        plan = a_plan("deployment", from_version="v3")
        target.execute(plan)
        controller.settle()
        kubectl(url, tmp_path, "rollout", "undo", f"deployment/{NAME}", "--to-revision=3")
        controller.settle()
        assert target.serving(NAME, "production") == "v3"
        assert plan.id not in str(controller.thing["metadata"]["annotations"])
        assert target.execute(plan).state is EXECUTED
        assert target.serving(NAME, "production") == "v3"
        target.close()
