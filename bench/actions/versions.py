"""Releases that went wrong: each is the good new version with one mistake in it.

The baseline of the release comes from the network as it was trained, before the mistake.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import numpy as np
import torch
from torch import Tensor

from monitor.demo.reader import (
    DigitReader,
    Preprocess,
    ReaderVersion,
    standardised,
)
from monitor.demo.world import Images

NEXT = "v2"

Release = Callable[[DigitReader], ReaderVersion]
"""Makes what is released of the network as it was trained."""


def good(network: DigitReader) -> ReaderVersion:
    """The release as it was meant."""
    return ReaderVersion(NEXT, network)


def preprocessed(how: Preprocess) -> Release:
    """The release with another preprocessing than that of its training."""
    return lambda network: ReaderVersion(NEXT, network, how)


def not_standardised(images: Images) -> Tensor:
    """The step that standardises was forgotten: full scale is 0 to 1."""
    return torch.from_numpy(images).float().mean(dim=3).unsqueeze(1) / 255.0


def inverted(images: Images) -> Tensor:
    """Dark and light are mistaken for each other."""
    return -standardised(images)


def transposed(images: Images) -> Tensor:
    """Rows are taken for columns."""
    return standardised(images).transpose(2, 3)


def cropped(images: Images) -> Tensor:
    """The middle of the picture is cut out and enlarged."""
    middle = standardised(images)[:, :, 6:18, 6:18]
    return torch.nn.functional.interpolate(middle, scale_factor=2.0)


def quantised(bits: int) -> Release:
    """Weights rounded to a few bits, each layer by its largest weight."""

    def release(network: DigitReader) -> ReaderVersion:
        changed = deepcopy(network)
        steps = 2 ** (bits - 1) - 1
        with torch.no_grad():
            for weight in changed.parameters():
                step = weight.abs().max() / steps
                weight.copy_(torch.round(weight / step) * step)
        return ReaderVersion(NEXT, changed)

    return release


def classes_shifted(network: DigitReader) -> ReaderVersion:
    """The list of class names was sorted anew: two of three classes answer for each other."""
    order = np.array([1, 0, 3, 2, 5, 4, 6, 7, 8, 9])
    changed = deepcopy(network)
    with torch.no_grad():
        changed.head.weight.copy_(network.head.weight[order])
        changed.head.bias.copy_(network.head.bias[order])
    return ReaderVersion(NEXT, changed)


def threshold_slipped(network: DigitReader) -> ReaderVersion:
    """The threshold of one class slipped: it is called wherever it is at all likely."""
    changed = deepcopy(network)
    with torch.no_grad():
        changed.head.bias[8] += 4.0
    return ReaderVersion(NEXT, changed)


def temperature_slipped(network: DigitReader) -> ReaderVersion:
    """The temperature of the softmax is four times what it was: nothing is sure any more."""
    changed = deepcopy(network)
    with torch.no_grad():
        changed.head.weight.mul_(0.25)
        changed.head.bias.mul_(0.25)
    return ReaderVersion(NEXT, changed)


def weights_of(other: DigitReader) -> Release:
    """The weights of another model were shipped."""
    return lambda network: ReaderVersion(NEXT, other)


def half_trained(network: DigitReader) -> ReaderVersion:
    """A layer was not loaded: it has the values that it began with."""
    changed = deepcopy(network)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        fresh = DigitReader()
    changed.features[2].load_state_dict(fresh.features[2].state_dict())
    return ReaderVersion(NEXT, changed)


def overflowing(network: DigitReader) -> ReaderVersion:
    """Half precision without scaling: part of what the network says is not a number."""
    changed = deepcopy(network)
    with torch.no_grad():
        changed.head.weight[3, 7] = float("nan")
    return ReaderVersion(NEXT, changed)
