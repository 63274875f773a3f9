"""What Label Studio's API does with projects, tasks, annotations and webhooks, as 1.23 answered.

``tests/servers/test_label_studio_server.py`` asks the real one the same things.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from xml.etree import ElementTree

from monitor.standins.reply import Reply, Request, as_json

_MOMENT = "%Y-%m-%dT%H:%M:%S.%fZ"


class RefusedError(Exception):
    def __init__(self, status: int, detail: str) -> None:
        self.reply = as_json({"status_code": status, "detail": detail}, status)
        super().__init__(detail)


class LabelStudioStub:
    """``now`` moves a second with each change, so that times differ."""

    def __init__(self, token: str, now: datetime) -> None:
        self.token, self.now = token, now
        self.projects: dict[int, dict[str, Any]] = {}
        self.tasks: dict[int, dict[str, Any]] = {}
        self.webhooks: list[dict[str, Any]] = []
        self.imports = 0
        self._number = 0

    def annotate(self, task: int, choice: str | None, *, user: int = 1, lead: float = 2.0) -> int:
        """A person chooses, or skips where ``choice`` is None."""
        result = []
        if choice is not None:
            known = self._labels(self.projects[self.tasks[task]["project"]]["label_config"])
            assert choice in known, f"{choice!r} can't be chosen"
            result = [
                {
                    "from_name": "class",
                    "to_name": "image",
                    "type": "choices",
                    "value": {"choices": [choice]},
                }
            ]
        number = self._next()
        at = self._tick()
        self.tasks[task]["annotations"].append(
            {
                "id": number,
                "result": result,
                "completed_by": user,
                "was_cancelled": choice is None,
                "lead_time": lead,
                "created_at": at,
                "updated_at": at,
            }
        )
        self.tasks[task]["updated_at"] = at
        return number

    def by_our_id(self, name: str) -> list[int]:
        return [n for n, task in self.tasks.items() if task["data"].get("vigil_task") == name]

    def __call__(self, request: Request) -> Reply:
        try:
            return self._take(request)
        except RefusedError as refused:
            return refused.reply

    def _take(self, request: Request) -> Reply:
        if request.header("Authorization") != f"Token {self.token}":
            raise RefusedError(401, "Invalid token.")
        path = request.path.removeprefix("/api")
        if found := re.fullmatch(r"/projects/(\d+)(/import)?", path):
            project = self._project(int(found[1]))
            if found[2]:
                assert request.query.get("return_task_ids") == "true"
                return self._import(project, json.loads(request.body))
            return as_json(project)
        match (request.method, path):
            case ("GET", "/projects"):
                some = [
                    one
                    for one in self.projects.values()
                    if request.query.get("title", "").lower() in one["title"].lower()
                ]
                return as_json({"count": len(some), "results": some})
            case ("POST", "/projects"):
                return self._create(json.loads(request.body))
            case ("GET", "/tasks"):
                return self._list(request.query)
            case ("POST", "/dm/actions"):
                return self._delete(request.query, json.loads(request.body))
            case ("GET", "/users"):
                return as_json([{"id": 1, "email": "ann@example.com"}])
            case ("GET", "/webhooks/"):
                return as_json(self.webhooks)
            case ("POST", "/webhooks/"):
                self.webhooks.append({"id": self._next(), **json.loads(request.body)})
                return as_json(self.webhooks[-1], 201)
        raise RefusedError(404, "Not found.")

    def _create(self, body: dict[str, Any]) -> Reply:
        if not 3 <= len(body["title"]) <= 50:
            raise RefusedError(400, "title: Ensure this field has 3 to 50 characters.")
        number = self._next()
        self.projects[number] = {
            **body,
            "id": number,
            "parsed_label_config": self._parsed(body["label_config"]),
        }
        return as_json(self.projects[number], 201)

    def _import(self, project: dict[str, Any], tasks: list[dict[str, Any]]) -> Reply:
        known = self._labels(project["label_config"])
        for position, task in enumerate(tasks):
            if "image" not in task["data"] or "about" not in task["data"]:
                raise RefusedError(400, f'Error at item {position}: "image" key is expected')
            for prediction in task.get("predictions", ()):
                for item in prediction["result"]:
                    kind = item["type"]
                    if item["value"][kind][0] not in known:
                        raise RefusedError(400, "Validation error: unknown choice")
        numbers = []
        for task in tasks:
            number, at = self._next(), self._tick()
            self.tasks[number] = {
                **task,
                "id": number,
                "project": project["id"],
                "annotations": [],
                "updated_at": at,
            }
            numbers.append(number)
        self.imports += 1
        return as_json({"task_count": len(numbers), "task_ids": numbers}, 201)

    def _list(self, query: dict[str, str] | Any) -> Reply:
        project = self._project(int(query["project"]))
        plain = json.loads(query["query"])
        found = [task for task in self.tasks.values() if task["project"] == project["id"]]
        for item in plain["filters"]["items"]:
            found = [task for task in found if _fits(task, item)]
        found.sort(key=lambda task: int(task["id"]))
        page, size = int(query["page"]), int(query["page_size"])
        some = found[(page - 1) * size : page * size]
        if page > 1 and not some:
            raise RefusedError(404, "Invalid page.")
        shown = [
            {
                **{k: v for k, v in task.items() if k != "annotations" or query["fields"] == "all"},
                "total_annotations": _count(task),
            }
            for task in some
        ]
        return as_json({"total": len(found), "tasks": shown})

    def _delete(self, query: dict[str, str] | Any, body: dict[str, Any]) -> Reply:
        if query["id"] != "delete_tasks" or body["selectedItems"]["all"] is not False:
            raise RefusedError(400, "unknown action")
        self._project(int(query["project"]))
        gone = [n for n in body["selectedItems"]["included"] if self.tasks.pop(n, None)]
        return as_json({"processed_items": len(gone)})

    def _project(self, number: int) -> dict[str, Any]:
        if number not in self.projects:
            raise RefusedError(404, "No Project matches the given query.")
        return self.projects[number]

    @staticmethod
    def _labels(config: str) -> list[str]:
        try:
            tree = ElementTree.fromstring(config)
        except ElementTree.ParseError as error:
            raise RefusedError(400, f"label_config: {error}") from None
        return [
            choice.attrib["value"] for kind in ("Choice", "Label") for choice in tree.iter(kind)
        ]

    @classmethod
    def _parsed(cls, config: str) -> dict[str, Any]:
        labels = cls._labels(config)
        controls = ("Choices", "RectangleLabels")
        found = [one for kind in controls for one in ElementTree.fromstring(config).iter(kind)]
        return {one.attrib["name"]: {"type": one.tag, "labels": labels} for one in found}

    def draw(self, task: int, *boxes: tuple[float, float, float, float, str]) -> None:
        """A person draws boxes: left, top, width, height in percent, and the class."""
        known = self._labels(self.projects[self.tasks[task]["project"]]["label_config"])
        number = self.annotate(task, None)
        (said,) = [one for one in self.tasks[task]["annotations"] if one["id"] == number]
        assert all(box[4] in known for box in boxes)
        said["was_cancelled"] = False
        said["result"] = [
            {
                "id": f"b{k}",
                "from_name": "boxes",
                "to_name": "image",
                "type": "rectanglelabels",
                "original_width": 200,
                "original_height": 100,
                "image_rotation": 0,
                "value": {
                    "x": box[0],
                    "y": box[1],
                    "width": box[2],
                    "height": box[3],
                    "rotation": 0,
                    "rectanglelabels": [box[4]],
                },
            }
            for k, box in enumerate(boxes)
        ]

    def _next(self) -> int:
        self._number += 1
        return self._number

    def _tick(self) -> str:
        self.now += timedelta(seconds=1)
        return self.now.astimezone(UTC).strftime(_MOMENT)


def _count(task: dict[str, Any]) -> int:
    return sum(not one["was_cancelled"] for one in task["annotations"])


def _fits(task: dict[str, Any], item: dict[str, Any]) -> bool:
    match (item["filter"], item["operator"], item["type"]):
        case ("filter:tasks:data.vigil_task", "regex", "String"):
            return bool(re.search(item["value"], task["data"].get("vigil_task", "")))
        case ("filter:tasks:total_annotations", "greater", "Number"):
            return _count(task) > int(item["value"])
        case ("filter:tasks:updated_at", "greater", "Datetime"):
            try:
                moment = datetime.strptime(item["value"], _MOMENT)
            except ValueError as error:
                raise RefusedError(500, str(error)) from None
            return datetime.strptime(task["updated_at"], _MOMENT) > moment
    raise RefusedError(500, f"filter {item}")
