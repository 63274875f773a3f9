"""The interlock: would the target be as bad on today's traffic? Then a rollback cures nothing.

The counterfactual is the same images run through the version that would come back (replay,
shadow, or slices still on it), each version measured against its own baseline.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from vigil.types import Effect


class InterlockOutcome(StrEnum):
    BETTER = "better"
    NO_BETTER = "no_better"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, kw_only=True, slots=True)
class Interlock:
    outcome: InterlockOutcome
    text: str


def judge(
    current: Effect | None,
    target: Effect | None,
    *,
    why_unavailable: str = "",
    current_name: str = "the current version",
    target_name: str = "the target",
    on: str = "",
) -> Interlock:
    """Compare the drift of both versions on the same images.

    * *no better*: the target is beyond tolerance too (its whole interval), or drifts as much
      (its estimate is at least the current one's).
    * *better*: its whole interval lies below the current one's, and it is not beyond tolerance.
    * *unavailable*: nothing to compare, the current version's estimate lies within tolerance (then
      the images do not show what drifted), or too few images to tell.

    Args:
        current: effect of the version that serves, on the images.
        target: effect of the version that would come back, on the same images and signal.
        on: what both saw, in words; the same images where it is not stated.
    """
    if current is None or target is None:
        why = why_unavailable or "nothing could be replayed"
        return Interlock(
            outcome=InterlockOutcome.UNAVAILABLE,
            text=f"no counterfactual: {why}",
        )
    where = on or f"the same {target.records} images"
    figures = (
        f"on {where} {target_name} drifts by {_figure(target)}, "
        f"{current_name} by {_figure(current)} (tolerance {target.tolerance:.2f})"
    )
    if current.value <= current.tolerance:
        return Interlock(
            outcome=InterlockOutcome.UNAVAILABLE,
            text=f"no counterfactual: these images do not show what drifted; {figures}",
        )
    if target.is_large or target.value >= current.value:
        return Interlock(
            outcome=InterlockOutcome.NO_BETTER, text=f"{target_name} is no better: {figures}"
        )
    if target.high < current.low:
        return Interlock(
            outcome=InterlockOutcome.BETTER, text=f"{target_name} is better: {figures}"
        )
    return Interlock(
        outcome=InterlockOutcome.UNAVAILABLE,
        text=f"no counterfactual: too little to tell; {figures}",
    )


def _figure(effect: Effect) -> str:
    return f"{effect.value:.2f} ({effect.low:.2f} to {effect.high:.2f})"
