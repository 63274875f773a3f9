"""Boxes as people draw them: four sides in shares of the image, and a class."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from alerts.actions.queues.labels import class_of

MOST = 1000
_SLACK = 0.01
"""So far outside the image a side may lie, in shares of it: tools round, and hands slip."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Box:
    """``sides``: left, top, right, bottom in [0, 1]. ``score``: the model's; 1 of a person's."""

    sides: tuple[float, float, float, float]
    label: int
    score: float = 1.0


def box_of(sides: Sequence[Any], said: object, class_names: Sequence[str]) -> Box:
    """A person's box, its sides moved to the image's edge where they lie a little outside.

    Args:
        sides: left, top, right, bottom in shares of the image.
        said: its class, by name or number.

    Raises:
        ValueError: no such class, or no such box.
    """
    label = class_of(said, class_names)
    if label < 0:
        raise ValueError("box: expected a class; an image without objects has no box")
    usable = len(sides) == 4 and all(
        isinstance(one, (int, float)) and not isinstance(one, bool) and math.isfinite(one)
        for one in sides
    )
    if usable and all(-_SLACK <= one <= 1 + _SLACK for one in sides):
        left, top, right, bottom = (min(max(float(one), 0.0), 1.0) for one in sides)
        if left < right and top < bottom:
            return Box(sides=(left, top, right, bottom), label=label)
    raise ValueError(
        "box: expected left < right and top < bottom in shares of the image, found "
        f"{list(sides)!r:.80}"
    )


def few(boxes: Sequence[Box]) -> tuple[Box, ...]:
    """Raises:
    ValueError: too many to be meant.
    """
    if len(boxes) > MOST:
        raise ValueError(f"boxes: expected at most {MOST}, found {len(boxes)}")
    return tuple(boxes)
