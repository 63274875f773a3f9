"""What CVAT's API 2 does with projects, tasks, frames, tags and jobs, by its SDK.

No CVAT server can be installed here: this is as strict as its schema, and no more certain.
"""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from email.parser import BytesParser
from typing import Any

from monitor.standins.reply import Reply, Request, as_json


class RefusedError(Exception):
    def __init__(self, status: int, detail: str) -> None:
        self.reply = as_json({"detail": detail}, status)
        super().__init__(detail)


class CvatStub:
    """``slow``: uploads stay in the background until ``settle``."""

    def __init__(self, token: str, now: datetime) -> None:
        self.token, self.now = token, now
        self.slow = False
        self.projects: dict[int, dict[str, Any]] = {}
        self.labels: list[dict[str, Any]] = []
        self.tasks: dict[int, dict[str, Any]] = {}
        self._number = 0

    def held(self, name: str) -> list[tuple[int, int]]:
        return [
            (number, frame)
            for number, task in self.tasks.items()
            for frame, file in enumerate(task["frames"])
            if file == f"{name}.png" and frame not in task["deleted"]
        ]

    def label(self, name: str, label: str, *, completed: bool = True) -> None:
        """A person replaces what the model said, and completes the job."""
        (number, frame) = self.held(name)[0]
        task = self.tasks[number]
        tags = [tag for tag in task["tags"] if tag["frame"] != frame]
        (known,) = [one["id"] for one in self.labels if one["name"] == label]
        tags.append({"id": self._next(), "frame": frame, "label_id": known, "source": "manual"})
        task["tags"] = tags
        if completed:
            task["state"] = "completed"
            self.now += timedelta(seconds=1)

    def draw(self, name: str, *boxes: tuple[float, float, float, float, str]) -> None:
        """A person replaces what the model drew (corners in pixels, class); the job stays open."""
        (number, frame) = self.held(name)[0]
        task = self.tasks[number]
        known = {one["name"]: one["id"] for one in self.labels if one["type"] == "rectangle"}
        task["shapes"] = [one for one in task["shapes"] if one["frame"] != frame] + [
            {
                "id": self._next(),
                "type": "rectangle",
                "frame": frame,
                "label_id": known[kind],
                "points": list(sides),
                "rotation": 0.0,
                "source": "manual",
            }
            for *sides, kind in boxes
        ]

    def complete(self, name: str) -> None:
        self.tasks[self.held(name)[0][0]]["state"] = "completed"

    def settle(self) -> None:
        for task in self.tasks.values():
            task["frames"] = task["frames"] or task["uploaded"]

    def __call__(self, request: Request) -> Reply:
        try:
            return self._take(request)
        except RefusedError as refused:
            return refused.reply

    def _take(self, request: Request) -> Reply:
        if request.header("Authorization") != f"Token {self.token}":
            raise RefusedError(401, "Invalid token.")
        path = request.path.removeprefix("/api")
        if found := re.fullmatch(r"/tasks/(\d+)(/.*)?", path):
            return self._task(request, int(found[1]), found[2] or "")
        if found := re.fullmatch(r"/requests/(.+)", path):
            task = self.tasks[int(found[1].rpartition("=")[2])]
            return as_json({"id": found[1], "status": self._status(task)})
        query = request.query
        match (request.method, path):
            case ("GET", "/projects"):
                return self._page(query, list(self.projects.values()))
            case ("POST", "/projects"):
                return self._create_project(json.loads(request.body))
            case ("GET", "/labels"):
                mine = [x for x in self.labels if x["project_id"] == int(query["project_id"])]
                return self._page(query, mine)
            case ("GET", "/tasks"):
                project = int(query["project_id"])
                shown = [
                    {"id": number, "name": task["name"], "size": len(task["frames"])}
                    for number, task in self.tasks.items()
                    if task["project_id"] == project
                ]
                return self._page(query, shown)
            case ("POST", "/tasks"):
                body = json.loads(request.body)
                if body["project_id"] not in self.projects:
                    raise RefusedError(400, "project_id: Invalid pk")
                number = self._next()
                fresh = {"frames": [], "uploaded": [], "deleted": [], "state": "new"}
                fresh |= {"tags": [], "shapes": []}
                self.tasks[number] = {**body, **fresh}
                return as_json({"id": number, "name": body["name"]}, 201)
            case ("GET", "/jobs"):
                number = int(query["task_id"])
                if number not in self.tasks or not self.tasks[number]["frames"]:
                    return self._page(query, [])
                task = self.tasks[number]
                job = {
                    "id": number * 1000,
                    "type": "annotation",
                    "state": task["state"],
                    "start_frame": 0,
                    "stop_frame": len(task["frames"]) - 1,
                    "assignee": {"username": "ann"},
                    "updated_date": self.now.isoformat(),
                }
                return self._page(query, [job])
            case ("GET", "/requests"):
                task = self.tasks[int(query["task_id"])]
                shown = [{"id": "x", "status": self._status(task)}] if task["uploaded"] else []
                return self._page(query, shown)
        raise RefusedError(404, "Not found.")

    def _task(self, request: Request, number: int, rest: str) -> Reply:
        if number not in self.tasks:
            raise RefusedError(404, "No Task matches the given query.")
        task = self.tasks[number]
        match (request.method, rest):
            case ("DELETE", ""):
                del self.tasks[number]
                return Reply(status=204)
            case ("POST", "/data"):
                if task["uploaded"]:
                    raise RefusedError(400, "Adding more data is not supported")
                task["uploaded"] = sorted(_files(request))
                if not self.slow:
                    self.settle()
                return as_json({"rq_id": f"action=create&target=task&id={number}"}, 202)
            case ("GET", "/data/meta"):
                frames = [{"name": name, "width": 200, "height": 100} for name in task["frames"]]
                return as_json({"frames": frames, "deleted_frames": task["deleted"]})
            case ("PATCH", "/data/meta"):
                task["deleted"] = json.loads(request.body)["deleted_frames"]
                return as_json({"deleted_frames": task["deleted"]})
            case ("GET", "/annotations"):
                said = {"tags": task["tags"], "shapes": task["shapes"]}
                return as_json({"version": 0, **said, "tracks": []})
            case ("PUT", "/annotations"):
                plain = json.loads(request.body)
                self._check(task, plain)
                task["tags"] = [{**tag, "id": self._next()} for tag in plain["tags"]]
                task["shapes"] = [{**one, "id": self._next()} for one in plain["shapes"]]
                return as_json(plain)
        raise RefusedError(405, "Method not allowed.")

    def _check(self, task: dict[str, Any], plain: dict[str, Any]) -> None:
        known = {one["id"] for one in self.labels}
        for one in (*plain["tags"], *plain["shapes"]):
            if one["label_id"] not in known or one["frame"] >= len(task["frames"]):
                raise RefusedError(400, "annotations: Invalid label or frame")
        for shape in plain["shapes"]:
            if shape["type"] != "rectangle" or len(shape["points"]) != 4:
                raise RefusedError(400, "annotations: Invalid points")

    def _create_project(self, body: dict[str, Any]) -> Reply:
        names = [label["name"] for label in body["labels"]]
        if len(set(names)) < len(names):
            raise RefusedError(400, "labels: All label names must be unique")
        number = self._next()
        self.projects[number] = {"id": number, "name": body["name"]}
        for label in body["labels"]:
            self.labels.append({**label, "id": self._next(), "project_id": number})
        return as_json({"id": number, "name": body["name"]}, 201)

    def _page(self, query: Any, rows: list[dict[str, Any]]) -> Reply:
        if "filter" in query:
            (var, value) = json.loads(query["filter"])["=="]
            rows = [row for row in rows if row[var["var"]] == value]
        page, size = int(query["page"]), int(query["page_size"])
        some = rows[(page - 1) * size : page * size]
        more = "next" if page * size < len(rows) else None
        return as_json({"count": len(rows), "next": more, "results": some})

    @staticmethod
    def _status(task: dict[str, Any]) -> str:
        return "finished" if task["frames"] else "started"

    def _next(self) -> int:
        self._number += 1
        return self._number


def _files(request: Request) -> list[str]:
    kind = request.header("Content-Type") or ""
    if not kind.startswith("multipart/form-data; boundary="):
        raise RefusedError(415, "Unsupported media type")
    whole = BytesParser().parsebytes(f"Content-Type: {kind}\r\n\r\n".encode() + request.body)
    names, fields = [], {}
    for part in whole.get_payload():
        name = part.get_param("name", header="Content-Disposition")
        if part.get_filename():
            if not part.get_payload(decode=True).startswith(b"\x89PNG"):
                raise RefusedError(400, "Cannot identify image file")
            names.append(part.get_filename())
        else:
            fields[name] = part.get_payload()
    if "image_quality" not in fields:
        raise RefusedError(400, "image_quality: This field is required.")
    return names
