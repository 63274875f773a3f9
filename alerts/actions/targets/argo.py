"""Rollbacks of an Argo Rollout: undo puts an earlier template back, abort stops a release.

*Undo* works at any time. The template of the newest replica set that serves the version is put
back by one JSON patch, which notes the plan in an annotation and holds only for the resource
version that was read. Argo goes back to its stable replica set at once; to an older one it walks
through the steps, unless ``spec.rollbackWindow`` lets it skip them.

*Abort* works while a release is under way, and only back to the stable version. The template
stays, so it fits where a tool keeps it as a repository says. The plan is noted as the manager of
the field ``status.abort``: an annotation can't be set by a patch of the status.
"""

from __future__ import annotations

from typing import Any

from alerts.actions.plan import RollbackPlan
from alerts.actions.targets.kubernetes_api import (
    JSON_PATCH,
    MERGE_PATCH,
    ROLLOUTS,
    KubernetesApi,
    NotThereError,
    managed_mark,
    version_of,
)
from alerts.actions.targets.pod_template import VersionPlace
from alerts.actions.targets.protocol import TargetState
from alerts.actions.targets.replica_sets import latest_of, mark_on, undo_patch
from alerts.actions.targets.situation import Arrival, Situation
from alerts.actions.targets.system_target import (
    ChangedMeanwhileError,
    StoppedError,
    SystemTarget,
)

REVISION = "rollout.argoproj.io/revision"
HASH_LABEL = "rollouts-pod-template-hash"


class _RolloutTarget(SystemTarget):
    """Args:
    api: of the namespace.
    name: of the Rollout.
    place: where its pod template says which version it serves.
    """

    def __init__(self, api: KubernetesApi, name: str, place: VersionPlace) -> None:
        self._api = api
        self._name = name
        self._place = place

    def close(self) -> None:
        self._api.close()

    def _get(self) -> dict[str, Any]:
        return self._api.get(ROLLOUTS, self._name)

    def _still(self, was: Situation) -> dict[str, Any]:
        """Raises:
        ChangedMeanwhileError: the Rollout is not as it was read.
        """
        found = self._get()
        if version_of(found) != was.token:
            raise ChangedMeanwhileError
        return found

    def _sets(self, found: dict[str, Any]) -> list[dict[str, Any]]:
        return self._api.owned_by(found)

    def _wanted(self, found: dict[str, Any]) -> str | None:
        """The version of the template, be it here or in the workload it refers to."""
        template = found["spec"].get("template")
        if template is not None:
            return self._place.version_in(template)
        return self._of_hash(self._sets(found), found["status"].get("currentPodHash"))

    def _of_hash(self, sets: list[dict[str, Any]], pod_hash: str | None) -> str | None:
        """The version of the replica set with this hash."""
        for each in sets:
            labels = each["metadata"].get("labels") or {}
            if pod_hash and labels.get(HASH_LABEL) == pod_hash:
                return self._place.version_in(each["spec"]["template"])
        return None


class ArgoUndo(_RolloutTarget):
    """Puts the template of an earlier replica set back."""

    kind = "argo-undo"

    def _serving(self) -> str | None:
        return self._wanted(self._get())

    def _read(self, plan: RollbackPlan) -> Situation:
        found = self._get()
        serving, obstacle, sets = self._wanted(found), "", []
        if serving == plan.from_version:
            sets = self._sets(found)
            obstacle = self._obstacle(found, sets, plan)
        arrival, text = rollout(found)
        return Situation(
            serving=serving,
            mark=mark_on((found, *sets), plan.id),
            arrival=arrival,
            arrival_text=text,
            obstacle=obstacle,
            token=version_of(found),
        )

    def _change(self, plan: RollbackPlan, was: Situation, *, rehearse: bool) -> None:
        found = self._still(was)
        sets = self._sets(found)
        earlier = latest_of(sets, plan.to_version, self._place, REVISION)
        if earlier is None:
            raise StoppedError.of(TargetState.FAILED, self._obstacle(found, sets, plan))
        patch = undo_patch(found, earlier, plan.id, HASH_LABEL)
        self._api.patch(ROLLOUTS, found, patch, content_type=JSON_PATCH, rehearse=rehearse)

    def _obstacle(
        self, found: dict[str, Any], sets: list[dict[str, Any]], plan: RollbackPlan
    ) -> str:
        if found["spec"].get("template") is None:
            return f"{self._name} takes its template from another workload; use abort there"
        if latest_of(sets, plan.to_version, self._place, REVISION) is None:
            return f"no replica set of {self._name} with {plan.to_version} is left"
        return ""


class ArgoAbort(_RolloutTarget):
    """Stops a release that is under way: the stable replica set takes all traffic again."""

    kind = "argo-abort"

    def _serving(self) -> str | None:
        found = self._get()
        return self._now(found, self._sets(found))

    def _read(self, plan: RollbackPlan) -> Situation:
        found = self._get()
        sets, status = self._sets(found), found.get("status") or {}
        stable = self._of_hash(sets, status.get("stableRS"))
        obstacle = ""
        if status.get("stableRS") == status.get("currentPodHash"):
            obstacle = f"no release of {self._name} is under way that could be aborted"
        elif stable != plan.to_version:
            obstacle = f"aborting leads back to {stable}, not to {plan.to_version}"
        arrival, text = aborted(found)
        return Situation(
            serving=self._now(found, sets),
            mark=managed_mark(found, plan.id),
            arrival=arrival,
            arrival_text=text,
            obstacle=obstacle,
            token=version_of(found),
        )

    def _now(self, found: dict[str, Any], sets: list[dict[str, Any]]) -> str | None:
        status = found.get("status") or {}
        key = "stableRS" if status.get("abort") else "currentPodHash"
        return self._of_hash(sets, status.get(key))

    def _change(self, plan: RollbackPlan, was: Situation, *, rehearse: bool) -> None:
        found = self._still(was)
        patch = {"metadata": {"resourceVersion": was.token}, "status": {"abort": True}}
        try:
            self._abort(found, patch, plan, rehearse=rehearse, subresource="status")
        except NotThereError:
            # Older installations have no such subresource.
            self._abort(found, patch, plan, rehearse=rehearse)

    def _abort(
        self,
        found: dict[str, Any],
        patch: dict[str, Any],
        plan: RollbackPlan,
        *,
        rehearse: bool,
        subresource: str = "",
    ) -> None:
        self._api.patch(
            ROLLOUTS,
            found,
            patch,
            content_type=MERGE_PATCH,
            rehearse=rehearse,
            subresource=subresource,
            manager=plan.id,
        )


def rollout(found: dict[str, Any]) -> tuple[Arrival, str]:
    """How far the template has come, by what Argo's controller says."""
    status = found.get("status") or {}
    if str(status.get("observedGeneration", "")) != str(found["metadata"].get("generation", "")):
        return Arrival.UNDER_WAY, "the controller has not seen it yet"
    phase, message = str(status.get("phase", "")), str(status.get("message", ""))
    text = f"{phase}: {message}" if message else phase
    arrival = {"Healthy": Arrival.COMPLETE, "Degraded": Arrival.GAVE_UP}
    return arrival.get(phase, Arrival.UNDER_WAY), text


def aborted(found: dict[str, Any]) -> tuple[Arrival, str]:
    """How far traffic and pods have gone back to the stable replica set."""
    status = found.get("status") or {}
    blue_green = status.get("blueGreen") or {}
    if found["spec"].get("strategy", {}).get("blueGreen") is not None:
        gone = blue_green.get("activeSelector") == status.get("stableRS")
        return (Arrival.COMPLETE if gone else Arrival.UNDER_WAY), "the active service"
    weights = (status.get("canary") or {}).get("weights")
    if weights:
        weight = weights["canary"]["weight"]
        text = f"{weight} % of the traffic is on the canary"
        return (Arrival.UNDER_WAY if weight else Arrival.COMPLETE), text
    left = status.get("updatedReplicas", 0)
    return (Arrival.UNDER_WAY if left else Arrival.COMPLETE), f"{left} pods of the canary are left"
