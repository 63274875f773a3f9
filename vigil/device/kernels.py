"""Which functions measure a block: as they are, or compiled into fewer kernels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from vigil.device.images import image_signals
from vigil.device.predictions import predictions
from vigil.device.tensors import torch


@dataclass(frozen=True, slots=True)
class Kernels:
    """``image_signals`` and ``predictions``, and whatever does the same."""

    image_signals: Callable[..., Any]
    predictions: Callable[..., Any]


PLAIN = Kernels(image_signals, predictions)


@cache
def compiled() -> Kernels:
    """The same through ``torch.compile``: each image plane is read once instead of a dozen times,
    at the price of a minute when they are first used, and of a compiler on the machine."""
    compile_ = torch().compile
    return Kernels(compile_(image_signals, dynamic=True), compile_(predictions, dynamic=True))
