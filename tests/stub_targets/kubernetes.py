"""A strict stub of a Kubernetes API server: what it takes, refuses and notes of patches.

Resource versions, generations, JSON and merge patches, dry runs, the status subresource, managed
fields, label selectors, and a ``Status`` object for each refusal. No controllers: see
``stub_targets.controllers``.
"""

from __future__ import annotations

import copy
import json
import re
import threading
from collections.abc import Iterator
from typing import Any

from monitor.standins.reply import Reply, Request, as_json

PATH = re.compile(r"/apis/([a-z.]+/v[0-9a-z]+)/namespaces/([^/]+)/([a-z]+)(?:/([^/]+))?(?:/(\w+))?")
KNOWN = {
    "apps/v1": {"deployments", "replicasets"},
    "argoproj.io/v1alpha1": {"rollouts"},
    "serving.kserve.io/v1beta1": {"inferenceservices"},
    "serving.knative.dev/v1": {"revisions"},
}
Key = tuple[str, str]


class RefusedError(Exception):
    def __init__(self, code: int, reason: str, message: str) -> None:
        self.reply = as_json(
            {
                "kind": "Status",
                "apiVersion": "v1",
                "metadata": {},
                "status": "Failure",
                "message": message,
                "reason": reason,
                "code": code,
            },
            code,
        )
        super().__init__(message)


class NotServedError(Exception):
    """No such path, or of a group that is not installed: told in plain text."""


class KubernetesStub:
    """Args:
    token: the bearer token of a service account.
    statuses: kinds whose status is a subresource.
    """

    def __init__(
        self, token: str, *, statuses: tuple[str, ...] = ("rollouts", "deployments")
    ) -> None:
        self.token = token
        self.statuses = statuses
        self.namespace = "models"
        self.groups = set(KNOWN)
        self.objects: dict[Key, dict[str, Any]] = {}
        self.changed: list[Key] = []
        self._clock = 1000
        self._lock = threading.Lock()

    def put(self, plural: str, thing: dict[str, Any]) -> dict[str, Any]:
        """As a controller or a person does it: no questions asked."""
        meta = thing["metadata"]
        key = (plural, meta["name"])
        before = self.objects.get(key)
        meta.setdefault("namespace", self.namespace)
        meta.setdefault("uid", f"uid-{plural}-{meta['name']}")
        if before is None or before.get("spec") != thing.get("spec"):
            meta["generation"] = (before or {"metadata": {}})["metadata"].get("generation", 0) + 1
        self.objects[key] = thing
        return self.touch(plural, meta["name"])

    def touch(self, plural: str, name: str) -> dict[str, Any]:
        """Something about the object changed."""
        self._clock += 1
        found = self.objects[plural, name]
        found["metadata"]["resourceVersion"] = str(self._clock)
        return found

    def __call__(self, request: Request) -> Reply:
        try:
            with self._lock:
                return as_json(self._take(request))
        except RefusedError as refused:
            return refused.reply
        except NotServedError:
            return Reply(status=404, body=b"404 page not found\n")

    def _take(self, request: Request) -> Any:
        if request.header("Authorization") != f"Bearer {self.token}":
            raise RefusedError(401, "Unauthorized", "Unauthorized")
        found = PATH.fullmatch(request.path)
        if found is None or found[1] not in self.groups or found[3] not in KNOWN[found[1]]:
            raise NotServedError
        _, namespace, plural, name, subresource = found.groups()
        if namespace != self.namespace:
            message = f'{plural} is forbidden: no access in the namespace "{namespace}"'
            raise RefusedError(403, "Forbidden", message)
        if request.method == "GET" and name is None:
            return {"kind": "List", "items": list(self._listed(plural, request.query))}
        if name is None or (plural, name) not in self.objects:
            raise RefusedError(404, "NotFound", f'{plural} "{name}" not found')
        if request.method == "GET" and subresource is None:
            return self.objects[plural, name]
        if request.method != "PATCH":
            raise RefusedError(405, "MethodNotAllowed", "the server does not allow this method")
        if subresource is not None and (subresource, plural in self.statuses) != ("status", True):
            raise RefusedError(404, "NotFound", "the server could not find the requested resource")
        return self._patch((plural, name), request, subresource)

    def _listed(self, plural: str, query: Any) -> Iterator[dict[str, Any]]:
        wanted = [part.partition("=") for part in query.get("labelSelector", "").split(",")]
        for (held, _), thing in self.objects.items():
            labels = thing["metadata"].get("labels") or {}
            if held == plural and all(labels.get(key) == value for key, _, value in wanted):
                yield thing

    def _patch(self, key: Key, request: Request, subresource: str | None) -> dict[str, Any]:
        if request.query.get("dryRun", "All") != "All":
            raise RefusedError(400, "BadRequest", "dryRun: Invalid value")
        manager = request.query.get("fieldManager", "unknown")
        if len(manager) > 128 or not manager.isprintable():
            raise RefusedError(422, "Invalid", "fieldManager: Invalid value")
        before = self.objects[key]
        after = self._patched(before, request)
        if after["metadata"].get("resourceVersion") != before["metadata"]["resourceVersion"]:
            message = (
                f'Operation cannot be fulfilled on {key[0]} "{key[1]}": the object has been '
                "modified; please apply your changes to the latest version and try again"
            )
            raise RefusedError(409, "Conflict", message)
        if subresource == "status":
            after = {**copy.deepcopy(before), "status": after.get("status")}
        elif key[0] in self.statuses:
            after["status"] = copy.deepcopy(before.get("status"))
        self._check(key, after)
        self._note(before, after, manager)
        if "dryRun" in request.query:
            return after
        if after == before:
            return before
        if after.get("spec") != before.get("spec"):
            after["metadata"]["generation"] = before["metadata"]["generation"] + 1
            self.changed.append(key)
        elif subresource == "status":
            self.changed.append(key)
        self.objects[key] = after
        return self.touch(*key)

    def _patched(self, before: dict[str, Any], request: Request) -> dict[str, Any]:
        patch = json.loads(request.body)
        kind = request.header("Content-Type")
        if kind == "application/json-patch+json":
            return json_patched(before, patch)
        if kind == "application/merge-patch+json":
            merged: dict[str, Any] = merged_with(copy.deepcopy(before), patch)
            return merged
        raise RefusedError(415, "UnsupportedMediaType", "the body of the request was in an unknown")

    def _check(self, key: Key, thing: dict[str, Any]) -> None:
        """What the API server validates of a workload."""
        for name in thing["metadata"].get("annotations") or {}:
            prefix, slash, rest = name.rpartition("/")
            if len(rest) > 63 or (slash and not re.fullmatch(r"[a-z0-9.-]{1,253}", prefix)):
                raise RefusedError(422, "Invalid", f"metadata.annotations: Invalid value: {name}")
        if key[0] not in ("deployments", "rollouts") or "template" not in thing["spec"]:
            return
        labels = thing["spec"]["template"]["metadata"]["labels"]
        for label, value in thing["spec"]["selector"]["matchLabels"].items():
            if labels.get(label) != value:
                message = "`selector` does not match template `labels`"
                raise RefusedError(422, "Invalid", message)
        if "pod-template-hash" in labels or "rollouts-pod-template-hash" in labels:
            raise AssertionError("the hash label belongs to the controller")

    @staticmethod
    def _note(before: dict[str, Any], after: dict[str, Any], manager: str) -> None:
        """Who changed a field manages it; who manages none is forgotten."""
        changed = {*leaves(before)} ^ {*leaves(after)}
        fields = {path for path, _ in changed if path[0] in ("spec", "status")}
        managers = copy.deepcopy(before["metadata"].get("managedFields") or [])
        for each in managers:
            each["fields"] = [path for path in each["fields"] if tuple(path) not in fields]
        if fields:
            own = {"manager": manager, "operation": "Update", "fields": sorted(map(list, fields))}
            managers.append(own)
        after["metadata"]["managedFields"] = [each for each in managers if each["fields"]]


def leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from leaves(inner, (*path, str(key)))
    else:
        yield path, json.dumps(value)


def json_patched(before: dict[str, Any], patch: list[dict[str, Any]]) -> dict[str, Any]:
    """RFC 6902, as far as it is needed; all of it or nothing."""
    after = copy.deepcopy(before)
    for step in patch:
        *parents, last = [
            part.replace("~1", "/").replace("~0", "~") for part in step["path"].split("/")[1:]
        ]
        place: Any = after
        for part in parents:
            place = place.get(part) if isinstance(place, dict) else None
        if not isinstance(place, dict) or (step["op"] != "add" and last not in place):
            raise invalid()
        if step["op"] == "test":
            if place[last] != step["value"]:
                raise invalid()
        elif step["op"] in ("add", "replace"):
            place[last] = step["value"]
        else:
            raise AssertionError(step["op"])
    return after


def invalid() -> RefusedError:
    message = "the server rejected our request due to an error in our request"
    return RefusedError(422, "Invalid", message)


def merged_with(value: Any, patch: Any) -> Any:
    """RFC 7396."""
    if not isinstance(patch, dict):
        return patch
    result = dict(value) if isinstance(value, dict) else {}
    for key, inner in patch.items():
        if inner is None:
            result.pop(key, None)
        else:
            result[key] = merged_with(result.get(key), inner)
    return result
