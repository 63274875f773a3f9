"""Going back to the pod template of an earlier replica set, as ``kubectl rollout undo`` does."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

from alerts.actions.targets.kubernetes_api import version_of
from alerts.actions.targets.pod_template import VersionPlace
from alerts.actions.targets.situation import Mark

ANNOTATION = "vigil/rollback-plans"
"""On the object: ids of the plans that were carried out, the latest last. Controllers copy it to
the replica set that a plan brought back. There it stays after ``kubectl rollout undo``, which takes
it from the object."""

_KEPT = 10


def mark_on(things: Iterable[dict[str, Any]], plan_id: str) -> Mark:
    """Whether the annotation of one of them names the plan; it is written with the template."""
    return Mark.DONE if any(plan_id in _plans(each) for each in things) else Mark.NONE


def latest_of(
    replica_sets: list[dict[str, Any]], version: str, place: VersionPlace, revision_at: str
) -> dict[str, Any] | None:
    """The newest replica set that serves ``version``; ``revision_at`` is the annotation."""
    found = [each for each in replica_sets if place.version_in(_template(each)) == version]
    return max(found, key=lambda each: _revision(each, revision_at), default=None)


def undo_patch(
    thing: dict[str, Any], replica_set: dict[str, Any], plan_id: str, hash_label: str
) -> list[dict[str, Any]]:
    """A JSON patch that holds only while ``thing`` is at its resource version."""
    template = copy.deepcopy(_template(replica_set))
    labels = (template.get("metadata") or {}).get("labels") or {}
    labels.pop(hash_label, None)
    plans = " ".join([*_plans(thing), plan_id][-_KEPT:])
    notes = {ANNOTATION: plans, "kubernetes.io/change-cause": f"vigil {plan_id}"}
    annotations = {**(thing["metadata"].get("annotations") or {}), **notes}
    return [
        {"op": "test", "path": "/metadata/resourceVersion", "value": version_of(thing)},
        {"op": "replace", "path": "/spec/template", "value": template},
        {"op": "add", "path": "/metadata/annotations", "value": annotations},
    ]


def _plans(thing: dict[str, Any]) -> list[str]:
    return str((thing["metadata"].get("annotations") or {}).get(ANNOTATION, "")).split()


def _template(replica_set: dict[str, Any]) -> dict[str, Any]:
    template: dict[str, Any] = replica_set["spec"]["template"]
    return template


def _revision(replica_set: dict[str, Any], revision_at: str) -> int:
    said = str((replica_set["metadata"].get("annotations") or {}).get(revision_at, ""))
    return int(said) if said.isdecimal() else -1
