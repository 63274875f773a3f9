"""One protocol for every detector: a reference and a current sample in, a comparison out.

A detector is usable alone, without a service::

    import numpy as np
    import detectors

    rng = np.random.default_rng(0)
    found = detectors.get("ks").compare(rng.normal(size=2000), rng.normal(0.4, 1.0, size=2000))
    print(found.outcome, found.reason)

One comparison answers one question once. Looking again and again at growing or repeated samples
raises false alarms however small alpha is: that is what ``detectors.evidence`` is for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar, Protocol, TypeVar, runtime_checkable

from vigil.types import Effect, Outcome

ALPHA = 0.01
"""False-alarm rate of one comparison where the caller states none."""


class Takes(StrEnum):
    """What the two samples of a detector are."""

    SCALAR = "scalar"
    """(n,) numbers; values that are not finite are left out and counted."""
    CATEGORY = "category"
    """(n,) labels: integers or texts."""
    EMBEDDING = "embedding"
    """(n, d) numbers; rows that are not finite are left out and counted."""
    PROBABILITIES = "probabilities"
    """(n, K) class probabilities, without labels."""
    LABELLED = "labelled"
    """``Labelled``: class probabilities with the truth."""
    BOXES = "boxes"
    """``Boxes``: detected boxes of n images, with true boxes where the detector needs them."""


class Exactness(StrEnum):
    """What the stated false-alarm rate of a detector rests on."""

    EXACT = "exact"
    """At any sample size, for exchangeable records."""
    BOUND = "bound"
    """At any sample size, at most the stated rate."""
    APPROXIMATE = "approximate"
    """In the limit of large samples."""
    NONE = "none"
    """An effect size without a test: decided by its interval alone."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """What one detector says of two samples.

    Attributes:
        detector: its name.
        outcome: ``drifted`` only where the test rejects at ``alpha`` (if there is a test) *and* the
            effect's lower bound exceeds its tolerance; ``healthy`` where the upper bound is below;
            ``no_data`` where a side is empty; else ``inconclusive``.
        reason: the same in a sentence.
        statistic: the test statistic, as the detector's docstring defines it.
        p_value: of "no difference"; None where the detector has no test.
        alpha: the false-alarm rate that was asked for.
        effect: how large the difference is, with a 95 % interval and the tolerance.
        left_out: values or rows of (reference, current) that were not usable.
        details: further numbers or arrays, named in the detector's docstring.
    """

    detector: str
    outcome: Outcome
    reason: str
    statistic: float
    p_value: float | None
    alpha: float
    effect: Effect
    left_out: tuple[int, int] = (0, 0)
    details: Mapping[str, Any] = field(default_factory=dict)


T_contra = TypeVar("T_contra", contravariant=True)


@runtime_checkable
class Detector(Protocol[T_contra]):
    """Compares two samples. Parameters (alpha, tolerance, ...) belong to the constructor, all
    with defaults; randomness comes from a seed given there, so that a comparison is repeatable."""

    name: ClassVar[str]
    takes: ClassVar[Takes]
    exactness: ClassVar[Exactness]

    def compare(self, reference: T_contra, current: T_contra) -> Comparison:
        """Say whether, and how much, ``current`` differs from ``reference``.

        Raises:
            ShapeError: a sample has the wrong shape.
        """


def conclude(
    detector: str,
    effect: Effect,
    *,
    statistic: float,
    p_value: float | None,
    alpha: float,
    left_out: tuple[int, int] = (0, 0),
    details: Mapping[str, Any] | None = None,
) -> Comparison:
    """The outcome that follows from an effect and a test: the one rule of every detector."""
    figures = f"{effect.value:.4g} ({effect.low:.4g} to {effect.high:.4g} {effect.unit})"
    tolerance = f"the tolerance {effect.tolerance:.4g}"
    rejects = p_value is None or p_value <= alpha
    odds = "" if p_value is None else f", p = {p_value:.2g} at alpha = {alpha:.2g}"
    if effect.records == 0:
        outcome, reason = Outcome.NO_DATA, "nothing usable to compare"
    elif effect.is_large and rejects:
        outcome, reason = Outcome.DRIFTED, f"{figures} is beyond {tolerance}{odds}"
    elif effect.is_small:
        outcome, reason = Outcome.HEALTHY, f"{figures} is below {tolerance}{odds}"
    else:
        outcome, reason = Outcome.INCONCLUSIVE, f"{figures} against {tolerance}: not sure{odds}"
    return Comparison(
        detector=detector,
        outcome=outcome,
        reason=reason,
        statistic=float(statistic),
        p_value=None if p_value is None else float(p_value),
        alpha=alpha,
        effect=effect,
        left_out=left_out,
        details=dict(details or {}),
    )


def no_data(
    detector: str, *, unit: str, tolerance: float, alpha: float, left_out: tuple[int, int] = (0, 0)
) -> Comparison:
    """The comparison where a side holds nothing usable: never a verdict of health."""
    nothing = Effect(value=0.0, low=0.0, high=0.0, tolerance=tolerance, unit=unit, records=0)
    return conclude(
        detector, nothing, statistic=float("nan"), p_value=None, alpha=alpha, left_out=left_out
    )
