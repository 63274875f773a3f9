"""How the model is served."""

from __future__ import annotations

from typing import Any

import numpy as np

from vigil.signals.declare import signal
from vigil.signals.view import View
from vigil.types import SignalKind

_KIND = SignalKind.SERVICE


@signal(
    "latency_s",
    kind=_KIND,
    unit="seconds",
    high=60.0,
    harm="higher",
    tolerance=0.0,
    description="time of one inference as the caller measured it",
)
def latency_s(view: View) -> Any:
    if view.latency_s is None:
        return None
    return np.where(np.isfinite(view.latency_s) & (view.latency_s >= 0), view.latency_s, np.nan)


@signal(
    "batch_size",
    kind=_KIND,
    unit="records",
    high=512.0,
    tolerance=0.0,
    description="records of the call that recorded it",
)
def batch_size(view: View) -> Any:
    return view.batch_size


signal(
    "queue_depth",
    kind=_KIND,
    unit="requests",
    high=1024.0,
    harm="higher",
    tolerance=0.0,
    description="requests that waited, as the caller counts them",
)
