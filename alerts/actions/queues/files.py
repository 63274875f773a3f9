"""Tasks as files: a folder, or any storage that fsspec knows (``s3://bucket/prefix``).

Each batch has a folder: ``items.jsonl``, one JSON object a task, best first, and
``images/0001.png`` ... for the thumbnails that privacy let through. The list comes last and
whole: a batch without it is not there yet.

Labels come back in ``labels.jsonl`` beside the list, one JSON object a line: ``{"record_id" (or
"task"): ..., "label": class name, number or "none of these", "author": ..., "at": ISO time,
"lead_time_s": ...}``; only the first two are needed. Or with ``boxes`` in place of ``label``, or in
the files of detection tools (``box_files``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import groupby
from typing import Any

import fsspec

from alerts.actions.queues.box_files import COCO, YOLO, in_coco, in_yolo
from alerts.actions.queues.exports import exported, without
from alerts.actions.queues.label_lines import annotations_in
from alerts.actions.queues.protocol import (
    Annotation,
    LabelQueueError,
    LabelTask,
    Placed,
    Poll,
    TaskRef,
)
from vigil.clock import Clock, SystemClock

LIST = "items.jsonl"
LABELS = "labels.jsonl"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
_MOST_LABEL_BYTES = 64 * 2**20
_MOST_PROBLEMS = 20


class FileLabelQueue:
    """Args:
    url: a folder or an fsspec URL.
    class_names: of the model; labels are numbers where empty.
    formats: written beside the list: ``coco``, ``yolo``.
    """

    def __init__(
        self,
        url: str,
        *,
        class_names: Sequence[str] = (),
        formats: Sequence[str] = (),
        clock: Clock | None = None,
    ) -> None:
        self._url = url.rstrip("/") or "/"
        self._class_names = tuple(class_names)
        self._formats = tuple(formats)
        self._clock = clock or SystemClock()
        with _told(url):
            self._files, self._root = fsspec.core.url_to_fs(url)
        self._is_local = "file" in self._files.protocol

    @property
    def name(self) -> str:
        return f"files {self._url}"

    def put(self, tasks: Sequence[LabelTask]) -> Placed:
        ids: dict[str, str] = {}
        batches = []
        for batch, members in groupby(sorted(tasks, key=_place), key=lambda task: task.batch):
            batches.append(f"{self._url}/{_checked(batch)}")
            with _told(batches[-1]):
                self._put(batch, list(members))
        for task in tasks:
            ids[task.id] = f"{task.batch}/{task.rank:04d}"
        location = batches[0] if len(batches) == 1 else self._url
        return Placed(location=location, ids=ids)

    def withdraw(self, refs: Sequence[TaskRef]) -> None:
        for batch in sorted({ref.batch for ref in refs}):
            gone = {ref.id for ref in refs if ref.batch == batch}
            unsure = {ref.id for ref in refs if ref.batch == batch and not ref.external_id}
            with _told(f"{self._url}/{batch}"):
                lines = self._lines(batch)
                left = [line for line in lines if line.get("task") not in gone]
                images = {str(line["image"]) for line in lines if line.get("image")}
                if unsure - {line.get("task") for line in lines}:  # killed before the list came
                    images |= self._images(batch)
                for image in sorted(images - {line.get("image") for line in left}):
                    self._take_out(batch, image)
                if len(left) < len(lines):
                    self._write_list(batch, left)

    def poll(self, refs: Sequence[TaskRef], *, since: datetime | None) -> Poll:
        del since
        annotations: list[Annotation] = []
        problems: list[str] = []
        for batch in sorted({ref.batch for ref in refs}):
            place = f"{self._url}/{batch}/{LABELS}"
            mine = [ref for ref in refs if ref.batch == batch]
            with _told(place):
                raw = self._read(f"{batch}/{LABELS}")
                drawn = self._drawn(batch, mine)
            annotations += drawn.annotations
            problems += [f"{self._url}/{batch}/{one}" for one in drawn.problems]
            if raw is None:
                continue
            if len(raw) > _MOST_LABEL_BYTES:
                problems.append(f"{place}: expected at most {_MOST_LABEL_BYTES} bytes")
                continue
            found = annotations_in(raw, mine, self._class_names, now=self._clock.now())
            annotations += found.annotations
            problems += [f"{place}: {one}" for one in found.problems]
        return Poll(annotations=tuple(annotations), problems=tuple(problems))

    def _drawn(self, batch: str, refs: Sequence[TaskRef]) -> Poll:
        """Boxes in the formats of detection tools."""
        now = self._clock.now()
        raw, marks = self._read(f"{batch}/{COCO}"), self._listed(f"{batch}/{YOLO}", ".txt")
        if raw is None and not marks:
            return Poll()
        known = {ref.id: ref for ref in refs}
        names = {ref.record_id: ref.id for ref in refs} | {ours: ours for ours in known}
        images = {
            str(line["image"]).rpartition("/")[2]: str(line["task"])
            for line in self._lines(batch)
            if line.get("image") and line.get("task") in known
        }
        found, problems = [], []
        if raw is not None:
            poll = in_coco(raw, names | images, self._class_names, now=now)
            found, problems = list(poll.annotations), list(poll.problems)
        for name in marks:
            task = images.get(name.removesuffix(".txt") + ".png")
            text = self._read(f"{batch}/{YOLO}/{name}") if task is not None else None
            if task is None or text is None:
                continue
            try:
                place = f"{YOLO}/{name}"
                found.append(in_yolo(place, text, task, self._class_names, now=now))
            except ValueError as error:
                problems.append(str(error))
        return Poll(annotations=tuple(found), problems=tuple(problems[:_MOST_PROBLEMS]))

    def _put(self, batch: str, tasks: Sequence[LabelTask]) -> None:
        lines = self._lines(batch)
        there = {line.get("task") for line in lines}
        fresh = [task for task in tasks if task.id not in there]
        if not fresh and self._read(f"{batch}/{LIST}") is not None:
            return
        for task in fresh:
            if task.image is not None:
                self._write(f"{batch}/{_image(task)}", task.image)
        shown = [(task, _image(task)) for task in tasks if task.image is not None]
        for fmt in self._formats:
            for name, raw in exported(fmt, shown, self._class_names).items():
                self._write(f"{batch}/{name}", raw)
        lines += [_line(task) for task in fresh]
        self._write_list(batch, sorted(lines, key=lambda line: int(line.get("rank", 0))))

    def _lines(self, batch: str) -> list[dict[str, Any]]:
        raw = self._read(f"{batch}/{LIST}")
        return [json.loads(line) for line in (raw or b"").splitlines() if line.strip()]

    def _write_list(self, batch: str, lines: Sequence[Mapping[str, Any]]) -> None:
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        self._write(f"{batch}/{LIST}", text.encode())

    def _read(self, name: str) -> bytes | None:
        try:
            self._files.invalidate_cache()
            return bytes(self._files.cat_file(f"{self._root}/{name}"))
        except FileNotFoundError:
            return None

    def _write(self, name: str, raw: bytes) -> None:
        path = f"{self._root}/{name}"
        self._files.makedirs(path.rpartition("/")[0], exist_ok=True)
        if not self._is_local:  # an object store shows an object only when it is whole
            self._files.pipe_file(path, raw)
            return
        self._files.pipe_file(f"{path}.tmp", raw)
        self._files.mv(f"{path}.tmp", path)

    def _images(self, batch: str) -> set[str]:
        """Those that are there, listed or not."""
        return {f"images/{name}" for name in self._listed(f"{batch}/images", "")}

    def _listed(self, folder: str, ending: str) -> list[str]:
        """The names in a folder, in order; none where there is no such folder."""
        try:
            self._files.invalidate_cache()
            found = self._files.ls(f"{self._root}/{folder}", detail=False)
        except (FileNotFoundError, NotADirectoryError):
            return []
        names = (str(one).rpartition("/")[2] for one in found)
        return sorted(name for name in names if name.endswith(ending))

    def _take_out(self, batch: str, image: str) -> None:
        self._remove(f"{batch}/{image}")
        self._remove(f"{batch}/labels/{image[7:-4]}.txt")
        self._strike(f"{batch}/coco.json", image)

    def _strike(self, name: str, image: str) -> None:
        raw = self._read(name)
        if raw is not None:
            self._write(name, without(raw, image))

    def _remove(self, name: str) -> None:
        try:
            self._files.rm_file(f"{self._root}/{name}")
        except FileNotFoundError:
            return


def _line(task: LabelTask) -> dict[str, Any]:
    return {
        "task": task.id,
        "record_id": task.record_id,
        "rank": task.rank,
        "priority": task.priority,
        "reason": task.reason,
        "prediction": task.prediction,
        "top": [list(pair) for pair in task.top],
        "version": task.version,
        "slice": task.slice,
        "metadata": dict(task.metadata),
        "uri": task.uri,
        "assigned_to": task.assigned_to,
        "image": _image(task) if task.image is not None else None,
    }


def _image(task: LabelTask) -> str:
    return f"images/{task.rank:04d}.png"


def _place(task: LabelTask) -> tuple[str, int]:
    return task.batch, task.rank


def _checked(batch: str) -> str:
    if not _NAME.fullmatch(batch):
        raise LabelQueueError(f"batch name {batch!r}: expected letters, digits and . _ -")
    return batch


@contextmanager
def _told(place: str) -> Iterator[None]:
    """Each storage has errors of its own, and some show credentials: only ours are told whole."""
    try:
        yield
    except LabelQueueError:
        raise
    except OSError as error:
        raise LabelQueueError(f"{place}: {error.strerror or type(error).__name__}") from None
    except Exception as error:
        raise LabelQueueError(f"{place}: {type(error).__name__}") from None
