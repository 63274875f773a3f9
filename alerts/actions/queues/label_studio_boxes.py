"""Boxes as Label Studio writes them: percent of the image, from the left upper corner."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from alerts.actions.queues.boxes import Box, box_of, few
from alerts.actions.queues.labels import name_of
from alerts.actions.queues.protocol import LabelTask

BOXES = "boxes"
RECTANGLES = {"from_name": BOXES, "to_name": "image", "type": "rectanglelabels"}


def drawn_by_model(task: LabelTask, class_names: Sequence[str]) -> list[dict[str, Any]]:
    """The model's boxes as a prediction; none where it drew none."""
    known = [box for box in task.boxes if 0 <= box.label < len(class_names)]
    if not known:
        return []
    result = [
        {
            **RECTANGLES,
            "id": f"box-{number}",
            "score": box.score,
            "value": {
                "x": 100 * box.sides[0],
                "y": 100 * box.sides[1],
                "width": 100 * (box.sides[2] - box.sides[0]),
                "height": 100 * (box.sides[3] - box.sides[1]),
                "rotation": 0,
                "rectanglelabels": [name_of(box.label, class_names)],
            },
        }
        for number, box in enumerate(known, start=1)
    ]
    least = min(box.score for box in known)
    return [{"model_version": task.version, "score": least, "result": result}]


def boxes_in(result: Any, class_names: Sequence[str]) -> tuple[Box, ...]:
    """What a person drew; an empty result says that nothing is there.

    Raises:
        ValueError: something else than upright boxes of one class each.
    """
    items = result if isinstance(result, list) else []
    return few([_box(item, class_names) for item in items])


def _box(item: Any, class_names: Sequence[str]) -> Box:
    value = item.get("value") if isinstance(item, dict) else None
    kinds = value.get("rectanglelabels") if isinstance(value, dict) else None
    if not isinstance(value, dict) or not isinstance(kinds, list) or len(kinds) != 1:
        raise ValueError("expected boxes of one class each, found something else")
    if value.get("rotation"):
        raise ValueError("expected upright boxes, found a turned one")
    try:
        x, y = float(value["x"]) / 100, float(value["y"]) / 100
        width, height = float(value["width"]) / 100, float(value["height"]) / 100
    except (KeyError, TypeError):
        raise ValueError("expected boxes with a place and a size") from None
    return box_of((x, y, x + width, y + height), kinds[0], class_names)
