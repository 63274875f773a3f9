"""What the three estimates of accuracy without labels share: from a loss and its error to a
comparison."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scipy.stats import norm

from detectors.detector import Comparison, conclude
from vigil.types import Effect

UNIT = "estimated loss of accuracy"
_Z = 1.959964


def estimated_loss(
    detector: str,
    *,
    loss: float,
    error: float,
    accuracy: float,
    records: int,
    tolerance: float,
    alpha: float,
    left_out: tuple[int, int],
    details: Mapping[str, Any] | None = None,
) -> Comparison:
    """The comparison of an estimated loss with a normal standard error.

    The interval is never narrower than 3 / n: a spread of zero in n records shows no more
    (the rule of three). The p-value is one-sided (worse).
    """
    half = max(_Z * error, 3.0 / records)
    effect = Effect(
        value=loss,
        low=max(loss - half, -1.0),
        high=min(loss + half, 1.0),
        tolerance=tolerance,
        unit=UNIT,
        records=records,
    )
    z = loss / max(error, half / 3.0)
    return conclude(
        detector,
        effect,
        statistic=z,
        p_value=float(norm.sf(z)),
        alpha=alpha,
        left_out=left_out,
        details={"reference": accuracy, "estimate": accuracy - loss, **(details or {})},
    )
