"""What the outputs of a multi-label classifier say: K independent yes or no a record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vigil.errors import ShapeError
from vigil.signals.predictions import OutputsAre
from vigil.values.arrays import as_numpy, to_float32

CHOSEN = 0.5
"""From this probability on, a label is predicted."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Labels:
    """``probabilities`` (n, K): a row is NaN where it holds no probabilities. ``classes`` (n,): the
    most probable label, -1 where there is none at all."""

    classes: NDArray[np.int32]
    probabilities: NDArray[np.float32]


def labels_of(outputs: Any, n: int, outputs_are: OutputsAre = "probabilities") -> Labels:
    """Outputs (n, K), K >= 1: probabilities in [0, 1], or logits of which the sigmoid is taken.

    A row with a value that is not finite, or no probability, is missing as a whole.

    Raises:
        ShapeError: another shape.
    """
    array = as_numpy(outputs, "outputs")
    if array.ndim != 2 or array.shape[0] != n or array.shape[1] < 1:
        raise ShapeError(
            "outputs", expected=f"({n}, K) of a multi-label model", found=str(array.shape)
        )
    scores = to_float32(array)
    if outputs_are == "logits":
        with np.errstate(over="ignore"):
            scores = np.float32(1.0) / (np.float32(1.0) + np.exp(-scores))
    with np.errstate(invalid="ignore"):
        valid = np.asarray(((scores >= -1e-3) & (scores <= 1.001)).all(axis=1), bool)
    probabilities = np.where(valid[:, None], np.clip(scores, 0.0, 1.0), np.float32(np.nan))
    best = np.where(valid[:, None], scores, 0.0).argmax(axis=1)
    return Labels(
        classes=np.where(valid, best, -1).astype(np.int32),
        probabilities=probabilities.astype(np.float32),
    )
