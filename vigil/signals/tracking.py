"""What the tracks of a tracker say, as signals."""

from __future__ import annotations

from typing import Any

from vigil.signals.declare import signal
from vigil.signals.view import View
from vigil.types import Per


@signal(
    "track_length",
    per=Per.BOX,
    unit="frames",
    high=512.0,
    harm="lower",
    description="frames in which the box's track was seen so far",
)
def track_length(view: View) -> Any:
    return None if view.followed is None else view.followed.length


@signal(
    "identity_switches",
    unit="boxes a frame",
    high=32.0,
    harm="higher",
    tolerance=0.05,
    description="boxes that lie (IoU at least 1/2) where the frame before had another track",
)
def identity_switches(view: View) -> Any:
    return None if view.followed is None else view.followed.switches


@signal(
    "fragmentation",
    unit="tracks a frame",
    high=32.0,
    harm="higher",
    tolerance=0.05,
    description="tracks that came back after frames without them",
)
def fragmentation(view: View) -> Any:
    return None if view.followed is None else view.followed.fragments
