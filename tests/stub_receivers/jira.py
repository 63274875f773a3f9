"""A strict stub of what Jira's REST API v3 does with issues, comments and transitions."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

from monitor.standins.reply import Reply, Request, as_json
from stub_receivers.dialects import Shown

OPEN = {"name": "To Do", "statusCategory": {"key": "new"}}
DONE = {"name": "Done", "statusCategory": {"key": "done"}}
LINK = {"type", "attrs"}


class Jira(Shown):
    """``is_indexed``: whether its search shows what was made since."""

    def __init__(self, user: str, token: str) -> None:
        super().__init__()
        self.login = base64.b64encode(f"{user}:{token}".encode()).decode()
        self.issues: dict[str, dict[str, Any]] = {}
        self.is_indexed = True

    def take(self, request: Request) -> Reply:
        if request.header("Authorization") != f"Basic {self.login}":
            return as_json({"errorMessages": ["You do not have permission"]}, 401)
        assert request.path.startswith("/rest/api/3/")
        path = request.path.removeprefix("/rest/api/3/").split("/")
        match (request.method, *path):
            case ("POST", "issue"):
                return self._create(json.loads(request.body))
            case ("POST", "search", "jql"):
                return self._search(json.loads(request.body))
            case (_, "issue", key, *_) if key not in self.issues:
                return as_json({"errorMessages": ["Issue does not exist"]}, 404)
            case ("GET", "issue", key):
                return as_json({"key": key, "fields": {"status": self.issues[key]["status"]}})
            case ("GET", "issue", key, "comment"):
                return as_json({"comments": self.issues[key]["comments"]})
            case ("POST", "issue", key, "comment"):
                body = json.loads(request.body)["body"]
                self._checked(body)
                self.issues[key]["comments"].append({"body": body})
                self.shown.append(f"comment on {key}")
                return as_json({"id": "1"}, 201)
            case ("GET", "issue", key, "transitions"):
                is_done = self.issues[key]["status"] is DONE
                to = {"id": "11", "name": "Reopen", "to": OPEN}
                done = {"id": "31", "name": "Close", "to": DONE}
                return as_json({"transitions": [to if is_done else done]})
            case ("POST", "issue", key, "transitions"):
                chosen = json.loads(request.body)["transition"]["id"]
                self.issues[key]["status"] = {"11": OPEN, "31": DONE}[chosen]
                return Reply(status=204)
        return as_json({"errorMessages": [f"no {request.method} {request.path}"]}, 404)

    def _create(self, body: dict[str, Any]) -> Reply:
        fields = body["fields"]
        assert fields["project"] == {"key": "OPS"}
        assert fields["issuetype"] == {"name": "Task"}
        assert 0 < len(fields["summary"]) <= 255
        assert "\n" not in fields["summary"]
        for label in fields["labels"]:
            assert re.fullmatch(r"\S{1,255}", label), label
        self._checked(fields["description"])
        key = f"OPS-{len(self.issues) + 1}"
        self.issues[key] = {**fields, "status": OPEN, "comments": []}
        self.shown.append(fields["summary"])
        return as_json({"id": "10000", "key": key}, 201)

    def _search(self, body: dict[str, Any]) -> Reply:
        found = re.fullmatch(r'labels = "([^"\s]+)" ORDER BY created DESC', body["jql"])
        assert found, body["jql"]
        keys = [key for key, each in self.issues.items() if found[1] in each["labels"]]
        shown = keys[::-1][: body["maxResults"]] if self.is_indexed else []
        fields = [{name: self.issues[key][name] for name in body["fields"]} for key in shown]
        issues = [{"key": key, "fields": each} for key, each in zip(shown, fields, strict=True)]
        return as_json({"issues": issues, "isLast": True})

    @staticmethod
    def _checked(document: dict[str, Any]) -> None:
        """A document of paragraphs of texts, none empty, with marks that the format knows."""
        assert (document["type"], document["version"]) == ("doc", 1)
        assert len(json.dumps(document)) <= 32_767
        for paragraph in document["content"]:
            assert paragraph["type"] == "paragraph"
            for node in paragraph["content"]:
                assert node["type"] == "text"
                assert node["text"]
                for mark in node.get("marks", []):
                    assert mark["type"] in {"strong", "link"}
                    assert mark["type"] == "strong" or mark.keys() == LINK
