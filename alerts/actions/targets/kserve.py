"""A rollback of a KServe InferenceService: the canary's share of the traffic becomes 0.

KServe keeps two revisions ready: the latest, and the one that had all traffic before it. With
``canaryTrafficPercent: 0`` the earlier one takes all traffic, be the latest a canary or rolled out
in full. So it goes one step back and no further, and only in serverless mode (Knative).

The plan is noted as the manager of the field: KServe copies labels and annotations of the service
to its revisions, and each new one would make a revision and shift what counts as the latest.
"""

from __future__ import annotations

from typing import Any

from alerts.actions.plan import RollbackPlan
from alerts.actions.targets.kubernetes_api import (
    INFERENCE_SERVICES,
    MERGE_PATCH,
    REVISIONS,
    managed_mark,
    version_of,
)
from alerts.actions.targets.kubernetes_object import ObjectTarget
from alerts.actions.targets.situation import Arrival, Situation

_MODE = "serving.kserve.io/deploymentMode"
_NOT_SERVERLESS = ("RawDeployment", "Standard", "ModelMesh")


class KserveTarget(ObjectTarget):
    """An InferenceService of a namespace; its revisions say which version they serve."""

    kind = "kserve"
    resource = INFERENCE_SERVICES

    def _serving(self) -> str | None:
        found = self.get()
        latest, earlier = revisions(found)
        return self._version(earlier if canary_share(found) == 0 else latest)

    def _read(self, plan: RollbackPlan) -> Situation:
        found = self.get()
        latest, earlier = revisions(found)
        is_back = canary_share(found) == 0
        serving = self._version(earlier if is_back else latest)
        obstacle = ""
        if not is_back and serving == plan.from_version:
            obstacle = self._obstacle(found, earlier, plan)
        arrival, text = traffic(found, earlier if is_back else latest)
        return Situation(
            serving=serving,
            mark=managed_mark(found, plan.id),
            arrival=arrival,
            arrival_text=text,
            obstacle=obstacle,
            means=f"all traffic to the revision {earlier}",
            token=version_of(found),
        )

    def _obstacle(self, found: dict[str, Any], earlier: str, plan: RollbackPlan) -> str:
        annotations = found["metadata"].get("annotations") or {}
        mode = found["status"].get("deploymentMode") or annotations.get(_MODE)
        if mode in _NOT_SERVERLESS:
            return f"{self.name} is in the mode {mode}: only serverless mode splits traffic"
        if not earlier:
            return f"{self.name} has no earlier revision"
        version = self._version(earlier)
        if version != plan.to_version:
            return f"KServe goes back to {version} from here, not to {plan.to_version}"
        return ""

    def _change(self, plan: RollbackPlan, was: Situation, *, rehearse: bool) -> None:
        found = self.still(was)
        patch = {
            "metadata": {"resourceVersion": was.token},
            "spec": {"predictor": {"canaryTrafficPercent": 0}},
        }
        self.api.patch(
            INFERENCE_SERVICES,
            found,
            patch,
            content_type=MERGE_PATCH,
            rehearse=rehearse,
            manager=plan.id,
        )

    def _version(self, revision: str) -> str | None:
        return self.place.version_in(self.api.get(REVISIONS, revision)) if revision else None


def canary_share(found: dict[str, Any]) -> int:
    """Percent of the traffic that the latest revision shall have."""
    said = found["spec"]["predictor"].get("canaryTrafficPercent")
    return 100 if said is None else int(said)


def revisions(found: dict[str, Any]) -> tuple[str, str]:
    """The latest ready revision, and the one that takes what the canary leaves."""
    said = found["status"]["components"]["predictor"]
    latest = str(said.get("latestReadyRevision") or "")
    earlier = str(said.get("latestRolledoutRevision") or "")
    if earlier == latest:
        earlier = str(said.get("previousRolledoutRevision") or "")
    return latest, earlier


def traffic(found: dict[str, Any], revision: str) -> tuple[Arrival, str]:
    """How much of the traffic has come to ``revision``."""
    said = found["status"]["components"]["predictor"].get("traffic") or ()
    percent = sum(
        int(each.get("percent") or 0) for each in said if each.get("revisionName") == revision
    )
    text = f"{percent} % of the traffic"
    return (Arrival.COMPLETE if percent == 100 else Arrival.UNDER_WAY), text
