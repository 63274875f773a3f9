"""What the three estimates of accuracy without labels share: from a loss and its error to what was
found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from scipy.stats import norm

from detectors.detector import Exactness
from detectors.methods.labels.of_records import OfRecords
from detectors.methods.two_sample import Found, Size

_Z = 1.959964


class AccuracyEstimate(OfRecords):
    """Estimates the loss of accuracy of current records, whose labels are not used."""

    exactness: ClassVar[Exactness] = Exactness.APPROXIMATE
    unit = "estimated loss of accuracy"
    needs_labels = False


def estimated_loss(
    *,
    loss: float,
    error: float,
    accuracy: float,
    records: int,
    details: Mapping[str, Any],
) -> Found:
    """An estimated loss with a normal standard error, of a reference's accuracy.

    The interval is never narrower than 3 / n: a spread of zero in n records shows no more
    (the rule of three). The p-value is one-sided (worse).
    """
    half = max(_Z * error, 3.0 / records)
    z = loss / max(error, half / 3.0)
    return Found(
        size=Size(loss, max(loss - half, -1.0), min(loss + half, 1.0)),
        statistic=z,
        p_value=float(norm.sf(z)),
        details={"reference": accuracy, "estimate": accuracy - loss, **details},
    )
