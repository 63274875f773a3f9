"""A rollback of an Argo Rollout at any time: an earlier pod template is put back.

One JSON patch puts the template of the newest replica set that serves the version back. It notes
the plan in an annotation and holds only for the resource version that was read. Argo goes back to
its stable replica set at once; to an older one it walks through the steps, unless
``spec.rollbackWindow`` lets it skip them.
"""

from __future__ import annotations

from typing import Any

from alerts.actions.plan import RollbackPlan
from alerts.actions.targets.argo_rollout import HASH_LABEL, RolloutTarget
from alerts.actions.targets.kubernetes_api import JSON_PATCH, ROLLOUTS, version_of
from alerts.actions.targets.protocol import TargetState
from alerts.actions.targets.replica_sets import latest_of, mark_on, undo_patch
from alerts.actions.targets.situation import Arrival, Situation
from alerts.actions.targets.system_target import StoppedError

REVISION = "rollout.argoproj.io/revision"


class ArgoUndo(RolloutTarget):
    """Puts the template of an earlier replica set back."""

    kind = "argo-undo"

    def _serving(self) -> str | None:
        return self.wanted(self.get())

    def _read(self, plan: RollbackPlan) -> Situation:
        found = self.get()
        serving, obstacle, sets = self.wanted(found), "", []
        if serving == plan.from_version:
            sets = self.sets(found)
            obstacle = self._obstacle(found, sets, plan)
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
        sets = self.sets(found)
        earlier = latest_of(sets, plan.to_version, self.place, REVISION)
        if earlier is None:
            raise StoppedError.of(TargetState.FAILED, self._obstacle(found, sets, plan))
        patch = undo_patch(found, earlier, plan.id, HASH_LABEL)
        self.api.patch(ROLLOUTS, found, patch, content_type=JSON_PATCH, rehearse=rehearse)

    def _obstacle(
        self, found: dict[str, Any], sets: list[dict[str, Any]], plan: RollbackPlan
    ) -> str:
        if found["spec"].get("template") is None:
            return f"{self.name} takes its template from another workload; use abort there"
        if latest_of(sets, plan.to_version, self.place, REVISION) is None:
            return f"no replica set of {self.name} with {plan.to_version} is left"
        return ""


def rollout(found: dict[str, Any]) -> tuple[Arrival, str]:
    """How far the template has come, by what Argo's controller says."""
    status = found.get("status") or {}
    if str(status.get("observedGeneration", "")) != str(found["metadata"].get("generation", "")):
        return Arrival.UNDER_WAY, "the controller has not seen it yet"
    phase, message = str(status.get("phase", "")), str(status.get("message", ""))
    text = f"{phase}: {message}" if message else phase
    arrival = {"Healthy": Arrival.COMPLETE, "Degraded": Arrival.GAVE_UP}
    return arrival.get(phase, Arrival.UNDER_WAY), text
