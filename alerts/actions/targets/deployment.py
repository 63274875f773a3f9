"""A rollback of a Kubernetes Deployment: its pod template becomes that of an earlier replica set.

The API server has no request for this. The template of the newest replica set that serves the
version is put back by one JSON patch, which also notes the plan in an annotation and holds only
for the resource version that was read: it is compared and set in one step. A paused Deployment is
refused, as ``kubectl rollout undo`` does. Where a tool keeps the Deployment as a repository says
(Argo CD, Flux), it would undo the rollback: use the webhook and let the pipeline change that.
"""

from __future__ import annotations

from typing import Any

from alerts.actions.plan import RollbackPlan
from alerts.actions.targets.kubernetes_api import DEPLOYMENTS, JSON_PATCH, version_of
from alerts.actions.targets.kubernetes_object import ObjectTarget
from alerts.actions.targets.protocol import TargetState
from alerts.actions.targets.replica_sets import latest_of, mark_on, undo_patch
from alerts.actions.targets.situation import Arrival, Situation
from alerts.actions.targets.system_target import StoppedError

REVISION = "deployment.kubernetes.io/revision"
HASH_LABEL = "pod-template-hash"


class DeploymentTarget(ObjectTarget):
    """A Deployment of a namespace."""

    kind = "deployment"
    resource = DEPLOYMENTS

    def _serving(self) -> str | None:
        return self.place.version_in(self.get()["spec"]["template"])

    def _read(self, plan: RollbackPlan) -> Situation:
        found = self.get()
        serving = self.place.version_in(found["spec"]["template"])
        obstacle, sets = "", []
        if serving == plan.from_version:
            sets = self.api.owned_by(found)
            obstacle = "" if self._earlier(sets, plan) else self._none_left(plan)
            if found["spec"].get("paused"):
                obstacle = f"Deployment {self.name} is paused; resume it first"
        arrival, text = rollout(found)
        return Situation(
            serving=serving,
            mark=mark_on((found, *sets), plan.id),
            arrival=arrival,
            arrival_text=text,
            obstacle=obstacle,
            means=f"the pod template of an earlier replica set of {self.name}",
            token=version_of(found),
        )

    def _change(self, plan: RollbackPlan, was: Situation, *, rehearse: bool) -> None:
        found = self.still(was)
        earlier = self._earlier(self.api.owned_by(found), plan)
        if earlier is None:
            raise StoppedError.of(TargetState.FAILED, self._none_left(plan))
        patch = undo_patch(found, earlier, plan.id, HASH_LABEL)
        self.api.patch(DEPLOYMENTS, found, patch, content_type=JSON_PATCH, rehearse=rehearse)

    def _earlier(self, sets: list[dict[str, Any]], plan: RollbackPlan) -> dict[str, Any] | None:
        return latest_of(sets, plan.to_version, self.place, REVISION)

    def _none_left(self, plan: RollbackPlan) -> str:
        return f"no replica set of {self.name} with {plan.to_version} is left"


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
