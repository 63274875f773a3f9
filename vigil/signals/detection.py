"""What the boxes of a detector say: of each image, and of each box."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vigil.signals.boxes import areas, coverage, mean_overlap
from vigil.signals.declare import signal
from vigil.signals.view import View
from vigil.types import Per
from vigil.values.objects import Objects

_LEAST_SIDE = 1e-4


@signal(
    "object_count",
    unit="boxes",
    high=128.0,
    description="boxes on the image",
)
def object_count(view: View) -> Any:
    return None if view.objects is None else view.objects.counts.astype(np.float64)


@signal(
    "object_score_mean",
    unit="score",
    harm="lower",
    description="mean score of the image's boxes; 0 without any",
)
def object_score_mean(view: View) -> Any:
    if view.objects is None:
        return None
    scored = np.isfinite(view.objects.scores)
    total = _sums(view.objects, np.where(scored, view.objects.scores, 0.0))
    known = _sums(view.objects, scored)
    return _or_missing(view.objects, known, total / np.maximum(known, 1.0))


@signal(
    "object_score_max",
    unit="score",
    harm="lower",
    description="highest score of the image's boxes; 0 without any",
)
def object_score_max(view: View) -> Any:
    if view.objects is None:
        return None
    objects = view.objects
    scored = np.isfinite(objects.scores)
    best = np.zeros(objects.records)
    np.maximum.at(best, objects.row[scored], objects.scores[scored].astype(np.float64))
    return _or_missing(objects, _sums(objects, scored), best)


@signal(
    "object_coverage",
    unit="share of the image",
    description="share of the image under at least one box",
)
def object_coverage(view: View) -> Any:
    return None if view.objects is None else coverage(view.objects)


@signal(
    "object_overlap",
    unit="mean IoU",
    harm="higher",
    description="mean intersection over union of the image's pairs of boxes; 0 with fewer than two",
)
def object_overlap(view: View) -> Any:
    return None if view.objects is None else mean_overlap(view.objects)


@signal(
    "box_size",
    per=Per.BOX,
    unit="share of the image's side",
    description="square root of the share of the image that the box covers",
)
def box_size(view: View) -> Any:
    return None if view.objects is None else np.sqrt(areas(view.objects.boxes))


@signal(
    "box_aspect",
    per=Per.BOX,
    unit="ratio",
    high=8.0,
    description="width over height of the box, each in shares of the image's",
)
def box_aspect(view: View) -> Any:
    if view.objects is None:
        return None
    left, top, right, bottom = view.objects.boxes.T.astype(np.float64)
    return np.maximum(right - left, _LEAST_SIDE) / np.maximum(bottom - top, _LEAST_SIDE)


@signal(
    "box_x",
    per=Per.BOX,
    unit="share of the width",
    description="centre of the box, from the left",
)
def box_x(view: View) -> Any:
    return None if view.objects is None else _centre(view.objects, 0)


@signal(
    "box_y",
    per=Per.BOX,
    unit="share of the height",
    description="centre of the box, from the top",
)
def box_y(view: View) -> Any:
    return None if view.objects is None else _centre(view.objects, 1)


@signal(
    "box_score",
    per=Per.BOX,
    unit="score",
    harm="lower",
    description="score of the box",
)
def box_score(view: View) -> Any:
    return None if view.objects is None else view.objects.scores.astype(np.float64)


def _sums(objects: Objects, values: NDArray[Any]) -> NDArray[np.float64]:
    sums = np.bincount(objects.row, weights=values, minlength=objects.records)
    return sums.astype(np.float64)


def _or_missing(
    objects: Objects, known: NDArray[np.float64], values: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The values, missing for an image whose boxes have no scores."""
    return np.where((known == 0) & (objects.counts > 0), np.nan, values)


def _centre(objects: Objects, axis: int) -> NDArray[np.float64]:
    return 0.5 * (objects.boxes[:, axis].astype(np.float64) + objects.boxes[:, axis + 2])
