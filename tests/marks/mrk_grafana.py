"""A strict stub of Grafana's annotations: made, found by tag, changed; refuses what it refuses."""

from __future__ import annotations

import json
from typing import Any

from monitor.standins.reply import Reply, Request, as_json

TOKEN = "glsa_secret-of-grafana"
_FIELDS = {"time", "timeEnd", "tags", "text", "dashboardUID", "panelId"}


class Annotations:
    """``drawn`` by number."""

    def __init__(self) -> None:
        self.drawn: dict[int, dict[str, Any]] = {}
        self._numbers = iter(range(1, 10**6))

    def __call__(self, request: Request) -> Reply:
        if request.header("Authorization") != f"Bearer {TOKEN}":
            return as_json({"message": "Invalid API key"}, 401)
        path = request.path.removeprefix("/api/annotations")
        match request.method, path.strip("/"):
            case "GET", "":
                wanted = request.query["tags"]
                found = [
                    {"id": number, **one}
                    for number, one in self.drawn.items()
                    if wanted in one["tags"]
                ]
                return as_json(found[: int(request.query.get("limit", 100))])
            case "POST", "":
                return self._make(json.loads(request.body))
            case "PATCH", number if number.isdigit():
                return self._change(int(number), json.loads(request.body))
        return as_json({"message": "Not found"}, 404)

    def _make(self, body: dict[str, Any]) -> Reply:
        wrong = self._wrong(body)
        if wrong or not body.get("text"):
            return as_json({"message": wrong or "text field should not be empty"}, 400)
        number = next(self._numbers)
        self.drawn[number] = {"timeEnd": body["time"], **body}
        return as_json({"message": "Annotation added", "id": number})

    def _change(self, number: int, body: dict[str, Any]) -> Reply:
        if number not in self.drawn:
            return as_json({"message": "Annotation not found"}, 404)
        wrong = self._wrong(body)
        if wrong:
            return as_json({"message": wrong}, 400)
        self.drawn[number].update(body)
        return as_json({"message": "Annotation patched"})

    @staticmethod
    def _wrong(body: dict[str, Any]) -> str:
        if not set(body) <= _FIELDS:
            return f"unknown fields: {sorted(set(body) - _FIELDS)}"
        times = [body[name] for name in ("time", "timeEnd") if name in body]
        if not times or not all(isinstance(one, int) and one > 10**12 for one in times):
            return "time: expected milliseconds"
        if times != sorted(times):
            return "timeEnd: before time"
        if not all(isinstance(one, str) and len(one) <= 100 for one in body.get("tags", [])):
            return "tags: expected texts of at most 100 characters"
        return ""
