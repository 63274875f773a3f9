"""Strict stubs of the systems that train: they refuse what the real ones refuse."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

from alerts.actions.signing import SIGNATURE_HEADER, TIMESTAMP_HEADER, refusal
from monitor.standins.reply import Reply, Request, as_json

INPUTS = set("vigil_id model deployment reason dataset location items incident".split())
_KUBERNETES = re.compile(r"[a-z0-9]([-a-z0-9]{0,251}[a-z0-9])?")


class GitHub:
    """``POST .../dispatches`` makes a run each time; the list of runs lags where asked to."""

    secret = "github-token"

    def __init__(self) -> None:
        self.runs: list[str] = []
        self.is_listed = True
        self.inputs = set(INPUTS)

    def __call__(self, request: Request) -> Reply:
        if not request.header("User-Agent"):
            return as_json({"message": "Request forbidden by administrative rules"}, 403)
        if request.header("Authorization") != f"Bearer {self.secret}":
            return as_json({"message": "Bad credentials"}, 401)
        assert request.header("X-GitHub-Api-Version") == "2022-11-28"
        start = "/repos/me/models/actions/workflows/train.yml"
        if not request.path.startswith(f"{start}/"):
            return as_json({"message": "Not Found"}, 404)
        if (request.method, request.path) == ("POST", f"{start}/dispatches"):
            return self._dispatch(json.loads(request.body))
        if (request.method, request.path) == ("GET", f"{start}/runs"):
            return self._list(request)
        return as_json({"message": "Not Found"}, 404)

    def _dispatch(self, body: dict[str, Any]) -> Reply:
        if body.get("ref") != "main":
            return as_json({"message": f"No ref found for: {body.get('ref')}"}, 422)
        unexpected = set(body["inputs"]) - self.inputs
        if unexpected:
            return as_json({"message": f"Unexpected inputs provided: {sorted(unexpected)}"}, 422)
        assert len(body["inputs"]) <= 10
        assert all(isinstance(value, str) for value in body["inputs"].values())
        self.runs.append(body["inputs"]["vigil_id"])
        return Reply(status=204)

    def _list(self, request: Request) -> Reply:
        assert request.query["event"] == "workflow_dispatch"
        assert re.fullmatch(r">=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", request.query["created"])
        each, page = int(request.query["per_page"]), int(request.query["page"])
        assert each <= 100
        shown = self.runs if self.is_listed else []
        part = shown[::-1][(page - 1) * each : page * each]
        runs = [
            {
                "id": k,
                "name": "train",
                "display_title": f"retrain {one}",
                "status": "queued",
                "html_url": f"https://github.test/runs/{k}",
            }
            for k, one in enumerate(part)
        ]
        return as_json({"total_count": len(shown), "workflow_runs": runs})


class Airflow:
    """A run id is taken once; Airflow 3 (``v2``) asks for a logical date."""

    secret = "airflow-password"

    def __init__(self, version: str = "v1") -> None:
        self.runs: list[str] = []
        self.version = version
        login = base64.b64encode(f"vigil:{self.secret}".encode()).decode()
        self.credentials = f"Basic {login}" if version == "v1" else f"Bearer {self.secret}"

    def __call__(self, request: Request) -> Reply:
        if request.header("Authorization") != self.credentials:
            return as_json({"title": "Unauthorized", "detail": None, "status": 401}, 401)
        start = f"/api/{self.version}/dags/train/dagRuns"
        if not request.path.startswith(start):
            return as_json({"title": "DAG not found", "detail": "no such DAG"}, 404)
        if request.method == "POST" and request.path == start:
            body = json.loads(request.body)
            known = {"dag_run_id", "conf"} | ({"logical_date"} if self.version == "v2" else set())
            if set(body) != known:
                return as_json({"title": "Bad Request", "detail": f"expected {known}"}, 422)
            run = body["dag_run_id"]
            if run in self.runs:
                return as_json({"title": "Conflict", "detail": f"'{run}' already exists"}, 409)
            self.runs.append(run)
            return as_json({"dag_run_id": run, "state": "queued", "conf": body["conf"]})
        run = request.path.removeprefix(f"{start}/")
        if request.method == "GET" and run in self.runs:
            return as_json({"dag_run_id": run, "state": "running"})
        return as_json({"title": "DAGRun not found", "detail": run}, 404)


class Argo:
    """A workflow's name is taken once, and must be one that Kubernetes takes."""

    secret = "argo-token"

    def __init__(self) -> None:
        self.runs: list[str] = []

    def __call__(self, request: Request) -> Reply:
        if request.header("Authorization") != f"Bearer {self.secret}":
            return as_json({"code": 16, "message": "token not valid"}, 401)
        start = "/api/v1/workflows/ml"
        if request.method == "POST" and request.path == f"{start}/submit":
            body = json.loads(request.body)
            if body["resourceKind"] != "WorkflowTemplate" or body["resourceName"] != "train":
                return as_json({"code": 5, "message": "workflowtemplates not found"}, 404)
            name = body["submitOptions"]["name"]
            if not _KUBERNETES.fullmatch(name):
                return as_json({"code": 3, "message": f"invalid name {name}"}, 400)
            assert all("=" in one for one in body["submitOptions"]["parameters"])
            if name in self.runs:
                return as_json({"code": 6, "message": f'"{name}" already exists'}, 409)
            self.runs.append(name)
            return as_json({"metadata": {"name": name, "namespace": "ml"}, "status": {}})
        name = request.path.removeprefix(f"{start}/")
        if request.method == "GET" and name in self.runs:
            return as_json({"metadata": {"name": name}, "status": {"phase": "Running"}})
        return as_json({"code": 5, "message": "workflows not found"}, 404)


class Pipeline:
    """What the receiver of the signed webhook does."""

    secret = "webhook-secret"

    def __init__(self) -> None:
        self.runs: list[str] = []
        self.now_s = 0.0

    def __call__(self, request: Request) -> Reply:
        why = refusal(
            self.secret,
            request.header(TIMESTAMP_HEADER),
            request.header(SIGNATURE_HEADER),
            request.body,
            now_s=self.now_s,
        )
        if why is not None:
            return as_json({"text": why}, 401)
        if request.path != "/retrain":
            return as_json({"text": "no such page"}, 404)
        body = json.loads(request.body)
        one = body["retraining_id"]
        assert request.header("Idempotency-Key") == one == body["order"]["id"]
        if body["action"] == "status":
            state = "accepted" if one in self.runs else "absent"
            return as_json({"state": state, "text": f"{one} is {state}"})
        if one not in self.runs:
            self.runs.append(one)
        return as_json({"state": "accepted", "text": "training", "url": "https://ci.test/1"})
