"""A rollback target over one object of a cluster."""

from __future__ import annotations

from typing import Any, ClassVar

from alerts.actions.targets.kubernetes_api import KubernetesApi, Resource, version_of
from alerts.actions.targets.pod_template import VersionPlace
from alerts.actions.targets.situation import Situation
from alerts.actions.targets.system_target import ChangedMeanwhileError, SystemTarget


class ObjectTarget(SystemTarget):
    """Args:
    api: of the namespace.
    name: of the object.
    place: where its pods say which version they serve.
    """

    resource: ClassVar[Resource]

    def __init__(self, api: KubernetesApi, name: str, place: VersionPlace) -> None:
        self.api = api
        self.name = name
        self.place = place

    def close(self) -> None:
        self.api.close()

    def get(self) -> dict[str, Any]:
        return self.api.get(self.resource, self.name)

    def still(self, was: Situation) -> dict[str, Any]:
        """The object, if it is as it ``was``.

        Raises:
            ChangedMeanwhileError: it is not.
        """
        found = self.get()
        if version_of(found) != was.token:
            raise ChangedMeanwhileError
        return found
