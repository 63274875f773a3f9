"""The few requests to a Kubernetes API server that rollbacks need, over its REST interface.

Conflicts: a merge patch that names another ``resourceVersion`` than the object has is answered
409; a JSON patch whose ``test`` fails is answered 422, and so is a patch that makes the object
invalid. The two are told apart by reading once more.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from alerts.actions.targets.protocol import TargetState
from alerts.actions.targets.situation import Mark
from alerts.actions.targets.system_http import SystemHttp
from alerts.actions.targets.system_target import ChangedMeanwhileError, StoppedError
from alerts.notifiers.http import Answer

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
Resource = tuple[str, str]

DEPLOYMENTS = "/apis/apps/v1", "deployments"
REPLICA_SETS = "/apis/apps/v1", "replicasets"
ROLLOUTS = "/apis/argoproj.io/v1alpha1", "rollouts"
INFERENCE_SERVICES = "/apis/serving.kserve.io/v1beta1", "inferenceservices"
REVISIONS = "/apis/serving.knative.dev/v1", "revisions"
MANAGER = "vigil"
_REFUSED = (400, 401, 403, 404, 405, 409, 415, 422)


class NotThereError(StoppedError):
    """The API server knows no such object."""


class KubernetesApi:
    """One namespace of a cluster."""

    def __init__(self, http: SystemHttp, namespace: str) -> None:
        self._http = http
        self.namespace = namespace

    def close(self) -> None:
        self._http.close()

    def get(self, resource: Resource, name: str) -> dict[str, Any]:
        """Raises:
        NotThereError: there is no such object.
        StoppedError: refused, or no answer.
        """
        answer = self._http.call("GET", self._path(resource, name), accept=_REFUSED)
        return self._named(self._taken(answer, f"{resource[1]}/{name}"), name)

    def owned_by(self, owner: dict[str, Any]) -> list[dict[str, Any]]:
        """The replica sets that ``owner`` controls.

        Raises:
            StoppedError: refused, or no answer.
        """
        params = {"labelSelector": selector(owner["spec"].get("selector") or {})}
        path = self._path(REPLICA_SETS)
        answer = self._http.call("GET", path, params=params, accept=_REFUSED)
        found = self._taken(answer, REPLICA_SETS[1])["items"] or ()
        uid = owner["metadata"].get("uid")
        return [
            each
            for each in found
            if any(
                reference.get("controller") and reference.get("uid") == uid
                for reference in each["metadata"].get("ownerReferences") or ()
            )
        ]

    def patch(
        self,
        resource: Resource,
        was: dict[str, Any],
        patch: Any,
        *,
        content_type: str,
        rehearse: bool,
        subresource: str = "",
        manager: str = MANAGER,
    ) -> None:
        """Change an object, if it is still as it ``was`` (the patch has to ask for that).

        Args:
            manager: the name under which the API server notes who changed the fields.

        Raises:
            ChangedMeanwhileError: it is not.
            NotThereError: there is no such object.
            StoppedError: refused, or no answer.
        """
        name = was["metadata"]["name"]
        params = {"fieldManager": manager, **({"dryRun": "All"} if rehearse else {})}
        path = self._path(resource, name) + (f"/{subresource}" if subresource else "")
        answer = self._http.call(
            "PATCH", path, patch, params=params, content_type=content_type, accept=_REFUSED
        )
        if answer.status == 409 or (answer.status == 422 and self._has_moved(resource, was)):
            raise ChangedMeanwhileError
        self._named(self._taken(answer, f"{resource[1]}/{name}"), name)

    def _has_moved(self, resource: Resource, was: dict[str, Any]) -> bool:
        now = self.get(resource, was["metadata"]["name"])
        return version_of(now) != version_of(was)

    def _taken(self, answer: Answer, what: str) -> dict[str, Any]:
        if answer.status < 300:
            return self._http.object(answer)
        # Of a kind that is not installed the API server says so in plain text.
        why = answer.object().get("message") or answer.text
        stopped = self._http.stopped(TargetState.FAILED, f"{what}: HTTP {answer.status} {why}")
        raise NotThereError(stopped.report) if answer.status == 404 else stopped

    def _named(self, found: dict[str, Any], name: str) -> dict[str, Any]:
        if found["metadata"]["name"] != name:
            text = f"asked for {name}, and answered with another object"
            raise self._http.stopped(TargetState.UNCLEAR, text)
        return found

    def _path(self, resource: Resource, name: str = "") -> str:
        group, plural = resource
        path = f"{group}/namespaces/{quote(self.namespace, safe='')}/{plural}"
        return f"{path}/{quote(name, safe='')}" if name else path


def version_of(thing: dict[str, Any]) -> str:
    """The resource version: opaque, only good for comparing."""
    return str(thing["metadata"].get("resourceVersion", ""))


def managed_mark(thing: dict[str, Any], plan_id: str) -> Mark:
    """Whether fields are as a patch set them that named the plan as their manager."""
    managers = (each.get("manager") for each in thing["metadata"].get("managedFields") or ())
    return Mark.DONE if plan_id in managers else Mark.NONE


def selector(of: dict[str, Any]) -> str:
    """A label selector in the form that a query takes."""
    parts = [f"{key}={value}" for key, value in sorted((of.get("matchLabels") or {}).items())]
    for each in of.get("matchExpressions") or ():
        key, values = each["key"], ",".join(each.get("values") or ())
        parts.append(
            {
                "In": f"{key} in ({values})",
                "NotIn": f"{key} notin ({values})",
                "Exists": key,
                "DoesNotExist": f"!{key}",
            }[each["operator"]]
        )
    return ",".join(parts)
