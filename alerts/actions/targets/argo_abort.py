"""A rollback of an Argo Rollout while a release is under way: it is aborted.

The stable replica set takes all traffic again. The template stays, so it fits where a tool keeps it
as a repository says. The plan is noted as the manager of the field ``status.abort``: an annotation
can't be set by a patch of the status.
"""

from __future__ import annotations

from typing import Any

from alerts.actions.plan import RollbackPlan
from alerts.actions.targets.argo_rollout import RolloutTarget
from alerts.actions.targets.kubernetes_api import (
    MERGE_PATCH,
    ROLLOUTS,
    NotThereError,
    managed_mark,
    version_of,
)
from alerts.actions.targets.situation import Arrival, Situation


class ArgoAbort(RolloutTarget):
    """Stops a release that is under way: the stable replica set takes all traffic again."""

    kind = "argo-abort"

    def _serving(self) -> str | None:
        found = self.get()
        return self._now(found, self.api.owned_by(found))

    def _read(self, plan: RollbackPlan) -> Situation:
        found = self.get()
        sets, status = self.api.owned_by(found), found.get("status") or {}
        stable = self.of_hash(sets, status.get("stableRS"))
        obstacle = ""
        if status.get("stableRS") == status.get("currentPodHash"):
            obstacle = f"no release of {self.name} is under way that could be aborted"
        elif stable != plan.to_version:
            obstacle = f"aborting leads back to {stable}, not to {plan.to_version}"
        arrival, text = aborted(found)
        return Situation(
            serving=self._now(found, sets),
            mark=managed_mark(found, plan.id),
            arrival=arrival,
            arrival_text=text,
            obstacle=obstacle,
            means=f"aborting the release of {self.name} that is under way",
            token=version_of(found),
        )

    def _now(self, found: dict[str, Any], sets: list[dict[str, Any]]) -> str | None:
        status = found.get("status") or {}
        key = "stableRS" if status.get("abort") else "currentPodHash"
        return self.of_hash(sets, status.get(key))

    def _change(self, plan: RollbackPlan, was: Situation, *, rehearse: bool) -> None:
        found = self.still(was)
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
        self.api.patch(
            ROLLOUTS,
            found,
            patch,
            content_type=MERGE_PATCH,
            rehearse=rehearse,
            subresource=subresource,
            manager=plan.id,
        )


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
