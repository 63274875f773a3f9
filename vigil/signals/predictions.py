"""What the outputs of a classifier say about each inference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from vigil.errors import ShapeError
from vigil.values.arrays import as_numpy, to_float32

OutputsAre = Literal["probabilities", "logits"]
SUM_ALLOWANCE = 0.02


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Predictions:
    """n predictions over K classes (K = 0: only the class is known).

    ``classes`` (n,): -1 where the outputs are not finite. ``probabilities`` (n, K): a row is NaN
    where it is not a distribution. The signals are (n,), NaN where missing.
    """

    classes: NDArray[np.int32]
    probabilities: NDArray[np.float32]
    confidence: NDArray[np.float32]
    entropy: NDArray[np.float32]
    margin: NDArray[np.float32]


def predictions(outputs: Any, n: int, outputs_are: OutputsAre = "probabilities") -> Predictions:
    """Outputs (n, K) with K >= 2 as probabilities or logits, or (n,) integers: the classes alone.

    ``confidence = max p``, ``margin = max p - second p``, ``entropy = -sum p log p / log K``. A row
    that is not a distribution (negative, or a sum further than 0.02 from 1) has a predicted class
    but no probabilities, so that logits or sigmoids handed in by mistake show as missing.

    Raises:
        ShapeError: another shape.
    """
    array = as_numpy(outputs, "outputs")
    if array.shape == (n,) and array.dtype.kind in "iu":
        return _classes_only(array)
    if array.ndim != 2 or array.shape[0] != n or array.shape[1] < 2:
        raise ShapeError(
            "outputs",
            expected=f"({n}, K) with K at least 2, or ({n},) integers",
            found=f"{array.shape} {array.dtype}",
        )
    scores = to_float32(array)
    finite = np.asarray(np.isfinite(scores).all(axis=1), bool)
    if outputs_are == "logits":
        probabilities = _softmax(np.where(finite[:, np.newaxis], scores, 0.0))
        valid = finite
    else:
        probabilities = np.where(finite[:, np.newaxis], scores, np.float32(0.0))
        total = probabilities.sum(axis=1)
        valid = finite & (probabilities.min(axis=1) >= -1e-3)
        valid &= np.abs(total - 1.0) <= SUM_ALLOWANCE
        probabilities = np.clip(probabilities, 0.0, 1.0)
    classes = np.where(finite, scores.argmax(axis=1), -1).astype(np.int32)
    return _from_probabilities(classes, probabilities, valid)


def _softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True), np.float32)


def _from_probabilities(
    classes: NDArray[np.int32], probabilities: NDArray[np.float32], valid: NDArray[np.bool_]
) -> Predictions:
    count = probabilities.shape[1]
    top = np.partition(probabilities, count - 2, axis=1)[:, -2:]
    surprise = probabilities * np.log(np.maximum(probabilities, np.float32(1e-30)))
    entropy = np.clip(-surprise.sum(axis=1) / np.float32(np.log(count)), 0.0, 1.0)
    missing = np.float32(np.nan)
    return Predictions(
        classes=classes,
        probabilities=np.where(valid[:, np.newaxis], probabilities, missing),
        confidence=np.where(valid, top[:, 1], missing),
        entropy=np.where(valid, entropy, missing),
        margin=np.where(valid, top[:, 1] - top[:, 0], missing),
    )


def _classes_only(classes: NDArray[Any]) -> Predictions:
    n = len(classes)
    missing = np.full(n, np.nan, np.float32)
    bounded = np.where((classes >= 0) & (classes < 2**31), classes, -1)
    return Predictions(
        classes=bounded.astype(np.int32),
        probabilities=np.zeros((n, 0), np.float32),
        confidence=missing,
        entropy=missing,
        margin=missing,
    )
