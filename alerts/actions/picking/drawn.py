"""The boxes that a model drew on a record, as plain numbers."""

from __future__ import annotations

import math

from vigil.values.objects import Objects


def drawn_by_model(objects: Objects, row: int) -> list[list[float]]:
    """Left, top, right, bottom, score and class of a record's boxes; one without a place or a
    class is left out, one without a score counts as sure."""
    mine = objects.take([row])
    drawn = []
    for box, score, kind in zip(mine.boxes, mine.scores, mine.classes, strict=True):
        sides = [round(float(side), 6) for side in box]
        usable = all(math.isfinite(side) for side in sides) and int(kind) >= 0
        if usable and sides[0] <= sides[2] and sides[1] <= sides[3]:
            sure = float(score) if math.isfinite(float(score)) else 1.0
            drawn.append([*sides, round(sure, 6), int(kind)])
    return drawn
