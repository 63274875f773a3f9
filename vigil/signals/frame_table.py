"""Faulty frames as signals, for models that ask for them: their share drifts, hard faults apart."""

from __future__ import annotations

from typing import Any

import numpy as np

from vigil.quality.kinds import DataFault
from vigil.signals.declare import signal
from vigil.signals.view import View
from vigil.types import SignalKind

_KIND = SignalKind.IMAGE


def _share(view: View, kind: DataFault) -> Any:
    if view.images is None:
        return None
    return ((view.flags & np.uint32(kind.bit)) != 0).astype(np.float64)


@signal(
    "black_frame",
    kind=_KIND,
    unit="share of frames",
    harm="higher",
    tolerance=0.05,
    description="the frame is black: brightness below 0.05 and contrast below 0.01",
)
def black_frame(view: View) -> Any:
    return _share(view, DataFault.BLACK)


@signal(
    "frozen_frame",
    kind=_KIND,
    unit="share of frames",
    harm="higher",
    tolerance=0.05,
    description="the eighth or a later one of equal frames in a row, of one camera",
)
def frozen_frame(view: View) -> Any:
    return _share(view, DataFault.FROZEN)


@signal(
    "near_duplicate",
    kind=_KIND,
    unit="share of frames",
    tolerance=0.15,
    description="looks like one of the last eight frames of its camera (3 of 64 bits of a dHash)",
)
def near_duplicate(view: View) -> Any:
    return _share(view, DataFault.NEAR_DUPLICATE)
