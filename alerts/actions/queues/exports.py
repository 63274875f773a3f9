"""A batch in the formats that labelling tools import: COCO, and YOLO's folder of text files.

What the model said is its boxes, with their scores; a class is a box around the whole image. None
of it is a label: people's labels come back in files of other names (``files``, ``box_files``).
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

from alerts.actions.queues.boxes import Box
from alerts.actions.queues.labels import name_of
from alerts.actions.queues.protocol import LabelTask


def exported(
    fmt: str, tasks: Sequence[tuple[LabelTask, str]], class_names: Sequence[str]
) -> Mapping[str, bytes]:
    """Files by name. ``tasks``: those with pixels, each with where its image lies.

    Raises:
        ValueError: no such format.
    """
    if fmt == "coco":
        return {"coco.json": _coco(tasks, class_names)}
    if fmt == "yolo":
        return _yolo(tasks, class_names)
    raise ValueError(f"format: expected coco or yolo, found {fmt!r}")


def without(coco: bytes, place: str) -> bytes:
    """The COCO file without an image and what was said of it."""
    plain = json.loads(coco)
    gone = {one["id"] for one in plain["images"] if one["file_name"] == place}
    plain["images"] = [one for one in plain["images"] if one["id"] not in gone]
    plain["annotations"] = [one for one in plain["annotations"] if one["image_id"] not in gone]
    return json.dumps(plain, ensure_ascii=False, indent=1).encode()


def _coco(tasks: Sequence[tuple[LabelTask, str]], class_names: Sequence[str]) -> bytes:
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for task, place in tasks:
        width, height = size_of(task.image or b"")
        images.append(
            {
                "id": task.rank,
                "file_name": place,
                "width": width,
                "height": height,
                "vigil_task": task.id,
                "record_id": task.record_id,
            }
        )
        for box in _said(task):
            left, top, right, bottom = box.sides
            wide, high = (right - left) * width, (bottom - top) * height
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": task.rank,
                    "category_id": box.label + 1,
                    "bbox": [left * width, top * height, wide, high],
                    "area": wide * high,
                    "iscrowd": 0,
                    "score": box.score,
                }
            )
    plain = {
        "info": {"description": "Images that vigil picked; annotations are the model's."},
        "categories": [{"id": k + 1, "name": name} for k, name in _classes(tasks, class_names)],
        "images": images,
        "annotations": annotations,
    }
    return json.dumps(plain, ensure_ascii=False, indent=1).encode()


def _yolo(
    tasks: Sequence[tuple[LabelTask, str]], class_names: Sequence[str]
) -> Mapping[str, bytes]:
    names = "".join(f"  {k}: {json.dumps(name)}\n" for k, name in _classes(tasks, class_names))
    files = {"data.yaml": f"path: .\ntrain: images\nval: images\nnames:\n{names}".encode()}
    for task, place in tasks:
        stem = place.rpartition("/")[2].removesuffix(".png")
        lines = "".join(f"{box.label} {_yolo_box(box)}\n" for box in _said(task))
        files[f"labels/{stem}.txt"] = lines.encode()
    return files


def _said(task: LabelTask) -> tuple[Box, ...]:
    """The model's boxes; its class is one around the whole image."""
    if task.boxes or task.prediction < 0:
        return task.boxes
    score = dict(task.top).get(task.prediction, 0.0)
    return (Box(sides=(0.0, 0.0, 1.0, 1.0), label=task.prediction, score=score),)


def _yolo_box(box: Box) -> str:
    left, top, right, bottom = box.sides
    return f"{(left + right) / 2:g} {(top + bottom) / 2:g} {right - left:g} {bottom - top:g}"


def _classes(
    tasks: Sequence[tuple[LabelTask, str]], class_names: Sequence[str]
) -> list[tuple[int, str]]:
    drawn = (box.label + 1 for task, _ in tasks for box in task.boxes)
    most = max([len(class_names), *(task.prediction + 1 for task, _ in tasks), *drawn])
    return [(k, name_of(k, class_names)) for k in range(most)]


def size_of(png: bytes) -> tuple[int, int]:
    """Width and height in pixels."""
    from PIL import Image

    with Image.open(io.BytesIO(png)) as image:
        return int(image.width), int(image.height)
