"""Rollbacks of Argo Rollouts and KServe: releases under way, one step back, no new revision."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Any

import pytest
from stub_receivers.server import ReceiverServer
from stub_targets.controllers import LABEL, NAME, KserveController, RolloutController
from stub_targets.kubernetes import KubernetesStub
from test_target_contract import EXECUTED, FAILED, PENDING, READY, a_plan

from alerts.actions.targets.argo_abort import ArgoAbort, aborted
from alerts.actions.targets.argo_undo import ArgoUndo, rollout
from alerts.actions.targets.kserve import KserveTarget
from alerts.actions.targets.kubernetes_api import KubernetesApi
from alerts.actions.targets.pod_template import VersionPlace
from alerts.actions.targets.situation import Arrival
from alerts.actions.targets.system_http import SystemHttp

TOKEN = "a-token-0123456789"
PLACE = VersionPlace.parse(f"label:{LABEL}")


@contextmanager
def over(api: KubernetesStub, target: Any):
    with ReceiverServer(api).running() as url:
        http = SystemHttp(target.kind, url, token=lambda: TOKEN, timeout_s=5.0)
        opened = target(KubernetesApi(http, api.namespace), NAME, PLACE)
        try:
            yield opened
        finally:
            opened.close()


def a_rollout(*, canary: bool, **options: Any) -> tuple[KubernetesStub, RolloutController]:
    """At v2 after v1; as a canary it is still under way."""
    api = KubernetesStub(TOKEN, **options)
    controller = RolloutController(api, canary=canary)
    controller.release("v2")
    controller.settle()
    return api, controller


def test_undo_takes_a_canary_back_at_once():
    """Back to the stable template: Argo skips the steps."""
    api, controller = a_rollout(canary=True)
    with over(api, ArgoUndo) as target:
        assert target.execute(a_plan("argo-undo")).state is PENDING
        controller.settle()
        assert target.verify(a_plan("argo-undo")).state is EXECUTED
    assert controller.thing["status"]["phase"] == "Healthy"


def test_abort_leaves_the_template_as_the_repository_says():
    api, controller = a_rollout(canary=True)
    before = controller.thing["spec"]
    with over(api, ArgoAbort) as target:
        assert target.execute(a_plan("argo-abort")).state is PENDING
        controller.settle()
        assert target.status(a_plan("argo-abort")).state is EXECUTED
    assert controller.thing["spec"] == before
    assert controller.thing["status"]["abort"] is True


def test_abort_works_where_the_status_is_no_subresource():
    """Older installations: the status is patched with the object."""
    api, controller = a_rollout(canary=True, statuses=())
    with over(api, ArgoAbort) as target:
        assert target.dry_run(a_plan("argo-abort")).state is READY
        target.execute(a_plan("argo-abort"))
        controller.settle()
        assert target.status(a_plan("argo-abort")).state is EXECUTED


def test_a_release_that_is_over_can_not_be_aborted():
    api, _ = a_rollout(canary=False)
    with over(api, ArgoAbort) as target:
        report = target.execute(a_plan("argo-abort"))
    assert report.state is FAILED
    assert "no release of reader is under way" in report.text
    assert not api.changed


def test_abort_leads_back_to_the_stable_version_only():
    api, _ = a_rollout(canary=True)
    with over(api, ArgoAbort) as target:
        report = target.dry_run(a_plan("argo-abort", to_version="v0"))
    assert (report.state, "back to v1, not to v0" in report.text) == (FAILED, True)


def test_a_template_that_is_kept_elsewhere_is_not_undone_here():
    """``workloadRef``: the Rollout has no template; what serves is told by its replica set."""
    api, controller = a_rollout(canary=True)
    controller.thing["spec"]["workloadRef"] = {"kind": "Deployment", "name": NAME}
    del controller.thing["spec"]["template"]
    with over(api, ArgoUndo) as target:
        assert target.serving(NAME, "production") == "v2"
        report = target.execute(a_plan("argo-undo"))
    assert (report.state, "use abort" in report.text) == (FAILED, True)
    assert not api.changed


@pytest.mark.parametrize(
    ("status", "arrival"),
    [
        ({"observedGeneration": "6", "phase": "Healthy"}, Arrival.UNDER_WAY),
        ({"observedGeneration": "7", "phase": "Healthy"}, Arrival.COMPLETE),
        ({"observedGeneration": "7", "phase": "Paused"}, Arrival.UNDER_WAY),
        ({"observedGeneration": "7", "phase": "Degraded", "message": "x"}, Arrival.GAVE_UP),
        ({}, Arrival.UNDER_WAY),
    ],
)
def test_a_rollout_has_come_as_far_as_argo_says(status, arrival):
    assert rollout({"metadata": {"generation": 7}, "status": status})[0] is arrival


@pytest.mark.parametrize(
    ("strategy", "status", "arrival"),
    [
        ("canary", {"updatedReplicas": 1}, Arrival.UNDER_WAY),
        ("canary", {}, Arrival.COMPLETE),
        ("canary", {"canary": {"weights": {"canary": {"weight": 20}}}}, Arrival.UNDER_WAY),
        (
            "canary",
            {"canary": {"weights": {"canary": {"weight": 0}}}, "updatedReplicas": 2},
            Arrival.COMPLETE,
        ),
        ("blueGreen", {"blueGreen": {"activeSelector": "a"}, "stableRS": "b"}, Arrival.UNDER_WAY),
        ("blueGreen", {"blueGreen": {"activeSelector": "b"}, "stableRS": "b"}, Arrival.COMPLETE),
    ],
)
def test_an_abort_is_over_when_no_traffic_is_left(strategy, status, arrival):
    thing = {"spec": {"strategy": {strategy: {}}}, "status": status}
    assert aborted(thing)[0] is arrival


def a_service(*releases: tuple[str, int | None]) -> tuple[KubernetesStub, KserveController]:
    api = KubernetesStub(TOKEN)
    controller = KserveController(api)
    for version, percent in releases:
        controller.release(version, percent)
        controller.settle()
    return api, controller


@pytest.mark.parametrize("percent", [None, 10, 100])
def test_kserve_goes_back_from_a_canary_and_from_a_full_release(percent):
    api, controller = a_service(("v2", percent))
    with over(api, KserveTarget) as target:
        assert target.serving(NAME, "production") == "v2"
        assert target.execute(a_plan("kserve")).state is PENDING
        controller.settle()
        assert target.status(a_plan("kserve")).state is EXECUTED
        assert target.serving(NAME, "production") == "v1"


def test_a_rollback_makes_no_new_revision():
    """A label or annotation on the service would: then the latest is another, and what all
    traffic goes back to is the version that is to be left."""
    api, controller = a_service(("v2", None))
    with over(api, KserveTarget) as target:
        target.execute(a_plan("kserve"))
        controller.settle()
        assert target.verify(a_plan("kserve")).state is EXECUTED
    revisions = [name for plural, name in api.objects if plural == "revisions"]
    assert len(revisions) == 2


def test_kserve_goes_one_step_back_and_says_which():
    """After v3 it can't go to v1: KServe only keeps the revision before the latest."""
    api, _ = a_service(("v2", None), ("v3", None))
    with over(api, KserveTarget) as target:
        report = target.execute(a_plan("kserve", from_version="v3"))
        assert report.state is FAILED
        assert "goes back to v2 from here, not to v1" in report.text
        assert target.dry_run(a_plan("kserve", from_version="v3", to_version="v2")).state is READY
    assert not api.changed


@pytest.mark.parametrize("target", [ArgoUndo, ArgoAbort, KserveTarget])
def test_a_cluster_without_the_kind_is_told(target):
    """Argo or KServe is not installed there: refused, not waited for."""
    api, _ = a_rollout(canary=True)
    api.groups = {"apps/v1"}
    with over(api, target) as opened:
        report = opened.execute(a_plan(target.kind))
    assert (report.state, "HTTP 404 404 page not found" in report.text) == (FAILED, True)


def test_a_first_revision_has_nothing_to_go_back_to():
    api, _ = a_service()
    with over(api, KserveTarget) as target:
        report = target.execute(a_plan("kserve", from_version="v1", to_version="v0"))
    assert (report.state, "no earlier revision" in report.text) == (FAILED, True)


@pytest.mark.parametrize("mode", ["RawDeployment", "Standard"])
def test_a_service_without_traffic_shares_is_refused(mode):
    """Outside of serverless mode the share would be set, and nothing would follow."""
    api, controller = a_service(("v2", None))
    controller.thing["metadata"]["annotations"] = {"serving.kserve.io/deploymentMode": mode}
    with over(api, KserveTarget) as target:
        report = target.execute(a_plan("kserve"))
    assert (report.state, mode in report.text) == (FAILED, True)
    assert not api.changed
