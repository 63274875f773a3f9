"""Average precision of matched detections, for many weightings of the images at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detectors.methods.boxes.boxes import Floats, Ints
from detectors.methods.boxes.matching import Matches

POINTS = 101


def average_precisions(matches: Matches, weights: Ints) -> tuple[Floats, Ints]:
    """Average precision of each weighting, threshold and class: (b, T, C), NaN without true boxes.

    ``weights`` (b, n) counts how often each image is in the sample. Precision is made
    non-increasing and read at 101 recalls, 0 where a recall is not reached, as COCO does.
    Detections of equal score count together, so that the order of images does not matter.

    Returns:
        The values and the C classes: those with a true box in any image.
    """
    kinds = np.unique(matches.true_kind)
    out = np.full((len(weights), len(matches.thresholds), len(kinds)), np.nan)
    for c, kind in enumerate(kinds):
        true = np.bincount(matches.true_image[matches.true_kind == kind], minlength=matches.images)
        positives = weights @ true
        rows = np.flatnonzero(matches.kind == kind)
        rows = rows[np.argsort(-matches.score[rows], kind="stable")]
        known = positives > 0
        out[known, :, c] = _of_class(matches, rows, weights[known], positives[known])
    return out, kinds


def mean_precision(values: Floats) -> Floats:
    """(b, T): mean over the classes that have true boxes; NaN where none has."""
    known = ~np.isnan(values)
    total = np.where(known, values, 0.0).sum(axis=2)
    with np.errstate(invalid="ignore"):
        mean: Floats = total / known.sum(axis=2)
    return mean


def _of_class(matches: Matches, rows: Ints, weights: Ints, positives: Ints) -> Floats:
    values = np.zeros((len(weights), len(matches.thresholds)))
    if not len(rows) or not len(weights):
        return values
    # Half the memory to move; a count beyond 2^31 is none.
    each = weights.astype(np.int32)[:, matches.image[rows]]
    seen = each.cumsum(axis=1, dtype=np.int32)
    score = matches.score[rows]
    # The last of each run of equal scores.
    last = np.searchsorted(-score, -score, side="right") - 1
    # Recall r is reached with this many hits; exact in integers.
    wanted = -(-np.arange(POINTS) * positives[:, None] // (POINTS - 1))
    wanted = np.maximum(wanted, 1)
    for t in range(len(matches.thresholds)):
        at = np.flatnonzero(matches.hit[t, rows])
        if len(at):
            values[:, t] = _read(each[:, at], seen[:, last[at]], last[at], wanted)
    return values


def _read(hits: NDArray[np.int32], seen: NDArray[np.int32], run: Ints, wanted: Ints) -> Floats:
    found = hits.cumsum(axis=1, dtype=np.int64)
    of_run = np.searchsorted(run, run, side="right") - 1
    precision = found[:, of_run] / np.maximum(seen, 1)
    envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    # One search for all rows: each is lifted above the one before.
    step = int(max(found[:, -1].max(), wanted.max())) + 1
    lift = np.arange(len(found))[:, None] * step
    flat = np.searchsorted((found + lift).ravel(), (wanted + lift).ravel(), side="left")
    place = flat.reshape(wanted.shape) - np.arange(len(found))[:, None] * found.shape[1]
    reached = place < found.shape[1]
    read = np.take_along_axis(envelope, np.minimum(place, found.shape[1] - 1), axis=1)
    mean: Floats = np.where(reached, read, 0.0).mean(axis=1)
    return mean
