"""``vigil.signals.predictions`` on tensors."""

from __future__ import annotations

import math
from dataclasses import dataclass

from vigil.device.tensors import Tensor, torch
from vigil.signals.predictions import SUM_ALLOWANCE, OutputsAre


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Predictions:
    """n predictions over K classes: ``classes`` int64 (n,), -1 where there is none;
    ``probabilities`` float32 (n, K), NaN where a row is no distribution (K = 0: only the class is
    known); the signals float32 (n,), NaN where missing."""

    classes: Tensor
    probabilities: Tensor
    confidence: Tensor
    entropy: Tensor
    margin: Tensor


def fits(outputs: Tensor) -> bool:
    """Whether ``predictions`` takes it: (n, K) numbers with K at least 2, or (n,) integers."""
    whole = not (outputs.dtype.is_floating_point or outputs.dtype.is_complex)
    if outputs.ndim == 1:
        return whole and outputs.dtype != torch().bool
    return outputs.ndim == 2 and outputs.shape[1] >= 2 and not outputs.dtype.is_complex


def predictions(outputs: Tensor, outputs_are: OutputsAre) -> Predictions:
    """As ``vigil.signals.predictions.predictions``."""
    xp = torch()
    if outputs.ndim == 1:
        return _classes_only(outputs)
    scores = outputs.to(xp.float32)
    finite = scores.isfinite().all(dim=1)
    known = xp.where(finite[:, None], scores, 0.0)
    valid = finite
    if outputs_are == "logits":
        probabilities = xp.softmax(known, dim=1)
    else:
        valid = valid & (known.amin(dim=1) >= -1e-3)
        valid = valid & ((known.sum(dim=1) - 1.0).abs() <= SUM_ALLOWANCE)
        probabilities = known.clamp(0.0, 1.0)
    top = probabilities.topk(2, dim=1).values
    surprise = (probabilities * probabilities.clamp(min=1e-30).log()).sum(dim=1)
    count = probabilities.shape[1]
    entropy = (-surprise / math.log(count)).clamp(0.0, 1.0)
    missing = float("nan")
    return Predictions(
        classes=xp.where(finite, scores.argmax(dim=1), -1),
        probabilities=xp.where(valid[:, None], probabilities, missing),
        confidence=xp.where(valid, top[:, 0], missing),
        entropy=xp.where(valid, entropy, missing),
        margin=xp.where(valid, top[:, 0] - top[:, 1], missing),
    )


def _classes_only(outputs: Tensor) -> Predictions:
    xp = torch()
    classes = outputs.to(xp.int64)
    n, missing = len(classes), float("nan")
    empty = xp.full((n,), missing, dtype=xp.float32, device=classes.device)
    return Predictions(
        classes=xp.where((classes >= 0) & (classes < 2**31), classes, -1),
        probabilities=xp.zeros((n, 0), dtype=xp.float32, device=classes.device),
        confidence=empty,
        entropy=empty,
        margin=empty,
    )
