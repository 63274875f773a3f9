"""A rollback of a Deployment through the service: pods take time, answers get lost, people act."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from rsp_rollbacks import ready, work
from rsp_stage import FAMILY, Stage
from stub_receivers.server import ReceiverServer, Trouble
from stub_targets.controllers import LABEL, NAME, DeploymentController
from stub_targets.kubernetes import KubernetesStub

from alerts.actions.targets.deployment import DeploymentTarget
from alerts.actions.targets.kubernetes_api import KubernetesApi
from alerts.actions.targets.pod_template import VersionPlace
from alerts.actions.targets.system_http import SystemHttp

TOKEN = "MarkedSecret0123456789abcdefghij"


class Cluster:
    def __init__(self) -> None:
        self.api = KubernetesStub(TOKEN)
        self.controller = DeploymentController(self.api)
        self.release("v2")
        self.server = ReceiverServer(self.api)

    def release(self, version: str) -> None:
        self.controller.release(version)
        self.controller.settle()

    @property
    def rollbacks(self) -> int:
        return len(self.api.changed)


@pytest.fixture
def cluster(stage: Stage) -> Iterator[Cluster]:
    made = Cluster()
    with made.server.running() as url:
        http = SystemHttp("deployment", url, token=lambda: TOKEN, timeout_s=0.5)
        api = KubernetesApi(http, made.api.namespace)
        target = DeploymentTarget(api, NAME, VersionPlace.parse(f"label:{LABEL}"))
        stage.targets[FAMILY] = target
        stage.wire()
        yield made
        target.close()


def test_it_is_watched_once_the_pods_are_there(stage: Stage, cluster: Cluster):
    """Until then the rollback is under way, and says how far it has come."""
    incident, action = stage.bad_release()
    ready(stage)
    work(stage)
    row = stage.action(action)
    assert row.state == "executing", row.result
    assert "v1 is on its way" in row.result["text"]
    cluster.controller.settle()
    work(stage, steps=6, each_s=30.0)
    assert stage.action(action).state == "verifying"
    assert stage.incident_row(incident).state == "monitoring"
    assert cluster.rollbacks == 1


@pytest.mark.parametrize("how", ["drop", "reset", "hang"])
def test_an_answer_that_is_lost_after_it_was_carried_out_is_found_out(
    stage: Stage, cluster: Cluster, how: str
):
    """The API server took the patch, and the line broke: the status finds the plan there."""
    _, action = stage.bad_release()
    ready(stage)
    taken = cluster.server.dialect

    def dialect(request):
        reply = taken(request)
        if request.method == "PATCH" and "dryRun" not in request.query:
            cluster.server.then(Trouble(how=how))
        return reply

    cluster.server.dialect = dialect
    work(stage, steps=2)
    cluster.controller.settle()
    work(stage, steps=6, each_s=30.0)
    assert stage.action(action).state == "verifying", stage.action(action).result
    assert cluster.rollbacks == 1


def test_what_people_released_meanwhile_stays(stage: Stage, cluster: Cluster):
    """v3 came by hand between the decision and the execution."""
    incident, action = stage.bad_release()
    ready(stage)
    cluster.release("v3")
    work(stage, steps=6, each_s=30.0)
    row = stage.action(action)
    assert row.state in ("failed", "refused"), row.state
    assert cluster.rollbacks == 0
    assert stage.incident_row(incident).state != "monitoring"


def test_a_deployment_that_is_gone_fails_loudly_and_without_secrets(stage: Stage, cluster: Cluster):
    incident, action = stage.bad_release()
    ready(stage)
    del cluster.api.objects["deployments", NAME]
    work(stage, steps=6, each_s=30.0)
    row = stage.action(action)
    assert row.state in ("failed", "refused", "waiting"), row.state
    assert TOKEN not in f"{row.result} {row.decision} {stage.timeline(incident)}"
    assert cluster.rollbacks == 0
