"""A rollback of a Kubernetes Deployment: its pod template becomes that of an earlier replica set.

The API server has no request for this. The template of the newest replica set that serves the
version is put back by one JSON patch, which also notes the plan in an annotation and holds only
for the resource version that was read: it is compared and set in one step. A paused Deployment is
refused, as ``kubectl rollout undo`` does. Where a tool keeps the Deployment as a repository says
(Argo CD, Flux), it would undo the rollback: use the webhook and let the pipeline change that.
"""

from __future__ import annotations

from typing import Any

from alerts.actions.targets.kubernetes_api import DEPLOYMENTS
from alerts.actions.targets.situation import Arrival
from alerts.actions.targets.template_target import TemplateTarget

REVISION = "deployment.kubernetes.io/revision"


class DeploymentTarget(TemplateTarget):
    """A Deployment of a namespace."""

    kind = "deployment"
    resource = DEPLOYMENTS
    revision_at = REVISION
    hash_label = "pod-template-hash"

    def wanted(self, found: dict[str, Any]) -> str | None:
        return self.place.version_in(found["spec"]["template"])

    def hindrance(self, found: dict[str, Any]) -> str:
        if found["spec"].get("paused"):
            return f"Deployment {self.name} is paused; resume it first"
        return ""

    def arrival(self, found: dict[str, Any]) -> tuple[Arrival, str]:
        return rollout(found)


def rollout(deployment: dict[str, Any]) -> tuple[Arrival, str]:
    """How far the pods of the template have come, as ``kubectl rollout status`` judges it."""
    spec, status = deployment["spec"], deployment.get("status") or {}
    if status.get("observedGeneration", 0) < deployment["metadata"].get("generation", 0):
        return Arrival.UNDER_WAY, "the controller has not seen it yet"
    for condition in status.get("conditions") or ():
        if condition.get("reason") == "ProgressDeadlineExceeded":
            return Arrival.GAVE_UP, "its progress deadline is over"
    wanted = spec.get("replicas", 1)
    updated, there = status.get("updatedReplicas", 0), status.get("replicas", 0)
    available = status.get("availableReplicas", 0)
    if updated < wanted or available < updated:
        return Arrival.UNDER_WAY, f"{min(updated, available)} of {wanted} pods"
    if there > updated:
        return Arrival.UNDER_WAY, f"{there - updated} old pods are still there"
    return Arrival.COMPLETE, f"{updated} of {wanted} pods"
