"""What the outputs of a classifier say, as signals."""

from __future__ import annotations

from typing import Any

from vigil.signals.declare import signal
from vigil.signals.view import View


@signal(
    "confidence",
    unit="probability",
    harm="lower",
    description="largest class probability",
)
def confidence(view: View) -> Any:
    return None if view.predictions is None else view.predictions.confidence


@signal(
    "entropy",
    unit="share of the maximum",
    harm="higher",
    description="entropy of the class probabilities over log K",
)
def entropy(view: View) -> Any:
    return None if view.predictions is None else view.predictions.entropy


@signal(
    "margin",
    unit="probability",
    harm="lower",
    description="largest less second largest class probability",
)
def margin(view: View) -> Any:
    return None if view.predictions is None else view.predictions.margin
