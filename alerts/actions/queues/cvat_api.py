"""The requests to CVAT that a queue needs; what each answers is checked here."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from alerts.actions.queues.forms import FormFile, multipart
from alerts.actions.queues.protocol import LabelQueueError
from alerts.actions.queues.service import LabelService

_QUALITY = 95
_PAGE = 100
_MOST_PAGES = 100
_UPLOAD_WAITS_S = (0.2, 0.5, 1.0, 2.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Meta:
    """A task's frames by name, in order, with their widths and heights in pixels, and those that
    were struck out."""

    names: tuple[str, ...]
    deleted: tuple[int, ...]
    sizes: tuple[tuple[float, float], ...] = ()


class CvatApi:
    """Args:
    url: of the server.
    token: of a user.
    """

    def __init__(self, url: str, token: str, *, timeout_s: float) -> None:
        self._api = LabelService(
            "CVAT",
            f"{url.rstrip('/')}/api",
            secret=token,
            headers={"Authorization": f"Token {token}"},
            timeout_s=timeout_s,
        )

    @property
    def host(self) -> str:
        return self._api.host

    def close(self) -> None:
        self._api.close()

    def project_named(self, title: str) -> int | None:
        """The oldest of this name."""
        found = self._list("/projects", {"filter": _equal("name", title)})
        return min((int(one["id"]) for one in found if one.get("name") == title), default=None)

    def create_project(self, title: str, names: Sequence[str], kind: str) -> int:
        """``kind`` of its labels: tag, rectangle."""
        labels = [{"name": name, "type": kind, "attributes": []} for name in names]
        self._made("/projects", {"name": title, "labels": labels})
        number = self.project_named(title)
        if number is None:
            raise self._api.strange("/projects")
        return number

    def labels(self, project: int, kind: str) -> dict[str, int]:
        """Labels of this kind, by name."""
        return {
            str(one.get("name")): int(one["id"])
            for one in self._list("/labels", {"project_id": str(project)})
            if one.get("type") in (kind, "any")
        }

    def tasks_named(self, project: int, name: str) -> list[tuple[int, int]]:
        """Number and size of each, oldest first."""
        params = {"project_id": str(project), "filter": _equal("name", name)}
        found = self._list("/tasks", params)
        return sorted(
            (int(one["id"]), int(one.get("size") or 0)) for one in found if one.get("name") == name
        )

    def create_task(self, project: int, name: str) -> int:
        return self._made("/tasks", {"name": name, "project_id": project})

    def upload(self, number: int, files: Sequence[tuple[str, bytes]]) -> None:
        """Give a task its frames, and wait some seconds until they are there."""
        body, content_type = multipart(
            {"image_quality": str(_QUALITY), "sorting_method": "lexicographical"},
            [
                FormFile(field=f"client_files[{position}]", name=name, kind="image/png", raw=raw)
                for position, (name, raw) in enumerate(files)
            ],
        )
        answer = self._api.object(
            "POST",
            f"/tasks/{number}/data",
            content=body,
            headers={"Content-Type": content_type},
        )
        request = answer.get("rq_id")
        if not isinstance(request, str):
            raise self._api.strange("data")
        for wait_s in _UPLOAD_WAITS_S:
            state = self._api.object("GET", f"/requests/{request}").get("status")
            if state == "finished":
                return
            if state == "failed":
                raise LabelQueueError(f"CVAT: the images of task {number} could not be read")
            time.sleep(wait_s)

    def is_busy(self, number: int) -> bool:
        """Whether an upload is being worked on."""
        found = self._list("/requests", {"task_id": str(number)})
        return any(one.get("status") in ("queued", "started") for one in found)

    def meta(self, number: int) -> Meta | None:
        """None: no such task."""
        answer = self._api.ask("GET", f"/tasks/{number}/data/meta", accept=(404,))
        if answer.status == 404:
            return None
        plain = answer.object()
        frames, deleted = plain.get("frames"), plain.get("deleted_frames")
        if not isinstance(frames, list) or not isinstance(deleted, list):
            raise self._api.strange("data/meta")
        return Meta(
            names=tuple(str(frame.get("name", "")) for frame in frames),
            deleted=tuple(deleted),
            sizes=tuple(
                (float(frame.get("width") or 0), float(frame.get("height") or 0))
                for frame in frames
            ),
        )

    def strike(self, number: int, frames: Sequence[int]) -> None:
        """Frames that nobody need label; these are all of them."""
        plain = {"deleted_frames": list(frames)}
        self._api.object("PATCH", f"/tasks/{number}/data/meta", plain)

    def delete(self, number: int) -> None:
        answer = self._api.ask("DELETE", f"/tasks/{number}", accept=(204, 404))
        if answer.status not in (204, 404):
            raise self._api.strange("tasks")

    def said(self, number: int, kind: str) -> list[dict[str, Any]]:
        """The ``tags`` or ``shapes`` of a task; none are left of one that is gone."""
        answer = self._api.ask("GET", f"/tasks/{number}/annotations", accept=(404,))
        if answer.status == 404:
            return []
        found = answer.object().get(kind)
        if not isinstance(found, list):
            raise self._api.strange("annotations")
        return [one for one in found if isinstance(one, dict)]

    def say(self, number: int, kind: str, said: Sequence[Mapping[str, Any]]) -> None:
        """Set the ``tags`` or ``shapes`` of a task."""
        plain = {"version": 0, "tags": [], "shapes": [], "tracks": [], kind: list(said)}
        self._api.object("PUT", f"/tasks/{number}/annotations", plain)

    def jobs(self, number: int) -> list[dict[str, Any]]:
        """The jobs in which people annotate."""
        found = self._list("/jobs", {"task_id": str(number)})
        return [job for job in found if job.get("type", "annotation") == "annotation"]

    def _made(self, path: str, plain: Mapping[str, Any]) -> int:
        number = self._api.object("POST", path, plain).get("id")
        if not isinstance(number, int):
            raise self._api.strange(path)
        return number

    def _list(self, path: str, params: Mapping[str, str]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for page in range(1, _MOST_PAGES + 1):
            asked = {**params, "page": str(page), "page_size": str(_PAGE)}
            plain = self._api.object("GET", path, params=asked)
            results = plain.get("results")
            if not isinstance(results, list):
                raise self._api.strange(path)
            found += [one for one in results if isinstance(one, dict)]
            if not plain.get("next"):
                break
        return found


def _equal(name: str, value: str) -> str:
    return json.dumps({"==": [{"var": name}, value]})
