"""Which detected box is which true box: greedy by score, as COCO's evaluation does it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from detectors.methods.boxes.boxes import Boxes, Floats, Ints

MOST = 100
"""Detections a class and image that count; the rest, of lower score, is dropped."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Matches:
    """Detections with their luck. Boxes are matched once; resampling re-weights images.

    Attributes:
        images: n.
        image, score, kind: (d,), of the detections that count.
        hit: (T, d), whether a detection found a true box at each IoU threshold.
        true_image, true_kind: (t,), of the true boxes.
        thresholds: (T,).
    """

    images: int
    image: Ints
    score: Floats
    kind: Ints
    hit: NDArray[np.bool_]
    true_image: Ints
    true_kind: Ints
    thresholds: Floats

    def part(self, start: int, stop: int) -> Matches:
        """Of the images ``start`` to ``stop`` alone."""
        mine = (self.image >= start) & (self.image < stop)
        true = (self.true_image >= start) & (self.true_image < stop)
        return Matches(
            images=stop - start,
            image=self.image[mine] - start,
            score=self.score[mine],
            kind=self.kind[mine],
            hit=self.hit[:, mine],
            true_image=self.true_image[true] - start,
            true_kind=self.true_kind[true],
            thresholds=self.thresholds,
        )


def match(sample: Boxes, thresholds: Floats, most: int = MOST) -> Matches:
    """Match detections to true boxes of the same image and class.

    In order of falling score, a detection takes the free true box with the largest IoU at or above
    the threshold; of equals, the last. Detections of equal score go in row order. All images
    advance together, one rank of score at a time: O(pairs T) array work in at most ``most`` steps;
    100 000 detections in 10 000 images at ten thresholds take 0.3 s.

    Source: Lin et al., Microsoft COCO, 2014, and its evaluation.

    Raises:
        ShapeError: the true boxes are not known.
    """
    true_image, true_boxes, true_kind = sample.truth
    kinds = int(max(sample.classes.max(initial=0), true_kind.max(initial=0))) + 1
    key, true_key = sample.image * kinds + sample.classes, true_image * kinds + true_kind
    order = np.lexsort((-sample.scores, key))
    rank = _rank(key[order])
    order, rank = order[rank < most], rank[rank < most]
    true_order = np.argsort(true_key, kind="stable")
    det, true, iou = _pairs(
        sample.boxes[order], key[order], true_boxes[true_order], true_key[true_order]
    )
    near = iou >= thresholds.min()
    det, true, iou = det[near], true[near], iou[near]
    by_rank = np.argsort(rank[det], kind="stable")
    det, true, iou = det[by_rank], true[by_rank], iou[by_rank]
    hit = np.zeros((len(thresholds), len(order)), dtype=np.bool_)
    taken = np.zeros((len(thresholds), len(true_order)), dtype=np.bool_)
    bounds = np.searchsorted(rank[det], np.arange(int(rank.max(initial=-1)) + 2))
    for start, stop in pairwise(bounds):
        if stop > start:
            part = slice(start, stop)
            _advance(det[part], true[part], iou[part], thresholds, hit, taken)
    return Matches(
        images=sample.images,
        image=sample.image[order],
        score=sample.scores[order],
        kind=sample.classes[order],
        hit=hit,
        true_image=true_image,
        true_kind=true_kind,
        thresholds=thresholds,
    )


def pairwise_iou(one: Floats, other: Floats) -> Floats:
    """(p,): intersection over union of rows of (p, 4) and (p, 4); 0 where both are empty."""
    width = np.minimum(one[:, 2], other[:, 2]) - np.maximum(one[:, 0], other[:, 0])
    height = np.minimum(one[:, 3], other[:, 3]) - np.maximum(one[:, 1], other[:, 1])
    both = np.maximum(width, 0.0) * np.maximum(height, 0.0)
    union = _area(one) + _area(other) - both
    share: Floats = both / np.where(union > 0, union, 1.0)
    return share


def _advance(
    det: Ints,
    true: Ints,
    iou: Floats,
    thresholds: Floats,
    hit: NDArray[np.bool_],
    taken: NDArray[np.bool_],
) -> None:
    """One detection of each image and class chooses; pairs are sorted by detection."""
    free = ~taken[:, true] & (iou >= thresholds[:, None])
    starts = np.flatnonzero(np.r_[True, det[1:] != det[:-1]])
    lengths = np.diff(np.r_[starts, len(det)])
    value = np.where(free, iou, -1.0)
    best = np.repeat(np.maximum.reduceat(value, starts, axis=1), lengths, axis=1)
    position = np.where(free & (value == best), np.arange(len(det)), -1)
    chosen = np.maximum.reduceat(position, starts, axis=1)
    at, which = np.nonzero(chosen >= 0)
    pair = chosen[at, which]
    hit[at, det[pair]] = True
    taken[at, true[pair]] = True


def _pairs(
    boxes: Floats, key: Ints, true_boxes: Floats, true_key: Ints
) -> tuple[Ints, Ints, Floats]:
    start = np.searchsorted(true_key, key, side="left")
    lengths = np.searchsorted(true_key, key, side="right") - start
    det = np.repeat(np.arange(len(key)), lengths)
    ends = np.cumsum(lengths)
    true = np.arange(len(det)) - np.repeat(ends - lengths, lengths) + np.repeat(start, lengths)
    return det, true, pairwise_iou(boxes[det], true_boxes[true])


def _rank(key: Ints) -> Ints:
    """Position inside each run of equal keys."""
    first = np.r_[True, key[1:] != key[:-1]][: len(key)]
    at = np.arange(len(key))
    rank: Ints = at - np.maximum.accumulate(np.where(first, at, 0))
    return rank


def _area(boxes: Floats) -> Floats:
    area: Floats = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return area
