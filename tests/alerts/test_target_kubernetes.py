"""What rollback targets make of a cluster: replica sets, busy objects, rights, renewed tokens."""

from __future__ import annotations

import copy
import ssl
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from stub_receivers.server import ReceiverServer
from stub_targets.controllers import LABEL, NAME, DeploymentController, template
from stub_targets.kubernetes import KubernetesStub
from test_target_contract import CONFLICT, EXECUTED, FAILED, PENDING, READY, UNCLEAR, a_plan

from alerts.actions.targets.deployment import REVISION, DeploymentTarget, rollout
from alerts.actions.targets.kubernetes_api import KubernetesApi, selector
from alerts.actions.targets.pod_template import VersionPlace
from alerts.actions.targets.replica_sets import ANNOTATION
from alerts.actions.targets.situation import Arrival
from alerts.actions.targets.system_http import SystemHttp

PLACE = VersionPlace.parse(f"label:{LABEL}")
PLAN = a_plan("deployment")


class Cluster:
    """A Deployment at v2, after v1. ``token`` is what the service sends."""

    def __init__(self) -> None:
        self.token = "first-token-0123456789"
        self.api = KubernetesStub(self.token)
        self.controller = DeploymentController(self.api)
        self.release("v2")
        self.server = ReceiverServer(self.api)

    @property
    def thing(self) -> dict[str, Any]:
        return self.controller.thing

    def release(self, version: str) -> None:
        self.controller.release(version)
        self.controller.settle()

    @contextmanager
    def target(self, *, namespace: str = "models", name: str = NAME, ca_file: Path | None = None):
        with self.server.running() as url:
            http = SystemHttp("deployment", url, token=lambda: self.token, ca_file=ca_file)
            target = DeploymentTarget(KubernetesApi(http, namespace), name, PLACE)
            try:
                yield target
            finally:
                target.close()


def test_a_rollback_is_what_kubectl_would_do():
    """The template of the replica set without the controller's label; annotations are kept."""
    cluster = Cluster()
    cluster.thing["metadata"]["annotations"]["team"] = "vision"
    with cluster.target() as target:
        assert target.execute(PLAN).state is PENDING
    assert cluster.thing["spec"]["template"] == template("v1")
    assert cluster.thing["metadata"]["annotations"] == {
        "team": "vision",
        REVISION: "2",
        ANNOTATION: PLAN.id,
        "kubernetes.io/change-cause": f"vigil {PLAN.id}",
    }


def test_it_is_pending_until_all_pods_are_there():
    """Executed means that the old pods are gone; a rollout that gives up has failed."""
    cluster = Cluster()
    with cluster.target() as target:
        target.execute(PLAN)
        assert target.verify(PLAN).state is PENDING
        cluster.controller.settle()
        status = cluster.thing["status"]
        status["replicas"] = 4
        assert target.status(PLAN).state is PENDING
        status["conditions"] = [{"type": "Progressing", "reason": "ProgressDeadlineExceeded"}]
        assert target.status(PLAN).state is FAILED
        assert target.verify(PLAN).state is FAILED
        cluster.controller.settle()
        assert target.status(PLAN).state is EXECUTED
        assert target.verify(PLAN).state is EXECUTED


@pytest.mark.parametrize(
    ("status", "arrival"),
    [
        ({}, Arrival.UNDER_WAY),
        ({"observedGeneration": 1, "updatedReplicas": 3}, Arrival.UNDER_WAY),
        ({"observedGeneration": 2}, Arrival.UNDER_WAY),
        ({"observedGeneration": 2, "updatedReplicas": 3}, Arrival.UNDER_WAY),
        (
            {"observedGeneration": 2, "updatedReplicas": 3, "availableReplicas": 3, "replicas": 5},
            Arrival.UNDER_WAY,
        ),
        (
            {"observedGeneration": 2, "updatedReplicas": 3, "availableReplicas": 3, "replicas": 3},
            Arrival.COMPLETE,
        ),
    ],
)
def test_a_rollout_is_complete_when_only_new_pods_serve(status, arrival):
    thing = {"metadata": {"generation": 2}, "spec": {"replicas": 3}, "status": status}
    assert rollout(thing)[0] is arrival


def test_a_paused_deployment_is_refused():
    """Nothing would come of the patch before someone resumes it."""
    cluster = Cluster()
    cluster.thing["spec"]["paused"] = True
    with cluster.target() as target:
        report = target.execute(PLAN)
        assert (report.state, "paused" in report.text) == (FAILED, True)
        assert target.dry_run(PLAN).state is FAILED
    assert not cluster.api.changed


def test_the_newest_of_several_replica_sets_with_the_version_is_taken():
    """v1 was deployed twice, with another image the second time."""
    cluster = Cluster()
    again = template("v1")
    again["spec"]["containers"][0]["image"] = "registry:5000/reader:v1-rebuilt"
    thing = copy.deepcopy(cluster.thing)
    thing["spec"]["template"] = again
    cluster.api.put("deployments", thing)
    cluster.controller.settle()
    cluster.release("v3")
    with cluster.target() as target:
        target.execute(a_plan("deployment", from_version="v3"))
    assert cluster.thing["spec"]["template"] == again


def test_a_replica_set_of_another_owner_is_none_of_ours():
    """It matches the selector, and belongs to someone else."""
    cluster = Cluster()
    for (plural, _), one in cluster.api.objects.items():
        if plural == "replicasets" and PLACE.version_in(one["spec"]["template"]) == "v1":
            one["metadata"]["ownerReferences"] = [{"controller": True, "uid": "other"}]
    with cluster.target() as target:
        report = target.execute(PLAN)
    assert report.state is FAILED
    assert "no replica set of reader with v1 is left" in report.text


@pytest.mark.parametrize(("times", "state"), [(2, PENDING), (99, UNCLEAR)])
def test_a_busy_deployment_is_read_again(times, state):
    """Controllers write its status all the time: each makes a new resource version."""
    cluster = Cluster()
    left = [times]

    def busy(request):
        if request.method == "PATCH" and left[0]:
            left[0] -= 1
            cluster.api.touch("deployments", NAME)
        return cluster.api(request)

    cluster.server.dialect = busy
    with cluster.target() as target:
        assert target.execute(PLAN).state is state
    assert len(cluster.api.changed) == (1 if state is PENDING else 0)


def test_a_patch_that_is_invalid_is_refused_and_not_repeated():
    """422 while nothing changed: the API server will not take it."""
    cluster = Cluster()
    cluster.thing["spec"]["selector"]["matchLabels"]["tier"] = "gpu"
    for (plural, _), one in cluster.api.objects.items():
        if plural == "replicasets":
            one["metadata"]["labels"] = {**one["metadata"]["labels"], "tier": "gpu"}
    with cluster.target() as target:
        assert target.dry_run(PLAN).state is FAILED
        report = target.execute(PLAN)
    assert (report.state, "selector" in report.text) == (FAILED, True)
    assert sum(one.method == "PATCH" for one in cluster.server.seen) == 2


def test_every_dry_run_is_the_api_server_s_own():
    """``dryRun=All``: admission and validation run, nothing is stored."""
    cluster = Cluster()
    before = copy.deepcopy(cluster.api.objects)
    with cluster.target() as target:
        assert target.dry_run(PLAN).state is READY
    patches = [one for one in cluster.server.seen if one.method == "PATCH"]
    assert [one.query["dryRun"] for one in patches] == ["All"]
    assert cluster.api.objects == before


def test_a_renewed_token_is_used():
    """Tokens of service accounts live for an hour: the old one is refused after that."""
    cluster = Cluster()
    with cluster.target() as target:
        assert target.dry_run(PLAN).state is READY
        cluster.api.token = "second-token-0123456789"
        refused = target.dry_run(PLAN)
        assert (refused.state, "401" in refused.text) == (FAILED, True)
        cluster.token = cluster.api.token
        assert target.execute(PLAN).state is PENDING


def test_only_the_cluster_s_own_certificates_are_trusted(certificate):
    """A cluster signs its own: with its authority it is reached, without it no token is sent."""
    cluster = Cluster()
    cluster.server.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    cluster.server.tls.load_cert_chain(certificate / "c", certificate / "k")
    with cluster.target(ca_file=certificate / "c") as target:
        assert target.dry_run(PLAN).state is READY
    stranger = Cluster()
    stranger.server.tls = cluster.server.tls
    with stranger.target() as target:
        report = target.execute(PLAN)
    assert (report.state, "its certificate is not valid" in report.text) == (UNCLEAR, True)
    assert stranger.server.seen == []


def test_missing_rights_are_named():
    """The API server's own words, and what it was about."""
    cluster = Cluster()
    with cluster.target(namespace="other") as target:
        report = target.execute(PLAN)
    assert report.state is FAILED
    assert 'HTTP 403 deployments is forbidden: no access in the namespace "other"' in report.text
    with Cluster().target(name="typo") as target:
        assert 'HTTP 404 deployments "typo" not found' in target.execute(PLAN).text
        assert target.verify(PLAN).state is UNCLEAR


def test_ten_plans_are_remembered():
    """The annotation does not grow for ever."""
    cluster = Cluster()
    with cluster.target() as target:
        for attempt in range(1, 14):
            plan = a_plan("deployment", attempt=attempt)
            assert target.execute(plan).state is PENDING
            cluster.controller.settle()
            assert target.status(plan).state is EXECUTED
            cluster.release("v2")
        assert target.status(a_plan("deployment", attempt=4)).state is EXECUTED
        assert target.status(a_plan("deployment", attempt=3)).state is READY
    assert len(cluster.thing["metadata"]["annotations"][ANNOTATION].split()) == 10


def test_a_version_that_pods_do_not_tell_is_a_conflict():
    """The label is not there: it can't be known what serves, so nothing is done."""
    cluster = Cluster()
    del cluster.thing["spec"]["template"]["metadata"]["labels"][LABEL]
    with cluster.target() as target:
        assert target.serving(NAME, "production") is None
        assert target.execute(PLAN).state is CONFLICT
        assert target.verify(PLAN).state is UNCLEAR
    assert not cluster.api.changed


def test_selectors_are_written_as_the_api_server_reads_them():
    assert (
        selector(
            {
                "matchLabels": {"b": "2", "a": "1"},
                "matchExpressions": [
                    {"key": "c", "operator": "In", "values": ["x", "y"]},
                    {"key": "d", "operator": "NotIn", "values": ["z"]},
                    {"key": "e", "operator": "Exists"},
                    {"key": "f", "operator": "DoesNotExist"},
                ],
            }
        )
        == "a=1,b=2,c in (x,y),d notin (z),e,!f"
    )


@pytest.mark.parametrize(
    ("place", "version"),
    [
        ("label:app.kubernetes.io/version", "v7"),
        ("annotation:model", "m3"),
        ("image:model", "v2"),
        ("image:side", "sha256:abc"),
        ("image:bare", None),
        ("env:MODEL_VERSION", "2026-11"),
        ("env:FROM_A_MAP", None),
        ("label:none", None),
    ],
)
def test_versions_are_found_where_the_settings_say(place, version):
    pods = {
        "metadata": {"labels": {"app.kubernetes.io/version": "v7"}, "annotations": {"model": "m3"}},
        "spec": {
            "containers": [
                {"name": "side", "image": "registry:5000/side@sha256:abc"},
                {"name": "bare", "image": "registry:5000/bare"},
                {
                    "name": "model",
                    "image": "registry:5000/reader:v2@sha256:def",
                    "env": [
                        {"name": "MODEL_VERSION", "value": "2026-11"},
                        {"name": "FROM_A_MAP", "valueFrom": {"configMapKeyRef": {}}},
                    ],
                },
            ]
        },
    }
    assert VersionPlace.parse(place).version_in(pods) == version
    assert VersionPlace.parse(place).version_in({}) is None


@pytest.mark.parametrize("text", ["", "label", "label:", "tag:x", "image"])
def test_other_places_are_refused(text):
    with pytest.raises(ValueError, match="label:KEY"):
        VersionPlace.parse(text)
