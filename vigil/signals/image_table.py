"""Image statistics as signals; ``vigil.signals.images`` computes them together."""

from __future__ import annotations

from typing import Any

from vigil.signals.declare import signal
from vigil.signals.images import IMAGE_SIGNALS
from vigil.signals.view import View
from vigil.types import SignalKind

_KIND = SignalKind.IMAGE


def _column(view: View, name: str) -> Any:
    table = view.image_table
    return None if table is None else table[:, IMAGE_SIGNALS.index(name)]


@signal(
    "brightness",
    kind=_KIND,
    unit="share of full scale",
    description="mean luma of the image",
)
def brightness(view: View) -> Any:
    return _column(view, "brightness")


@signal(
    "contrast",
    kind=_KIND,
    unit="share of full scale",
    high=0.5,
    description="standard deviation of luma",
)
def contrast(view: View) -> Any:
    return _column(view, "contrast")


@signal(
    "sharpness",
    kind=_KIND,
    unit="ratio",
    high=4.0,
    harm="lower",
    description="mean absolute Laplacian of luma over its standard deviation; falls with blur",
)
def sharpness(view: View) -> Any:
    return _column(view, "sharpness")


@signal(
    "saturation",
    kind=_KIND,
    unit="share",
    description="mean of (max - min) / max over the colour channels",
)
def saturation(view: View) -> Any:
    return _column(view, "saturation")


@signal(
    "clipping",
    kind=_KIND,
    unit="share of pixels",
    harm="higher",
    description="pixels within 1/255 of black or white",
)
def clipping(view: View) -> Any:
    return _column(view, "clipping")


@signal(
    "noise",
    kind=_KIND,
    unit="share of full scale",
    high=0.5,
    harm="higher",
    description="noise standard deviation, from the mean absolute response to Immerkaer's mask",
)
def noise(view: View) -> Any:
    return _column(view, "noise")
