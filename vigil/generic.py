"""A ruler for a version without a baseline: its windows are kept and shown, but not judged."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vigil.catalogue import SCALARS
from vigil.ruler import Ruler
from vigil.summary import Layout
from vigil.types import ModelRef

BINS = 64


def generic_ruler(
    model: str,
    version: str,
    keys: Sequence[str] = (),
    classes: int = 0,
    *,
    deployment: str = "production",
) -> Ruler:
    """64 bins, evenly spaced over each signal's range in the catalogue.

    The moments are standardised by the middle and a quarter of that range. There is no projection:
    without a baseline embeddings are counted and sampled only.
    """
    low = np.array([signal.low for signal in SCALARS])
    high = np.array([signal.high for signal in SCALARS])
    steps = np.linspace(0.0, 1.0, BINS + 1)[1:-1]
    return Ruler(
        model=ModelRef(name=model, version=version, deployment=deployment),
        layout=Layout(
            keys=tuple(keys),
            signals=tuple(signal.name for signal in SCALARS),
            bins=BINS,
            classes=classes,
            features=0,
        ),
        edges=low[:, np.newaxis] + (high - low)[:, np.newaxis] * steps,
        center=(low + high) / 2,
        scale=(high - low) / 4,
        projection=None,
        is_generic=True,
    )
