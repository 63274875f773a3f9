"""Tasks in a Labelbox project: a data row an image, batches by priority, labels by its export.

A data row's global key is our id of the task, and Labelbox takes a global key once. So what is
there is looked up before anything is sent, and again where the answer was lost: first in the
project, then among all data rows, which may have come and not yet been handed out. Names of
batches follow from what is in them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any, TypeVar

from alerts.actions.queues.labelbox_api import LabelboxApi, LabelboxRefusedError
from alerts.actions.queues.labels import class_of, name_of
from alerts.actions.queues.protocol import (
    NONE_CHOICE,
    Annotation,
    LabelQueueError,
    LabelTask,
    Placed,
    Poll,
    TaskRef,
)
from alerts.actions.queues.times import moment

QUESTION = "class"
URL = "https://api.labelbox.com"
_AT_ONCE = 500
_One = TypeVar("_One")


class LabelboxQueue:
    """Args:
    key: of a user or a service (``Authorization: Bearer``).
    class_names: what labellers choose from: options of the project's radio question ``class``.
    project: its id.
    dataset: the id of the dataset that holds the images.
    url: of the API.
    """

    def __init__(
        self,
        key: str,
        *,
        class_names: Sequence[str],
        project: str,
        dataset: str,
        url: str = URL,
        timeout_s: float = 10.0,
    ) -> None:
        self._api = LabelboxApi(url, key, timeout_s=timeout_s)
        self._class_names = tuple(class_names)
        self._project = project
        self._dataset = dataset
        self._is_checked = False

    def close(self) -> None:
        self._api.close()

    @property
    def name(self) -> str:
        return f"labelbox {self._api.host} {self._project}"

    def put(self, tasks: Sequence[LabelTask]) -> Placed:
        self._check()
        ids: dict[str, str] = {}
        for some in _some(tasks):
            there = self._in_project([task.id for task in some])
            ids.update(there)
            fresh = [task for task in some if task.id not in there]
            if fresh:
                rows = self._rows_of(fresh)
                self._hand_out(fresh, rows)
                ids.update(rows)
        return Placed(location=f"{self._api.host}/projects/{self._project}", ids=ids)

    def withdraw(self, refs: Sequence[TaskRef]) -> None:
        """The data rows are deleted, and with them the images."""
        for some in _some(refs):
            there = self._api.rows([ref.id for ref in some])
            if there:
                self._api.delete_rows(sorted(there.values()))

    def poll(self, refs: Sequence[TaskRef], *, since: datetime | None) -> Poll:
        known = {ref.id for ref in refs}
        found: list[Annotation] = []
        problems: list[str] = []
        for row in self._api.export(self._project, since=since):
            ours = _key(row)
            if ours not in known:
                continue
            for label in _labels(row, self._project):
                try:
                    annotation = _annotation(ours, label, self._class_names)
                except ValueError as error:
                    problems.append(f"{ours}: {error}")
                    continue
                if annotation is not None:
                    found.append(annotation)
        return Poll(annotations=tuple(found), problems=tuple(problems))

    def _in_project(self, keys: Sequence[str]) -> dict[str, str]:
        rows = self._api.export(self._project, keys=keys)
        return {ours: str(row["data_row"]["id"]) for row in rows if (ours := _key(row)) in keys}

    def _rows_of(self, tasks: Sequence[LabelTask]) -> dict[str, str]:
        """The data rows of these tasks; what is missing is imported."""
        keys = [task.id for task in tasks]
        rows = self._api.rows(keys)
        missing = [task for task in tasks if task.id not in rows]
        if not missing:
            return rows
        bare = [task.id for task in missing if task.image is None and not task.uri]
        if bare:
            raise LabelQueueError(
                f"Labelbox: {len(bare)} images have neither pixels nor a uri to be shown by: "
                'expected pixels = "thumbnails", or uris from the tap'
            )
        refused = self._api.create_rows([self._item(task) for task in missing])
        rows = self._api.rows(keys)
        if any(key not in rows for key in keys):
            why = f": {refused[0]}" if refused else ""
            absent = sum(key not in rows for key in keys)
            raise LabelQueueError(f"Labelbox: {absent} images were not taken{why}")
        return rows

    def _hand_out(self, tasks: Sequence[LabelTask], rows: Mapping[str, str]) -> None:
        ordered = sorted(tasks, key=lambda task: (task.batch, _priority(task), task.rank))
        for (batch, priority), members in groupby(
            ordered, key=lambda task: (task.batch, _priority(task))
        ):
            keys = [task.id for task in members]
            within = hashlib.sha256("\n".join(sorted(keys)).encode()).hexdigest()[:8]
            numbers = [rows[key] for key in keys]
            try:
                self._api.create_batch(
                    self._project, f"{batch} {within}", numbers, priority=priority
                )
            except LabelboxRefusedError:
                # An answer was lost: a batch of this name is there, with the same images in it.
                there = self._in_project(keys)
                if any(key not in there for key in keys):
                    raise

    def _item(self, task: LabelTask) -> dict[str, Any]:
        shown = task.uri
        if task.image is not None:
            shown = self._api.upload(f"{task.id}.png", "image/png", task.image)
        where = " · ".join(f"{key}={value}" for key, value in task.metadata.items())
        about = [where, task.reason]
        if task.prediction >= 0:
            said = dict(task.top).get(task.prediction, 0.0)
            about.append(
                f"{task.version} says {name_of(task.prediction, self._class_names)} ({said:.2f})"
            )
        if task.assigned_to:
            about.append(f"for {task.assigned_to}")
        text = "\n".join(part for part in about if part)
        return {
            "row_data": shown,
            "global_key": task.id,
            "external_id": task.record_id,
            "dataset_id": self._dataset,
            "attachments": [{"type": "RAW_TEXT", "name": "about", "value": text}],
        }

    def _check(self) -> None:
        """Once: labellers can choose every class, and that it is none of them."""
        if self._is_checked:
            return
        asked = self._api.ontology(self._project).get("classifications")
        options: set[str] = set()
        for one in asked if isinstance(asked, list) else []:
            if isinstance(one, dict) and QUESTION in (one.get("name"), one.get("instructions")):
                options = {
                    str(option.get("label"))
                    for option in one.get("options") or []
                    if isinstance(option, dict)
                }
        missing = [name for name in (*self._class_names, NONE_CHOICE) if name not in options]
        if missing:
            raise LabelQueueError(
                f"Labelbox: project {self._project}: expected a radio question {QUESTION!r} with "
                f"all {len(self._class_names)} classes and {NONE_CHOICE!r}, missing "
                f"{', '.join(missing[:5])}"
            )
        self._is_checked = True


def _some(of: Sequence[_One]) -> Iterator[Sequence[_One]]:
    return (of[first : first + _AT_ONCE] for first in range(0, len(of), _AT_ONCE))


def _priority(task: LabelTask) -> int:
    """Ours is a share, and 1 comes first; theirs is 1 to 5, and 1 comes first."""
    return 1 + round(4 * (1 - min(max(task.priority, 0.0), 1.0)))


def _key(row: Mapping[str, Any]) -> str:
    found = row.get("data_row")
    key = found.get("global_key") if isinstance(found, dict) else None
    return key if isinstance(key, str) and "id" in (found or {}) else ""


def _labels(row: Mapping[str, Any], project: str) -> list[dict[str, Any]]:
    projects = row.get("projects")
    mine = projects.get(project) if isinstance(projects, dict) else None
    labels = mine.get("labels") if isinstance(mine, dict) else None
    return [one for one in labels or [] if isinstance(one, dict)]


def _annotation(
    task: str, label: Mapping[str, Any], class_names: Sequence[str]
) -> Annotation | None:
    """None: it was skipped."""
    details, pace = label.get("label_details"), label.get("performance_details")
    details = details if isinstance(details, dict) else {}
    pace = pace if isinstance(pace, dict) else {}
    if pace.get("skipped"):
        return None
    lead = pace.get("seconds_to_create")
    is_time = isinstance(lead, (int, float)) and not isinstance(lead, bool) and 0 <= lead < 1e9
    return Annotation(
        task=task,
        external_id=str(label.get("id", "")),
        author=str(details.get("created_by") or ""),
        label=class_of(_answer(label.get("annotations")), class_names),
        at=moment(details.get("updated_at") or details.get("created_at"), "created_at"),
        lead_time_s=float(lead) if is_time and lead is not None else None,
    )


def _answer(said: Any) -> object:
    answers = said.get("classifications") if isinstance(said, dict) else None
    for one in answers if isinstance(answers, list) else []:
        if isinstance(one, dict) and one.get("name") == QUESTION:
            chosen = one.get("radio_answer")
            if isinstance(chosen, dict):
                return chosen.get("name")
    raise ValueError(f"expected an answer to {QUESTION!r}, found none")
