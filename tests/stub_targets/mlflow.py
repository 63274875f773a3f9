"""A strict stub of what MLflow's REST API does with registered models, versions and aliases.

Answers are as MLflow 3 gives them; ``tests/alerts/test_target_mlflow_server.py`` asks the real one.
"""

from __future__ import annotations

import json
import re
from typing import Any

from monitor.standins.reply import Reply, Request, as_json

PREFIX = "/api/2.0/mlflow/"


class RefusedError(Exception):
    def __init__(self, status: int, code: str, message: str) -> None:
        self.reply = as_json({"error_code": code, "message": message}, status)
        super().__init__(message)


class MlflowStub:
    """``pointed`` is every change of an alias."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.models: dict[str, dict[str, Any]] = {}
        self.pointed: list[str] = []

    def register(self, model: str, version: str, *, status: str = "READY") -> None:
        held = self.models.setdefault(model, {"versions": {}, "aliases": {}, "tags": {}})
        held["versions"][version] = status

    def __call__(self, request: Request) -> Reply:
        try:
            return as_json(self._take(request))
        except RefusedError as refused:
            return refused.reply

    def _take(self, request: Request) -> dict[str, Any]:
        if request.header("Authorization") != f"Bearer {self.token}":
            raise RefusedError(401, "UNAUTHENTICATED", "no credentials")
        body = json.loads(request.body or b"{}")
        match (request.method, request.path.removeprefix(PREFIX)):
            case ("GET", "registered-models/get"):
                return self._get(request.query["name"])
            case ("GET", "model-versions/get"):
                return {
                    "model_version": self._version(request.query["name"], request.query["version"])
                }
            case ("POST", "registered-models/set-tag"):
                self._filled(body, "name", "key", "value")
                if not re.fullmatch(r"[\w\-. /:]{1,250}", body["key"], re.ASCII):
                    raise RefusedError(400, "INVALID_PARAMETER_VALUE", "Invalid tag name")
                self._model(body["name"])["tags"][body["key"]] = body["value"]
                return {}
            case ("POST", "registered-models/alias"):
                self._filled(body, "name", "alias", "version")
                if re.fullmatch(r"latest|v\d+", body["alias"], re.IGNORECASE):
                    text = f"Version alias name '{body['alias']}' is reserved."
                    raise RefusedError(400, "INVALID_PARAMETER_VALUE", text)
                self._version(body["name"], body["version"])
                self._model(body["name"])["aliases"][body["alias"]] = body["version"]
                self.pointed.append(body["version"])
                return {}
        raise RefusedError(404, "ENDPOINT_NOT_FOUND", request.path)

    def _get(self, name: str) -> dict[str, Any]:
        """Lists that are empty are left out."""
        held = self._model(name)
        shown: dict[str, Any] = {"name": name, "creation_timestamp": 1}
        if held["tags"]:
            shown["tags"] = [{"key": k, "value": v} for k, v in held["tags"].items()]
        if held["aliases"]:
            shown["aliases"] = [{"alias": k, "version": v} for k, v in held["aliases"].items()]
        return {"registered_model": shown}

    def _model(self, name: str) -> dict[str, Any]:
        if name not in self.models:
            text = f"Registered Model with name={name} not found"
            raise RefusedError(404, "RESOURCE_DOES_NOT_EXIST", text)
        return self.models[name]

    def _version(self, name: str, version: str) -> dict[str, Any]:
        if not isinstance(version, str) or not version.isdecimal():
            text = f"Parameter 'version' must be an integer, got '{version}'."
            raise RefusedError(400, "INVALID_PARAMETER_VALUE", text)
        held = self._model(name)["versions"]
        if version not in held:
            text = f"Model Version (name={name}, version={version}) not found"
            raise RefusedError(404, "RESOURCE_DOES_NOT_EXIST", text)
        return {"name": name, "version": version, "status": held[version]}

    @staticmethod
    def _filled(body: dict[str, Any], *names: str) -> None:
        for name in names:
            if name not in body:
                text = f"Missing value for required parameter '{name}'."
                raise RefusedError(400, "INVALID_PARAMETER_VALUE", text)
