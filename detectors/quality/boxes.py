"""Mean average precision and recall of a detector on labelled images, drawn with known probability.

Each image counts ``1 / pi`` times. The interval is the percentile bootstrap over images
(approximate; below some 100 images too narrow). Precision as COCO's evaluation has it; see
``detectors.methods.boxes``.

Source: Lin et al., Microsoft COCO, 2014; Efron and Tibshirani, An Introduction to the Bootstrap,
1993.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detectors.methods.boxes.boxes import Boxes
from detectors.methods.boxes.matching import Matches, match
from detectors.methods.boxes.precision import average_precisions, mean_precision
from detectors.quality.estimate import Estimate, Floats, kish, weights_of
from vigil.errors import ShapeError

IOUS = np.arange(0.5, 1.0, 0.05)
_ROOM = 1 << 29


@dataclass(frozen=True, kw_only=True, slots=True)
class BoxQuality:
    """``mean_precision``: over the IoU thresholds 0.5 to 0.95; ``precision_50``: at 0.5 alone."""

    mean_precision: Estimate
    precision_50: Estimate
    recall: Estimate
    iou: float


def box_quality(
    sample: Boxes,
    inclusion: ArrayLike | None = None,
    *,
    rng: np.random.Generator,
    iou: float = 0.5,
    score: float = 0.5,
    draws: int = 200,
) -> BoxQuality | None:
    """Quality on n images; None where none of them has a true box.

    Args:
        inclusion: (n,) with which probability each image was drawn; None: all were.
        rng: draws the bootstrap.
        iou: from which overlap a true box counts as found, for the recall.
        score: detections below it do not count for the recall.

    Raises:
        ShapeError: the true boxes are not known, or not as many probabilities as images.
    """
    images = len(sample)
    weights = weights_of(np.ones(images) if inclusion is None else inclusion)
    if len(weights) != images:
        raise ShapeError("inclusion", expected=f"({images},)", found=f"({len(weights)},)")
    if not len(sample.truth[0]):
        return None
    drawn = rng.multinomial(images, np.full(images, 1.0 / images), size=draws)
    times = np.vstack([np.ones((1, images)), drawn]) * weights
    found = match(sample, IOUS)
    values = mean_precision(average_precisions(found, _whole(times, found))[0])
    recall = _recalls(match(sample, np.array([iou])), times, score)
    effective = kish(weights)
    return BoxQuality(
        mean_precision=_estimate(values.mean(axis=1), images, effective),
        precision_50=_estimate(values[:, 0], images, effective),
        recall=_estimate(recall, images, effective),
        iou=iou,
    )


def _whole(times: Floats, found: Matches) -> NDArray[np.int64]:
    """Weights as whole numbers, fine enough to matter nowhere: precision only knows ratios."""
    most = np.bincount(found.image, minlength=found.images)
    size = float((times @ np.maximum(most, 1)).max())
    return np.rint(times * (_ROOM / max(size, 1.0))).astype(np.int64)


def _recalls(found: Matches, times: Floats, score: float) -> Floats:
    good = found.hit[0] & (found.score >= score)
    hits = np.bincount(found.image[good], minlength=found.images)
    true = np.bincount(found.true_image, minlength=found.images)
    with np.errstate(divide="ignore", invalid="ignore"):
        recall: Floats = (times @ hits) / (times @ true)
    return recall


def _estimate(values: Floats, images: int, effective: float) -> Estimate:
    drawn = values[1:][np.isfinite(values[1:])]
    low, high = (
        (float(one) for one in np.quantile(drawn, (0.025, 0.975))) if len(drawn) else (0.0, 1.0)
    )
    value = float(values[0])
    return Estimate(
        value=value,
        low=min(low, value),
        high=max(high, value),
        records=images,
        effective=effective,
    )
