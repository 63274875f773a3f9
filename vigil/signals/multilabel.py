"""What the outputs of a multi-label classifier say, as signals."""

from __future__ import annotations

from typing import Any

import numpy as np

from vigil.signals.declare import signal
from vigil.signals.labels import CHOSEN
from vigil.signals.view import View


@signal(
    "label_count",
    unit="labels",
    high=64.0,
    description="labels predicted for the record: those with a probability of at least 1/2",
)
def label_count(view: View) -> Any:
    if view.labels is None:
        return None
    p = view.labels.probabilities
    return np.where(np.isnan(p[:, 0]), np.nan, (p >= CHOSEN).sum(axis=1))


@signal(
    "label_confidence",
    unit="probability",
    harm="lower",
    description="mean probability of the predicted labels; 0 where none is",
)
def label_confidence(view: View) -> Any:
    if view.labels is None:
        return None
    p = view.labels.probabilities
    chosen = p >= CHOSEN
    mean = np.where(chosen, p, 0.0).sum(axis=1) / np.maximum(chosen.sum(axis=1), 1)
    return np.where(np.isnan(p[:, 0]), np.nan, mean)


@signal(
    "label_entropy",
    unit="bits a label",
    harm="higher",
    description="mean entropy of the yes or no of each label",
)
def label_entropy(view: View) -> Any:
    if view.labels is None:
        return None
    p = np.clip(view.labels.probabilities.astype(np.float64), 1e-12, 1.0 - 1e-12)
    return -(p * np.log2(p) + (1.0 - p) * np.log2(1.0 - p)).mean(axis=1)


@signal(
    "label_margin",
    unit="probability",
    harm="lower",
    description="distance of the least sure label from 1/2, twice",
)
def label_margin(view: View) -> Any:
    if view.labels is None:
        return None
    return np.abs(2.0 * view.labels.probabilities - 1.0).min(axis=1)
