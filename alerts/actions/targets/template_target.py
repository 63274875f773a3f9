"""A rollback target that puts an earlier pod template back, by one patch that compares and sets."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

from alerts.actions.plan import RollbackPlan
from alerts.actions.targets.kubernetes_api import JSON_PATCH, version_of
from alerts.actions.targets.kubernetes_object import ObjectTarget
from alerts.actions.targets.protocol import TargetState
from alerts.actions.targets.replica_sets import latest_of, mark_on, undo_patch
from alerts.actions.targets.situation import Arrival, Situation
from alerts.actions.targets.system_target import StoppedError


class TemplateTarget(ObjectTarget):
    """``revision_at`` is the annotation of replica sets with their revision, ``hash_label`` the
    label that the controller adds to their templates."""

    revision_at: ClassVar[str]
    hash_label: ClassVar[str]

    @abstractmethod
    def wanted(self, found: dict[str, Any]) -> str | None:
        """The version of the template."""

    @abstractmethod
    def hindrance(self, found: dict[str, Any]) -> str:
        """Why the template can't be changed; empty: it can."""

    @abstractmethod
    def arrival(self, found: dict[str, Any]) -> tuple[Arrival, str]:
        """How far the pods of the template have come, and a text on that."""

    def _serving(self) -> str | None:
        return self.wanted(self.get())

    def _read(self, plan: RollbackPlan) -> Situation:
        found = self.get()
        serving, obstacle, sets = self.wanted(found), "", []
        if serving == plan.from_version:
            sets = self.api.owned_by(found)
            obstacle = self.hindrance(found)
            if not obstacle and self._earlier(sets, plan) is None:
                obstacle = self._none_left(plan)
        arrival, text = self.arrival(found)
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
        patch = undo_patch(found, earlier, plan.id, self.hash_label)
        self.api.patch(self.resource, found, patch, content_type=JSON_PATCH, rehearse=rehearse)

    def _earlier(self, sets: list[dict[str, Any]], plan: RollbackPlan) -> dict[str, Any] | None:
        return latest_of(sets, plan.to_version, self.place, self.revision_at)

    def _none_left(self, plan: RollbackPlan) -> str:
        return f"no replica set of {self.name} with {plan.to_version} is left"
