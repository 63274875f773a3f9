"""A ruler for a version without a baseline: its windows are kept and shown, but not judged."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vigil.measuring.columns import described, signals_of
from vigil.types import ModelRef, Signal, Task
from vigil.windows.ruler import Ruler
from vigil.windows.summary import Layout

BINS = 64


def generic_ruler(
    model: str,
    version: str,
    keys: Sequence[str] = (),
    classes: int = 0,
    *,
    deployment: str = "production",
    task: Task = "classification",
    declared: Sequence[Signal] = (),
    more: Sequence[str] = (),
) -> Ruler:
    """64 bins, evenly spaced over each signal's range in the catalogue.

    The moments are standardised by the middle and a quarter of that range. There is no projection:
    without a baseline embeddings are counted and sampled only.

    Args:
        model, version, deployment: whose ruler it is.
        keys: metadata keys of the cells.
        classes: number of classes.
        task: what the model does: which signals it has.
        declared: signals of the user's own; ``more``: names of further ones that it has.
    """
    signals = signals_of(task, classes, declared, more)
    low = np.array([signal.low for signal in signals])
    high = np.array([signal.high for signal in signals])
    steps = np.linspace(0.0, 1.0, BINS + 1)[1:-1]
    return Ruler(
        model=ModelRef(name=model, version=version, deployment=deployment),
        layout=Layout(
            keys=tuple(keys),
            signals=tuple(signal.name for signal in signals),
            bins=BINS,
            classes=classes,
            features=0,
            task=task,
            declared=described(signals),
        ),
        edges=low[:, np.newaxis] + (high - low)[:, np.newaxis] * steps,
        center=(low + high) / 2,
        scale=(high - low) / 4,
        projection=None,
        is_generic=True,
    )
