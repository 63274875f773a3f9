"""Tasks in CVAT (API 2): one CVAT task a batch, one frame an image, one tag a label.

CVAT lets two tasks have one name, so a batch is looked for by its name before it is made, and its
frames before they are uploaded; of two that a lost answer made, the older counts and the other is
deleted. An upload is worked on in the background: until it is done, frames are not there, and
``put`` asks to be called again. The model's prediction is a tag of source ``auto``.

What counts is a *completed* job: then a frame's one tag is its label, whether a person set it or
left the model's; or its rectangles are its boxes. CVAT tells no author: it is the job's assignee.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import groupby
from typing import Any

from alerts.actions.queues.box_files import drawn
from alerts.actions.queues.cvat_api import CvatApi
from alerts.actions.queues.cvat_boxes import boxes_in, shapes_of
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


class CvatQueue:
    """Args:
    url: of the server.
    token: of a user (``Authorization: Token``).
    class_names: labels of type tag that the project has.
    project: its number; None: the one of this title, which is made where there is none.
    title: of a project of ours.
    boxes: whether people draw boxes; else a frame has a tag.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        class_names: Sequence[str],
        title: str,
        project: int | None = None,
        boxes: bool = False,
        timeout_s: float = 10.0,
    ) -> None:
        self._api = CvatApi(url, token, timeout_s=timeout_s)
        self._boxes = boxes
        self._kind, self._said = ("rectangle", "shapes") if boxes else ("tag", "tags")
        self._class_names = tuple(class_names)
        self._title = title
        self._given = project
        self._ready: tuple[int, dict[str, int]] | None = None

    def close(self) -> None:
        self._api.close()

    @property
    def name(self) -> str:
        return f"cvat {self._api.host} {self._given or self._title}"

    def put(self, tasks: Sequence[LabelTask]) -> Placed:
        project, labels = self._project()
        ids: dict[str, str] = {}
        ordered = sorted(tasks, key=lambda task: (task.batch, task.rank))
        for batch, members in groupby(ordered, key=lambda task: task.batch):
            ids.update(self._put(project, labels, batch, list(members)))
        return Placed(location=f"{self._api.host}/projects/{project}", ids=ids)

    def withdraw(self, refs: Sequence[TaskRef]) -> None:
        """Frames are struck out; a CVAT task of which none is left is deleted."""
        for number, frames in _by_task(self._named(refs)).items():
            meta = self._api.meta(number)
            if meta is None:
                continue
            gone = sorted({*meta.deleted, *frames})
            if len(gone) >= len(meta.names):
                self._api.delete(number)
            elif gone != sorted(meta.deleted):
                self._api.strike(number, gone)

    def poll(self, refs: Sequence[TaskRef], *, since: datetime | None) -> Poll:
        del since  # a job has one time for all its frames
        _, labels = self._project()
        names = {number: name for name, number in labels.items()}
        found: list[Annotation] = []
        problems: list[str] = []
        by_frame = {ref.external_id: ref.id for ref in refs}
        for number in _by_task(refs):
            meta = self._api.meta(number)
            if meta is None:
                continue
            said = self._api.said(number, self._said)
            left = [one for one in said if one.get("frame") not in meta.deleted]
            for job in self._api.jobs(number):
                if job.get("state") != "completed":
                    continue
                for frame in range(int(job["start_frame"]), int(job["stop_frame"]) + 1):
                    ours = by_frame.get(f"{number}:{frame}")
                    mine = [one for one in left if one.get("frame") == frame]
                    # No tag is no answer; a frame of a finished job without a box has no object.
                    if ours is None or not (mine or self._boxes) or frame in meta.deleted:
                        continue
                    size = meta.sizes[frame] if frame < len(meta.sizes) else (0.0, 0.0)
                    try:
                        found.append(self._annotation(ours, mine, job, names, size))
                    except ValueError as error:
                        problems.append(f"task {number}, frame {frame}: {error}")
        return Poll(annotations=tuple(found), problems=tuple(problems))

    def _named(self, refs: Sequence[TaskRef]) -> list[TaskRef]:
        """With the frames of those that CVAT never told: it may have them, or be making them."""
        found = [ref for ref in refs if ref.external_id]
        unnamed = [ref for ref in refs if not ref.external_id]
        for batch in sorted({ref.batch for ref in unnamed}):
            project, _ = self._project()
            there = self._there(project, batch)
            mine = [ref for ref in unnamed if ref.batch == batch]
            if any(ref.id not in there for ref in mine):
                self._empty(project, batch)
            found += [replace(ref, external_id=there[ref.id]) for ref in mine if ref.id in there]
        return found

    def _put(
        self, project: int, labels: Mapping[str, int], batch: str, tasks: Sequence[LabelTask]
    ) -> dict[str, str]:
        there = self._there(project, batch)
        fresh = [task for task in tasks if task.id not in there]
        bare = [task.id for task in fresh if task.image is None]
        if bare:
            raise LabelQueueError(
                f'CVAT: {len(bare)} images have no pixels: expected pixels = "thumbnails"'
            )
        if fresh:
            # Frames of a task can't grow: what is missing of a batch is a task of the same name.
            number = self._empty(project, batch) or self._api.create_task(project, batch)
            self._api.upload(number, [(f"{task.id}.png", task.image or b"") for task in fresh])
            there = self._there(project, batch)
            missing = [task.id for task in fresh if task.id not in there]
            if missing:
                raise LabelQueueError(
                    f"CVAT: task {number} is still being made, {len(missing)} frames are missing"
                )
        self._predict(tasks, there, labels)
        return {task.id: there[task.id] for task in tasks}

    def _there(self, project: int, batch: str) -> dict[str, str]:
        """Frames by our id: of equal ones the oldest counts."""
        found: dict[str, str] = {}
        for number, size in self._api.tasks_named(project, batch):
            meta = self._api.meta(number) if size else None
            names = meta.names if meta is not None else ()
            new = {
                name.removesuffix(".png"): f"{number}:{frame}" for frame, name in enumerate(names)
            }
            if new and new.keys() <= found.keys():  # made again after a lost answer
                self._api.delete(number)
                continue
            found.update({ours: place for ours, place in new.items() if ours not in found})
        return found

    def _empty(self, project: int, batch: str) -> int | None:
        """A task of the batch that got no frames: the answer to its making was lost."""
        for number, size in self._api.tasks_named(project, batch):
            if not size:
                if self._api.is_busy(number):
                    raise LabelQueueError(f"CVAT: task {number} is still being made")
                return number
        return None

    def _predict(
        self, tasks: Sequence[LabelTask], there: Mapping[str, str], labels: Mapping[str, int]
    ) -> None:
        """What the model said, where nobody has begun and nothing is said yet."""
        by_number: dict[int, list[tuple[int, LabelTask]]] = {}
        for task in tasks:
            place, _, frame = there[task.id].partition(":")
            by_number.setdefault(int(place), []).append((int(frame), task))
        for number, frames in by_number.items():
            meta = self._api.meta(number) if self._boxes else None
            sizes = dict(enumerate(meta.sizes)) if meta is not None else {}
            said = [
                one
                for frame, task in frames
                for one in self._predicted(frame, task, labels, sizes.get(frame, (0.0, 0.0)))
            ]
            is_new = all(job.get("state") == "new" for job in self._api.jobs(number))
            if said and is_new and not self._api.said(number, self._said):
                self._api.say(number, self._said, said)

    def _predicted(
        self, frame: int, task: LabelTask, labels: Mapping[str, int], size: tuple[float, float]
    ) -> list[dict[str, Any]]:
        if self._boxes:
            return shapes_of(frame, task.boxes, labels, self._class_names, size)
        if not 0 <= task.prediction < len(self._class_names):
            return []
        label = labels[name_of(task.prediction, self._class_names)]
        return [{"frame": frame, "label_id": label, "source": "auto", "attributes": []}]

    def _annotation(
        self,
        ours: str,
        said: Sequence[Mapping[str, Any]],
        job: Mapping[str, Any],
        names: Mapping[int, str],
        size: tuple[float, float],
    ) -> Annotation:
        if not self._boxes:
            return _annotation(ours, said, job, names, self._class_names)
        return drawn(
            ours,
            boxes_in(said, names, self._class_names, size),
            moment(job.get("updated_date"), "updated_date"),
            author=_assignee(job),
            external_id=f"job-{job.get('id')}",
        )

    def _project(self) -> tuple[int, dict[str, int]]:
        if self._ready is None:
            number = self._given
            if number is None:
                names = (*self._class_names, *(() if self._boxes else (NONE_CHOICE,)))
                number = self._api.project_named(self._title) or self._api.create_project(
                    self._title, names, self._kind
                )
            labels = self._api.labels(number, self._kind)
            missing = [name for name in self._class_names if name not in labels]
            if missing:
                raise LabelQueueError(
                    f"CVAT: project {number}: expected labels of type {self._kind} for all "
                    f"{len(self._class_names)} classes, missing {', '.join(missing[:5])}"
                )
            self._ready = (number, labels)
        return self._ready


def _annotation(
    ours: str,
    tags: Sequence[Mapping[str, Any]],
    job: Mapping[str, Any],
    names: Mapping[int, str],
    class_names: Sequence[str],
) -> Annotation:
    if len(tags) != 1:
        raise ValueError(f"expected one tag, found {len(tags)}")
    return Annotation(
        task=ours,
        external_id=f"job-{job.get('id')}",
        author=_assignee(job),
        label=class_of(names.get(int(tags[0].get("label_id", -1))), class_names),
        at=moment(job.get("updated_date"), "updated_date"),
    )


def _assignee(job: Mapping[str, Any]) -> str:
    assignee = job.get("assignee")
    return str(assignee.get("username", "")) if isinstance(assignee, dict) else ""


def _by_task(refs: Sequence[TaskRef]) -> dict[int, list[int]]:
    """Frames by CVAT's task, of names ``task:frame``."""
    found: dict[int, list[int]] = {}
    for ref in refs:
        number, _, frame = ref.external_id.partition(":")
        if number.isdigit() and frame.isdigit():
            found.setdefault(int(number), []).append(int(frame))
    return found
