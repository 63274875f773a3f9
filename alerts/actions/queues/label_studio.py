"""Tasks in a project of Label Studio (1.13 and later; tried with 1.23).

Import is not idempotent: the same body twice makes two tasks. So each task carries our id in its
``data`` and ``meta``, and is looked for before it is imported; where a lost answer made two all
the same, those that came later are deleted. Labels are asked for by the time of the last change; a
webhook, where Label Studio has one, only says that there is something to ask for: it is sent once,
unsigned, and given up after a second.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from alerts.actions.queues.label_studio_answers import CHOICES, Users, annotations_of
from alerts.actions.queues.label_studio_boxes import drawn_by_model
from alerts.actions.queues.label_studio_project import LabelStudioProject
from alerts.actions.queues.labels import name_of
from alerts.actions.queues.protocol import (
    Annotation,
    LabelQueueError,
    LabelTask,
    Placed,
    Poll,
    TaskRef,
)
from alerts.actions.queues.service import LabelService

AT_ONCE = 50
_PAGE = 100
_MOST_PAGES = 1000


class LabelStudioQueue:
    """Args:
    url: of the server.
    token: of a user (``Authorization: Token``).
    class_names: what labellers choose from.
    project: its number; None: the one of this title, which is made where there is none.
    title: of a project of ours.
    annotators: how many label each image.
    boxes: whether people draw boxes; else they choose a class.
    webhook: a URL of ours, with headers, that a project of ours calls when something was labelled.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        class_names: Sequence[str],
        title: str,
        project: int | None = None,
        annotators: int = 1,
        webhook: tuple[str, Mapping[str, str]] | None = None,
        boxes: bool = False,
        timeout_s: float = 10.0,
    ) -> None:
        self._api = LabelService(
            "Label Studio",
            f"{url.rstrip('/')}/api",
            secret=token,
            headers={"Authorization": f"Token {token}"},
            timeout_s=timeout_s,
        )
        self._class_names = tuple(class_names)
        self._project = LabelStudioProject(
            self._api,
            class_names=class_names,
            title=title,
            number=project,
            annotators=annotators,
            webhook=webhook,
            boxes=boxes,
        )
        self._boxes = boxes
        self._name = f"label-studio {self._api.host} {project or title}"

    def close(self) -> None:
        self._api.close()

    @property
    def name(self) -> str:
        return self._name

    def put(self, tasks: Sequence[LabelTask]) -> Placed:
        project = self._project.ready()
        ids: dict[str, str] = {}
        rest = iter(tasks)
        while some := list(islice(rest, AT_ONCE)):
            there, extra = self._there(project, [task.id for task in some])
            self._delete(project, extra)
            ids.update(there)
            fresh = [task for task in some if task.id not in there]
            if fresh:
                ids.update(self._import(project, fresh))
        return Placed(location=f"{self._api.url[:-4]}/projects/{project}", ids=ids)

    def withdraw(self, refs: Sequence[TaskRef]) -> None:
        project = self._project.ready()
        numbers = [int(ref.external_id) for ref in refs if ref.external_id.isdigit()]
        unnamed = [ref.id for ref in refs if not ref.external_id]
        for first in range(0, len(unnamed), AT_ONCE):
            there, extra = self._there(project, unnamed[first : first + AT_ONCE])
            numbers += [*map(int, there.values()), *extra]
        for first in range(0, len(numbers), AT_ONCE):
            self._delete(project, numbers[first : first + AT_ONCE])

    def poll(self, refs: Sequence[TaskRef], *, since: datetime | None) -> Poll:
        project = self._project.ready()
        filters = [_filter("total_annotations", "greater", "Number", 0)]
        if since is not None:
            moment = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            filters.append(_filter("updated_at", "greater", "Datetime", moment))
        known = {ref.id for ref in refs}
        users = Users(self._api)
        annotations: list[Annotation] = []
        problems: list[str] = []
        for task in self._tasks(project, filters, fields="all"):
            ours = _our_id(task)
            if ours not in known:
                continue
            found = annotations_of(task, ours, self._class_names, users, boxes=self._boxes)
            annotations += found.annotations
            problems += found.problems
        return Poll(annotations=tuple(annotations), problems=tuple(problems))

    def _import(self, project: int, tasks: Sequence[LabelTask]) -> dict[str, str]:
        bare = [task.id for task in tasks if task.image is None and not task.uri]
        if bare:
            raise LabelQueueError(
                f"Label Studio: {len(bare)} images have neither pixels nor a uri to be shown by: "
                'expected pixels = "thumbnails", or uris from the tap'
            )
        answer = self._api.object(
            "POST",
            f"/projects/{project}/import",
            [self._plain(task) for task in tasks],
            params={"return_task_ids": "true"},
        )
        numbers = answer.get("task_ids")
        if not isinstance(numbers, list) or len(numbers) != len(tasks):
            raise self._api.strange("import")
        return {task.id: str(number) for task, number in zip(tasks, numbers, strict=True)}

    def _plain(self, task: LabelTask) -> dict[str, Any]:
        where = " · ".join(f"{key}={value}" for key, value in task.metadata.items())
        image = task.uri
        if task.image is not None:
            image = "data:image/png;base64," + base64.b64encode(task.image).decode()
        plain: dict[str, Any] = {
            "data": {
                "image": image,
                "about": " · ".join(part for part in (where, task.reason) if part),
                "vigil_task": task.id,
                "record_id": task.record_id,
                "batch": task.batch,
                "slice": task.slice,
                "priority": task.priority,
                "rank": task.rank,
                "assigned_to": task.assigned_to,
                "uri": task.uri,
            },
            "meta": {"vigil_task": task.id},
        }
        if self._boxes:
            plain["predictions"] = drawn_by_model(task, self._class_names)
        elif task.prediction >= 0:
            plain["predictions"] = [
                {
                    "model_version": task.version,
                    "score": dict(task.top).get(task.prediction, 0.0),
                    "result": [
                        {
                            **CHOICES,
                            "value": {"choices": [name_of(task.prediction, self._class_names)]},
                        }
                    ],
                }
            ]
        return plain

    def _there(self, project: int, tasks: Sequence[str]) -> tuple[dict[str, str], list[int]]:
        """The number of each task that is there, by our id, and those that are too many."""
        pattern = "^(" + "|".join(re.escape(task) for task in tasks) + ")$"
        found: dict[str, list[tuple[int, int]]] = {}
        filters = [_filter("data.vigil_task", "regex", "String", pattern)]
        for task in self._tasks(project, filters, fields="task_only"):
            ours = _our_id(task)
            if ours in tasks:
                said = int(task.get("total_annotations") or 0)
                found.setdefault(ours, []).append((-said, int(task["id"])))
        ranked = {ours: sorted(numbers) for ours, numbers in found.items()}
        extra = [one for numbers in ranked.values() for said, one in numbers[1:] if not said]
        return {ours: str(numbers[0][1]) for ours, numbers in ranked.items()}, extra

    def _tasks(
        self, project: int, filters: Sequence[Mapping[str, Any]], *, fields: str
    ) -> Iterator[dict[str, Any]]:
        query = {
            "ordering": ["tasks:id"],
            "filters": {"conjunction": "and", "items": list(filters)},
        }
        seen = 0
        for page in range(1, _MOST_PAGES + 1):
            answer = self._api.ask(
                "GET",
                "/tasks",
                params={
                    "project": str(project),
                    "page": str(page),
                    "page_size": str(_PAGE),
                    "fields": fields,
                    "query": json.dumps(query),
                },
                accept=(404,),
            )
            plain = answer.json()
            if answer.status == 404 and page > 1:  # some left while we turned the page
                return
            if answer.status == 404:
                self._project.forget()
                raise LabelQueueError(f"Label Studio: expected project {project}, found none")
            if not isinstance(plain, dict) or not isinstance(plain.get("tasks"), list):
                raise self._api.strange("tasks")
            tasks = [task for task in plain["tasks"] if isinstance(task, dict)]
            yield from tasks
            seen += len(plain["tasks"])
            if not tasks or seen >= int(plain.get("total", 0)):
                return

    def _delete(self, project: int, numbers: Sequence[int]) -> None:
        if not numbers:
            return
        answer = self._api.object(
            "POST",
            "/dm/actions",
            {"selectedItems": {"all": False, "included": list(numbers)}},
            params={"id": "delete_tasks", "project": str(project)},
        )
        if "processed_items" not in answer:
            raise self._api.strange("delete_tasks")


def _our_id(task: Mapping[str, Any]) -> str:
    data = task.get("data")
    found = data.get("vigil_task") if isinstance(data, dict) else None
    return found if isinstance(found, str) else ""


def _filter(column: str, operator: str, type: str, value: object) -> dict[str, Any]:
    return {
        "filter": f"filter:tasks:{column}",
        "operator": operator,
        "type": type,
        "value": value,
    }
