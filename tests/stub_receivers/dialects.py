"""What each provider's API takes and refuses, as far as a notifier speaks it. Strict."""

from __future__ import annotations

import base64
import json
import re
from abc import ABC, abstractmethod
from typing import Any

from slack_sdk.models.blocks import Block

from monitor.standins.reply import Reply, Request, as_json

LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


class Shown(ABC):
    """``shown`` is what people see, in order; ``refused`` why a request was turned down."""

    def __init__(self) -> None:
        self.shown: list[str] = []
        self.refused: list[str] = []

    def __call__(self, request: Request) -> Reply:
        try:
            return self.take(request)
        except AssertionError as error:
            self.refused.append(str(error))
            return as_json({"message": str(error)[:200]}, 400)

    @abstractmethod
    def take(self, request: Request) -> Reply: ...


def _text(value: Any, most: int, what: str) -> str:
    assert isinstance(value, str), what
    assert 0 < len(value) <= most, f"{what}: {len(value)} of {most} characters"
    return value


class SlackWebhook(Shown):
    def take(self, request: Request) -> Reply:
        body = json.loads(request.body)
        inner = [block for each in body.get("attachments", []) for block in each["blocks"]]
        for blocks in (body["blocks"], inner):
            assert len(blocks) <= 50
            for block in Block.parse_all(blocks):
                block.validate_json()
        sections = [each for each in (*body["blocks"], *inner) if each["type"] == "section"]
        for field in (field for each in sections for field in each.get("fields", [])):
            _text(field["text"], 2000, "field")
        assert len(request.body.decode()) <= 16_000
        self.shown.append(_text(body["text"], 40_000, "text"))
        return Reply(body=b"ok", content_type="text/html")


class Teams(Shown):
    def take(self, request: Request) -> Reply:
        assert len(request.body) <= 28 * 1024, f"{len(request.body)} bytes"
        body = json.loads(request.body)
        (attachment,) = body["attachments"]
        assert body["type"] == "message"
        assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
        card = attachment["content"]
        assert (card["type"], card["version"]) == ("AdaptiveCard", "1.4")
        assert {each["type"] for each in card["body"]} == {"RichTextBlock"}
        assert len(card["actions"]) <= 6
        for action in card["actions"]:
            assert action["type"] == "Action.OpenUrl"
            assert action["url"].startswith(("http://", "https://"))
        runs = [run for block in card["body"] for run in block["inlines"]]
        self.shown.append("\n".join(_text(run["text"], 10_000, "run") for run in runs))
        return Reply(status=202)


class Alertmanager(Shown):
    """Alerts by their labels, as Alertmanager 0.25 checks them."""

    def __init__(self) -> None:
        super().__init__()
        self.alerts: dict[str, dict[str, Any]] = {}

    def take(self, request: Request) -> Reply:
        assert (request.method, request.path) == ("POST", "/api/v2/alerts")
        for alert in json.loads(request.body):
            labels = alert["labels"]
            assert labels["alertname"]
            for name in (*labels, *alert["annotations"]):
                assert LABEL.fullmatch(name), name
            assert all(labels.values())
            assert RFC3339.fullmatch(alert["startsAt"])
            assert RFC3339.fullmatch(alert["endsAt"])
            assert alert["startsAt"] <= alert["endsAt"]
            assert alert["generatorURL"].startswith("http")
            key = json.dumps(labels, sort_keys=True)
            if key not in self.alerts:
                self.shown.append(alert["annotations"]["summary"])
            self.alerts[key] = alert
        return Reply()


class Jsm(Shown):
    """Alerts by alias; notes are kept one by one."""

    def __init__(self, key: str) -> None:
        super().__init__()
        self.key = key
        self.alerts: list[dict[str, Any]] = []

    def take(self, request: Request) -> Reply:
        if request.header("Authorization") != f"GenieKey {self.key}":
            return as_json({"message": "Could not authenticate"}, 401)
        assert request.path.startswith("/v2/alerts")
        if request.path == "/v2/alerts":
            return self._create(json.loads(request.body))
        assert request.query["identifierType"] == "alias"
        _, _, _, alias, action = request.path.split("/")
        alert = next(
            (each for each in self.alerts if each["alias"] == alias and each["open"]), None
        )
        if request.method == "GET" and action == "notes":
            notes = [] if alert is None else alert["notes"]
            return as_json({"data": [{"note": note} for note in reversed(notes)]})
        body = json.loads(request.body)
        if alert is None:  # taken, and refused later, where no one sees it
            return as_json({"result": "Request will be processed"}, 202)
        if action == "priority":
            assert request.method == "PUT"
            alert["priority"] = body["priority"]
            return as_json({"result": "Request will be processed"}, 202)
        assert (request.method, action) in {
            ("POST", "notes"),
            ("POST", "acknowledge"),
            ("POST", "close"),
        }
        note = _text(body["note"], 25_000, "note")
        if action == "notes":
            self.shown.append(note)
        alert["notes"].append(note)
        alert["acknowledged"] |= action == "acknowledge"
        alert["open"] &= action != "close"
        return as_json({"result": "Request will be processed"}, 202)

    def _create(self, body: dict[str, Any]) -> Reply:
        _text(body["message"], 130, "message")
        _text(body["alias"], 512, "alias")
        _text(body["description"], 15_000, "description")
        _text(body["entity"], 512, "entity")
        _text(body["source"], 100, "source")
        assert len(body["tags"]) <= 20
        for tag in body["tags"]:
            _text(tag, 50, "tag")
        assert sum(len(k) + len(v) for k, v in body["details"].items()) <= 8000
        assert body["priority"] in {"P1", "P2", "P3", "P4", "P5"}
        if not any(each["alias"] == body["alias"] and each["open"] for each in self.alerts):
            self.alerts.append({**body, "open": True, "acknowledged": False, "notes": []})
            self.shown.append(body["message"])
        return as_json({"result": "Request will be processed"}, 202)


class ServiceNow(Shown):
    """Alerts by message key."""

    def __init__(self, user: str, password: str) -> None:
        super().__init__()
        self.login = base64.b64encode(f"{user}:{password}".encode()).decode()
        self.alerts: dict[str, list[dict[str, Any]]] = {}

    def take(self, request: Request) -> Reply:
        if request.header("Authorization") != f"Basic {self.login}":
            return as_json({"error": {"message": "User Not Authenticated"}}, 401)
        assert request.path == "/api/global/em/jsonv2"
        (event,) = json.loads(request.body)["records"]
        for name in ("source", "node", "type", "resource", "metric_name", "event_class"):
            _text(event[name], 100, name)
        _text(event["description"], 4000, "description")
        assert event["severity"] in {"0", "1", "2", "3", "4", "5"}
        assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", event["time_of_event"])
        assert isinstance(json.loads(event["additional_info"]), dict)
        key = _text(event["message_key"], 1024, "message_key")
        events = self.alerts.setdefault(key, [])
        if event["severity"] != "0" and (not events or events[-1]["severity"] == "0"):
            self.shown.append(event["description"])
        events.append(event)
        return as_json({"result": {"Default Bulk Endpoint": "1 events were inserted"}})
