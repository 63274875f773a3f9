"""What undoing and aborting an Argo Rollout have in common: reading it, and its replica sets."""

from __future__ import annotations

from typing import Any

from alerts.actions.targets.kubernetes_api import ROLLOUTS
from alerts.actions.targets.kubernetes_object import ObjectTarget

HASH_LABEL = "rollouts-pod-template-hash"


class RolloutTarget(ObjectTarget):
    """A Rollout; what it serves is told by its template, or by the hashes in its status."""

    resource = ROLLOUTS

    def wanted(self, found: dict[str, Any]) -> str | None:
        """The version of the template, be it here or in the workload it refers to."""
        template = found["spec"].get("template")
        if template is not None:
            return self.place.version_in(template)
        return self.of_hash(self.api.owned_by(found), found["status"].get("currentPodHash"))

    def of_hash(self, sets: list[dict[str, Any]], pod_hash: str | None) -> str | None:
        """The version of the replica set with this hash."""
        for each in sets:
            labels = each["metadata"].get("labels") or {}
            if pod_hash and labels.get(HASH_LABEL) == pod_hash:
                return self.place.version_in(each["spec"]["template"])
        return None
