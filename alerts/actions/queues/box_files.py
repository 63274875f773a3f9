"""Boxes that people's tools wrote into a batch's folder: COCO, or YOLO's text files.

``labels.coco.json``: images are known by ``vigil_task``, ``record_id`` or their file's name. One
without any annotation is not taken for labelled, unless ``info.complete`` is true: tools export
what nobody has looked at yet. ``labelled/NAME.txt`` in YOLO's form belongs to ``images/NAME.png``;
an empty file says that nothing is there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from alerts.actions.queues.boxes import Box, box_of, few
from alerts.actions.queues.protocol import Annotation, Poll

COCO, YOLO = "labels.coco.json", "labelled"


def in_coco(
    raw: bytes, tasks: Mapping[str, str], class_names: Sequence[str], *, now: datetime
) -> Poll:
    """Boxes of these tasks. ``tasks``: our id by its names: id, record, name of the image."""
    try:
        plain = json.loads(raw)
        names = {one["id"]: one["name"] for one in plain["categories"]}
        images = list(plain["images"])
        by_image: dict[Any, list[Any]] = {}
        for one in plain["annotations"]:
            by_image.setdefault(one["image_id"], []).append(one)
        info = plain.get("info")
        is_complete = isinstance(info, dict) and info.get("complete") is True
    except (ValueError, TypeError, KeyError, RecursionError):
        return Poll(problems=(f"{COCO}: expected images, categories and annotations",))
    found, problems = [], []
    for image in images:
        task = _task_of(image, tasks)
        if task is None:
            continue
        mine = by_image.get(image.get("id"), [])
        if not mine and not is_complete:
            continue
        try:
            boxes = few([_coco_box(one, image, names, class_names) for one in mine])
        except (ValueError, TypeError, KeyError, ZeroDivisionError) as error:
            reason = str(error) if type(error) is ValueError else "not COCO's form"
            problems.append(f"{COCO}: image {image.get('id')!r:.40}: {reason}")
            continue
        found.append(drawn(task, boxes, now))
    return Poll(annotations=tuple(found), problems=tuple(problems))


def in_yolo(
    name: str, raw: bytes, task: str, class_names: Sequence[str], *, now: datetime
) -> Annotation:
    """The boxes of one image: a line ``class x y width height`` each, centre and size in shares.

    Raises:
        ValueError: a line is something else.
    """
    boxes = []
    for number, line in enumerate(raw.decode("utf-8", "replace").splitlines(), start=1):
        parts = line.split()
        if not parts:
            continue
        try:
            kind, x, y, width, height = int(parts[0]), *(float(one) for one in parts[1:5])
            sides = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
            boxes.append(box_of(sides, kind, class_names))
        except ValueError as error:
            reason = str(error) if str(error).startswith(("box", "label")) else "five numbers"
            raise ValueError(f"{name}: line {number}: expected {reason}") from None
    return drawn(task, few(boxes), now)


def drawn(
    task: str, boxes: Sequence[Box], at: datetime, *, author: str = "", external_id: str = ""
) -> Annotation:
    """What somebody drew; without an id of its own it is known by its content."""
    content = json.dumps([author, [[*box.sides, box.label] for box in boxes]])
    return Annotation(
        task=task,
        external_id=external_id or hashlib.sha256(content.encode()).hexdigest()[:16],
        author=author,
        label=len(boxes),
        at=at,
        boxes=tuple(boxes),
    )


def _task_of(image: Any, tasks: Mapping[str, str]) -> str | None:
    if not isinstance(image, dict):
        return None
    file = str(image.get("file_name", "")).rpartition("/")[2]
    for name in (image.get("vigil_task"), image.get("record_id"), file):
        if isinstance(name, str) and name in tasks:
            return tasks[name]
    return None


def _coco_box(
    one: Mapping[str, Any],
    image: Mapping[str, Any],
    names: Mapping[Any, str],
    class_names: Sequence[str],
) -> Box:
    left, top, width, height = (float(side) for side in one["bbox"])
    wide, high = float(image["width"]), float(image["height"])
    sides = (left / wide, top / high, (left + width) / wide, (top + height) / high)
    return box_of(sides, names[one["category_id"]], class_names)
