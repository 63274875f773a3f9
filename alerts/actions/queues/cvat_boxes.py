"""Boxes as CVAT keeps them: rectangles with corners in pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from alerts.actions.queues.boxes import Box, box_of, few
from alerts.actions.queues.labels import name_of


def shapes_of(
    frame: int,
    boxes: Sequence[Box],
    labels: Mapping[str, int],
    class_names: Sequence[str],
    size: tuple[float, float],
) -> list[dict[str, Any]]:
    """The model's boxes on a frame of so many pixels; those of unknown classes are left out."""
    width, height = size
    return [
        {
            "type": "rectangle",
            "frame": frame,
            "label_id": labels[name_of(box.label, class_names)],
            "points": [
                box.sides[0] * width,
                box.sides[1] * height,
                box.sides[2] * width,
                box.sides[3] * height,
            ],
            "occluded": False,
            "source": "auto",
            "attributes": [],
        }
        for box in boxes
        if 0 <= box.label < len(class_names)
    ]


def boxes_in(
    shapes: Sequence[Mapping[str, Any]],
    names: Mapping[int, str],
    class_names: Sequence[str],
    size: tuple[float, float],
) -> tuple[Box, ...]:
    """What is drawn on a frame; no shape says that nothing is there.

    Raises:
        ValueError: something else than upright rectangles, or a frame whose size is not known.
    """
    width, height = size
    if shapes and not (width > 0 and height > 0):
        raise ValueError("the size of the frame is not known")
    return few([_box(one, names, class_names, width, height) for one in shapes])


def _box(
    one: Mapping[str, Any],
    names: Mapping[int, str],
    class_names: Sequence[str],
    width: float,
    height: float,
) -> Box:
    points = one.get("points")
    if one.get("type") != "rectangle" or not isinstance(points, list) or len(points) != 4:
        raise ValueError("expected rectangles, found something else")
    if one.get("rotation"):
        raise ValueError("expected upright boxes, found a turned one")
    try:
        left, top, right, bottom = (float(side) for side in points)
        kind = int(one.get("label_id", -1))
    except (TypeError, ValueError):
        raise ValueError("expected four numbers, found something else") from None
    sides = (left / width, top / height, right / width, bottom / height)
    return box_of(sides, names.get(kind), class_names)
