"""Accuracy, F1 and calibration of a classifier from labelled records.

Accuracy and F1 as in ``estimate``, with each record's weight ``1 / pi``; F1 of a class is
``2 TP / (2 TP + FP + FN)`` of weighted counts, and the macro F1 its mean over the classes that were
seen. Calibration is the expected calibration error of the top label over 15 bins, less the bias
that it has by chance, from counts scaled to the effective number of records.

*When not to use it.* On records that were chosen for being difficult: no weight undoes that. The
expected calibration error needs some 500 records.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm

from detectors.quality.estimate import (
    Estimate,
    Floats,
    kish,
    mean_share,
    share,
    share_of,
    weights_of,
)
from detectors.statistics.outcome import ece
from vigil.errors import ShapeError
from vigil.windows.summary import CONFIDENCE_BINS

Ints = NDArray[np.int64]
_Z = float(norm.ppf(0.975))


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassQuality:
    """``f1`` by class; ``calibration`` (expected calibration error) is None where no confidence is
    known."""

    accuracy: Estimate
    macro_f1: Estimate
    f1: Mapping[int, Estimate]
    calibration: Estimate | None


def class_quality(
    *,
    prediction: ArrayLike,
    label: ArrayLike,
    confidence: ArrayLike,
    inclusion: ArrayLike,
) -> ClassQuality:
    """Quality of n >= 1 labelled records.

    Args:
        prediction, label: (n,) classes from 0.
        confidence: (n,) of the predicted class in (0, 1]; 0 or NaN where it is not known.
        inclusion: (n,) with which probability each record was drawn; ones where all were.

    Raises:
        ShapeError: no records, arrays of different lengths, or a probability outside (0, 1].
    """
    said, truth = np.asarray(prediction, np.int64), np.asarray(label, np.int64)
    sure, weights = np.asarray(confidence, np.float64), weights_of(inclusion)
    for name, found in (("prediction", said), ("label", truth), ("confidence", sure)):
        if found.shape != weights.shape or not len(found):
            raise ShapeError(
                name, expected=f"({len(weights)},), at least 1", found=str(found.shape)
            )
    f1, macro = _f1(said, truth, weights)
    return ClassQuality(
        accuracy=mean_share(said == truth, inclusion),
        macro_f1=macro,
        f1=f1,
        calibration=_calibration(said == truth, sure, weights),
    )


def _f1(said: Ints, truth: Ints, weights: Floats) -> tuple[dict[int, Estimate], Estimate]:
    """By class and their mean. A record's influence on class k is ``w (2 hit - F shown) / size``,
    shown 2 where it is predicted and true, 1 where it is one of them; they sum to zero."""
    classes, at = np.unique(np.concatenate([said, truth]), return_inverse=True)
    first, second = at[: len(said)], at[len(said) :]
    hit = first == second

    def total(values: Floats, only: NDArray[np.bool_]) -> Floats:
        """Per class: of what is predicted, and of what is true besides."""
        rest = np.where(only, 0.0, values)
        n = len(classes)
        found = np.bincount(first, values, n) + np.bincount(second, rest, n)
        return found.astype(np.float64)

    size = total(weights, np.zeros_like(hit))
    value = 2.0 * np.bincount(first, weights * hit, len(classes)) / size
    of_said = weights * np.where(hit, 2.0 - 2.0 * value[first], -value[first]) / size[first]
    of_true = np.where(hit, 0.0, -weights * value[second] / size[second])
    squares = np.bincount(first, of_said**2, len(classes))
    squares = squares + np.bincount(second, of_true**2, len(classes))
    records = total(np.ones(len(said)), hit)
    equal = total(weights, hit) ** 2 / np.maximum(total(weights**2, hit), 1e-300)
    variance = np.where(records > 1, records / np.maximum(records - 1, 1) * squares, 0.0)
    by_class = {
        int(kind): share_of(
            float(value[k]),
            variance=float(variance[k]),
            equal=float(equal[k]),
            records=int(records[k]),
        )
        for k, kind in enumerate(classes)
    }
    return by_class, share(float(value.mean()), (of_said + of_true) / len(classes), weights)


def _calibration(right: NDArray[np.bool_], sure: Floats, weights: Floats) -> Estimate | None:
    known = np.isfinite(sure) & (sure > 0)
    if not known.any():
        return None
    mine = weights[known]
    effective = kish(mine)
    scaled = mine * effective / mine.sum()
    at = np.minimum((sure[known] * CONFIDENCE_BINS).astype(np.int64), CONFIDENCE_BINS - 1)
    columns = (scaled, scaled * sure[known], scaled * right[known])
    table = np.stack(
        [np.bincount(at, weights=one, minlength=CONFIDENCE_BINS) for one in columns], axis=1
    )
    value, bias, error = (float(one[0]) for one in ece(table[None].astype(np.float64)))
    return Estimate(
        value=max(0.0, value - bias),
        low=max(0.0, value - bias - _Z * error),
        high=min(1.0, value + _Z * error),
        records=int(known.sum()),
        effective=effective,
    )
