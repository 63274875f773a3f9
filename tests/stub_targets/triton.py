"""A strict stub of Triton's model repository extension, in explicit mode.

Answers are as Triton 2.51 gives them: ``tests/alerts/test_target_triton_server.py`` asks it.
"""

from __future__ import annotations

import json
from typing import Any

from monitor.standins.reply import Reply, Request, as_json

FIELDS = {"name", "platform", "backend", "max_batch_size", "version_policy", "parameters"}


class TritonStub:
    """One model. ``held`` are the versions in its folder; ``broken`` can't be loaded; ``loads``
    is what was loaded, one after another."""

    def __init__(self, token: str, model: str) -> None:
        self.token, self.model = token, model
        self.mode = "explicit"
        self.held: list[int] = []
        self.broken: set[int] = set()
        self.loads: list[list[int]] = []
        self.states: dict[int, str] = {}
        self.config: dict[str, Any] = {}

    def release(self, version: int) -> None:
        """Its folder is there, and the model is loaded again as its file says."""
        self.held.append(version)
        self._load(None)
        self.loads.pop()

    def __call__(self, request: Request) -> Reply:
        if request.header("Authorization") != f"Bearer {self.token}":
            return as_json({"error": "unauthorized"}, 401)
        match (request.method, *request.path.strip("/").split("/")):
            case ("POST", "v2", "repository", "index"):
                return as_json(self._index())
            case ("GET", "v2", "models", self.model, "config"):
                if "READY" not in self.states.values():
                    return self._unknown(self.model)
                return as_json(self.config)
            case ("GET", "v2", "models", other, "config"):
                return self._unknown(other)
            case ("POST", "v2", "repository", "models", self.model, "load"):
                if self.mode != "explicit":
                    text = "explicit model load / unload is not allowed if polling is enabled"
                    return as_json({"error": text}, 400)
                given = json.loads(request.body or b"{}").get("parameters", {}).get("config")
                return self._load(given)
            case ("POST", "v2", "repository", "models", other, "load"):
                text = f"failed to load '{other}', failed to poll from model repository"
                return as_json({"error": text}, 500)
        return as_json({"error": "not found"}, 404)

    @staticmethod
    def _unknown(model: str) -> Reply:
        return as_json({"error": f"Request for unknown model: '{model}' is not found"}, 404)

    def _index(self) -> list[dict[str, str]]:
        if not self.states:
            return [{"name": self.model}]
        other = {"name": "other", "version": "9", "state": "READY"}
        return [
            other,
            *(
                {"name": self.model, "version": str(version), "state": state, "reason": ""}
                for version, state in self.states.items()
            ),
        ]

    def _load(self, given: str | None) -> Reply:
        """The config is one string that holds JSON; a load that fails changes nothing."""
        config = {
            "name": self.model,
            "backend": "onnxruntime",
            "max_batch_size": 8,
            "version_policy": {"latest": {"num_versions": 1}},
        }
        if given is not None:
            if not isinstance(given, str):
                return as_json({"error": "attempt to access JSON non-string as string"}, 500)
            config = json.loads(given)
            if set(config) - FIELDS or config["name"] != self.model:
                return as_json({"error": f"failed to load '{self.model}', bad config"}, 400)
            for value in (config.get("parameters") or {}).values():
                assert set(value) == {"string_value"}
        policy = config["version_policy"]
        wanted = list(policy["specific"]["versions"]) if "specific" in policy else [max(self.held)]
        if any(version in self.broken or version not in self.held for version in wanted):
            text = f"load failed for model '{self.model}': at least one version must be available"
            return as_json({"error": text}, 400)
        self.config = config
        self.states = dict.fromkeys(self.states, "UNAVAILABLE") | dict.fromkeys(wanted, "READY")
        self.loads.append(wanted)
        return Reply(body=b"")
