"""What masks say, as signals."""

from __future__ import annotations

from typing import Any

import numpy as np

from vigil.signals.declare import signal
from vigil.signals.view import View


@signal(
    "mask_count",
    unit="masks",
    high=64.0,
    description="masks on the image: as the caller counts them, else classes other than 0 that "
    "cover a thousandth of it",
)
def mask_count(view: View) -> Any:
    return None if view.areas is None else view.areas.count


@signal(
    "mask_foreground",
    unit="share of the pixels",
    description="pixels of any class but 0, the background",
)
def mask_foreground(view: View) -> Any:
    return None if view.areas is None else 1.0 - view.areas.shares[:, 0].astype(np.float64)


@signal(
    "mask_boundary",
    unit="share of the pixels",
    high=0.5,
    description="pixels whose right neighbour has another class",
)
def mask_boundary(view: View) -> Any:
    return None if view.areas is None else view.areas.boundary
