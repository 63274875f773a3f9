"""A rollback of an Argo Rollout at any time: an earlier pod template is put back.

One JSON patch puts the template of the newest replica set that serves the version back. It notes
the plan in an annotation and holds only for the resource version that was read. Argo goes back to
its stable replica set at once; to an older one it walks through the steps, unless
``spec.rollbackWindow`` lets it skip them.
"""

from __future__ import annotations

from typing import Any

from alerts.actions.targets.argo_rollout import HASH_LABEL, RolloutTarget
from alerts.actions.targets.situation import Arrival
from alerts.actions.targets.template_target import TemplateTarget


class ArgoUndo(RolloutTarget, TemplateTarget):
    """Puts the template of an earlier replica set back."""

    kind = "argo-undo"
    revision_at = "rollout.argoproj.io/revision"
    hash_label = HASH_LABEL

    def hindrance(self, found: dict[str, Any]) -> str:
        if found["spec"].get("template") is None:
            return f"{self.name} takes its template from another workload; use abort there"
        return ""

    def arrival(self, found: dict[str, Any]) -> tuple[Arrival, str]:
        return rollout(found)


def rollout(found: dict[str, Any]) -> tuple[Arrival, str]:
    """How far the template has come, by what Argo's controller says."""
    status = found.get("status") or {}
    if str(status.get("observedGeneration", "")) != str(found["metadata"].get("generation", "")):
        return Arrival.UNDER_WAY, "the controller has not seen it yet"
    phase, message = str(status.get("phase", "")), str(status.get("message", ""))
    text = f"{phase}: {message}" if message else phase
    arrival = {"Healthy": Arrival.COMPLETE, "Degraded": Arrival.GAVE_UP}
    return arrival.get(phase, Arrival.UNDER_WAY), text
