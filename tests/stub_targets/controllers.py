"""What the controllers in a cluster make of a change: each ``settle`` brings it to its end."""

from __future__ import annotations

import copy
import hashlib
import json
from abc import ABC, abstractmethod
from typing import Any

from stub_targets.kubernetes import KubernetesStub

NAME = "reader"
LABEL = "app.kubernetes.io/version"


def template(version: str) -> dict[str, Any]:
    return {
        "metadata": {"labels": {"app": NAME, LABEL: version}},
        "spec": {"containers": [{"name": "model", "image": f"registry:5000/reader:{version}"}]},
    }


def pod_hash(of: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(of, sort_keys=True).encode()).hexdigest()[:10]


class Workload(ABC):
    """A Deployment or a Rollout, its replica sets, and what brings them together."""

    def __init__(self, api: KubernetesStub, plural: str, revision: str, hash_label: str) -> None:
        self.api, self.plural = api, plural
        self._revision, self._hash_label = revision, hash_label
        self.replicas = 3
        spec = {
            "replicas": self.replicas,
            "selector": {"matchLabels": {"app": NAME}},
            "template": template("v1"),
        }
        self.api.put(plural, {"metadata": {"name": NAME}, "spec": spec, "status": {}})
        self.settle()

    @property
    def thing(self) -> dict[str, Any]:
        return self.api.objects[self.plural, NAME]

    def release(self, version: str) -> None:
        """A person applies another template."""
        thing = copy.deepcopy(self.thing)
        thing["spec"]["template"] = template(version)
        self.api.put(self.plural, thing)

    def hash(self) -> str:
        return pod_hash(self.thing["spec"]["template"])

    def replica_set(self) -> None:
        """The one of the template gets the next revision, and the annotations of the workload."""
        thing, of_hash = self.thing, self.hash()
        name = f"{NAME}-{of_hash}"
        pods = copy.deepcopy(thing["spec"]["template"])
        pods["metadata"]["labels"][self._hash_label] = of_hash
        sets = [one for (plural, _), one in self.api.objects.items() if plural == "replicasets"]
        revisions = [int(one["metadata"]["annotations"][self._revision]) for one in sets]
        annotations = thing["metadata"].setdefault("annotations", {})
        annotations[self._revision] = str(max(revisions, default=0) + 1)
        meta = {
            "name": name,
            "labels": pods["metadata"]["labels"],
            "annotations": dict(annotations),
            "ownerReferences": [{"controller": True, "uid": thing["metadata"]["uid"]}],
        }
        selector = {"matchLabels": pods["metadata"]["labels"]}
        spec = {"replicas": self.replicas, "selector": selector, "template": pods}
        self.api.put("replicasets", {"metadata": meta, "spec": spec})

    @abstractmethod
    def settle(self) -> None:
        """Bring the thing to what its specification says."""


class DeploymentController(Workload):
    def __init__(self, api: KubernetesStub) -> None:
        super().__init__(
            api, "deployments", "deployment.kubernetes.io/revision", "pod-template-hash"
        )

    def settle(self) -> None:
        self.replica_set()
        n = self.replicas
        counts = ("replicas", "updatedReplicas", "availableReplicas", "readyReplicas")
        self.thing["status"] = {
            **dict.fromkeys(counts, n),
            "observedGeneration": self.thing["metadata"]["generation"],
            "conditions": [{"type": "Progressing", "reason": "NewReplicaSetAvailable"}],
        }
        self.api.touch(self.plural, NAME)


class RolloutController(Workload):
    """Argo's: ``canary`` keeps a release at 20 % of the traffic until it is promoted."""

    def __init__(self, api: KubernetesStub, *, canary: bool = False) -> None:
        self.canary = False
        super().__init__(
            api, "rollouts", "rollout.argoproj.io/revision", "rollouts-pod-template-hash"
        )
        self.canary = canary

    def settle(self) -> None:
        self.replica_set()
        status, of_hash = dict(self.thing.get("status") or {}), self.hash()
        if of_hash != status.get("currentPodHash"):
            status["abort"] = False
        status["currentPodHash"] = of_hash
        if not self.canary:
            status["stableRS"] = of_hash
        under_way = status["stableRS"] != of_hash
        weight = 20 if under_way and not status.get("abort") else 0
        status["canary"] = {"weights": {"canary": {"weight": weight}}}
        status["phase"] = (
            "Degraded" if status.get("abort") else "Paused" if under_way else "Healthy"
        )
        status["message"] = "RolloutAborted: by hand" if status.get("abort") else ""
        status["observedGeneration"] = str(self.thing["metadata"]["generation"])
        self.thing["status"] = status
        self.api.touch(self.plural, NAME)


class KserveController:
    """Revisions as Knative makes them: one for each change of what goes into the pods."""

    def __init__(self, api: KubernetesStub) -> None:
        self.api, self._count, self._made = api, 0, ""
        spec = {"predictor": {"model": {"storageUri": "s3://models/v1"}, "labels": {LABEL: "v1"}}}
        thing = {"metadata": {"name": NAME}, "spec": spec, "status": {"components": {}}}
        self.api.put("inferenceservices", thing)
        self.settle()

    @property
    def thing(self) -> dict[str, Any]:
        return self.api.objects["inferenceservices", NAME]

    def release(self, version: str, percent: int | None = None) -> None:
        thing = copy.deepcopy(self.thing)
        thing["spec"]["predictor"] = {
            "model": {"storageUri": f"s3://models/{version}"},
            "labels": {LABEL: version},
            **({} if percent is None else {"canaryTrafficPercent": percent}),
        }
        thing["metadata"].pop("managedFields", None)
        self.api.put("inferenceservices", thing)

    def settle(self) -> None:
        meta, predictor = self.thing["metadata"], self.thing["spec"]["predictor"]
        labels = {**(meta.get("labels") or {}), **predictor["labels"]}
        pods = {**predictor, "canaryTrafficPercent": None}
        made = json.dumps([pods, labels, meta.get("annotations") or {}], sort_keys=True)
        was = self.thing["status"]["components"].get("predictor") or {}
        latest = was.get("latestReadyRevision", "")
        if made != self._made:
            self._count, self._made = self._count + 1, made
            latest = f"{NAME}-predictor-{self._count:05d}"
            self.api.put("revisions", {"metadata": {"name": latest, "labels": labels}, "spec": {}})
        self.thing["status"]["components"]["predictor"] = self._status(was, latest, predictor)
        self.api.touch("inferenceservices", NAME)

    @staticmethod
    def _status(was: dict[str, Any], latest: str, predictor: dict[str, Any]) -> dict[str, Any]:
        rolled_out = was.get("latestRolledoutRevision", "")
        previous = was.get("previousRolledoutRevision", "")
        share = predictor.get("canaryTrafficPercent")
        share = 100 if share is None else share
        rest = previous if rolled_out == latest and share < 100 else rolled_out
        traffic = [{"revisionName": latest, "latestRevision": True, "percent": share}]
        if share < 100:
            traffic.append({"revisionName": rest, "tag": "prev", "percent": 100 - share})
        elif rolled_out != latest:
            rolled_out, previous = latest, rolled_out
        return {
            "latestReadyRevision": latest,
            "latestCreatedRevision": latest,
            "latestRolledoutRevision": rolled_out,
            "previousRolledoutRevision": previous,
            "traffic": traffic,
        }
