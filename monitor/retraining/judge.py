"""Did the labels help? The retrained version against what it replaced, where it went wrong.

The accuracy of the new version on the incident's slice since its release is held against that of
the versions before, since the onset: Newcombe's 95 % interval of the rise. It is looked at once,
when enough labels are there or the time is up, so that looking often can't make it true.

* **helped**: the rise is surely above zero, and the rest of the traffic is not surely worse.
* **did not help**: the rise is surely below ``least_gain``, or the rest is surely worse.
* **unproven**: neither, or too few labels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from detectors.quality.estimate import Estimate, Gain, gain

LEAST_LABELS = 20
"""A side with fewer labels proves nothing."""


class Verdict(StrEnum):
    HELPED = "helped"
    DID_NOT_HELP = "did_not_help"
    UNPROVEN = "unproven"


class Why(StrEnum):
    """The named reason of a verdict."""

    ROSE = "rose"
    TOO_LITTLE = "too_little"
    WORSE_ELSEWHERE = "worse_elsewhere"
    NOT_CLEAR = "not_clear"
    NO_LABELS_BEFORE = "no_labels_before"
    NO_LABELS_AFTER = "no_labels_after"


@dataclass(frozen=True, kw_only=True, slots=True)
class Compared:
    """Accuracy on the slice and on the rest, before the release and after; None without labels.

    ``others``: the same of further slices, by name; the verdict does not look at them.
    """

    slice: str
    version: str
    before: Estimate | None
    after: Estimate | None
    rest_before: Estimate | None = None
    rest_after: Estimate | None = None
    others: Mapping[str, tuple[Estimate | None, Estimate | None]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Judgement:
    verdict: Verdict
    why: Why
    text: str
    rise: Gain | None = None
    elsewhere: Gain | None = None


def judge(found: Compared, *, least_gain: float) -> Judgement:
    """Hold the new version against the old.

    Args:
        least_gain: a rise that is surely less is no help.
    """
    where = f"on {found.slice}"
    before, after = _enough(found.before), _enough(found.after)
    if before is None:
        text = f"unproven: too few labels {where} before {found.version} (at least {LEAST_LABELS})"
        return Judgement(verdict=Verdict.UNPROVEN, why=Why.NO_LABELS_BEFORE, text=text)
    if after is None:
        text = f"unproven: too few labels of {found.version} {where} (at least {LEAST_LABELS})"
        return Judgement(verdict=Verdict.UNPROVEN, why=Why.NO_LABELS_AFTER, text=text)
    rise, elsewhere = gain(after, before), _rest(found)
    told = (
        f"accuracy {where} {_percent(before)} before, {_percent(after)} with {found.version}: "
        f"{_points(rise)}"
    )
    if rise.high < least_gain:
        text = f"did not help: {told}"
        return _judged(Verdict.DID_NOT_HELP, Why.TOO_LITTLE, text, rise, elsewhere)
    if rise.low <= 0.0:
        return _judged(Verdict.UNPROVEN, Why.NOT_CLEAR, f"unproven: {told}", rise, elsewhere)
    if elsewhere is not None and elsewhere.high < 0.0:
        text = f"did not help: {told}; but elsewhere it is worse, {_points(elsewhere)}"
        return _judged(Verdict.DID_NOT_HELP, Why.WORSE_ELSEWHERE, text, rise, elsewhere)
    return _judged(Verdict.HELPED, Why.ROSE, f"helped: {told}", rise, elsewhere)


def _judged(verdict: Verdict, why: Why, text: str, rise: Gain, elsewhere: Gain | None) -> Judgement:
    return Judgement(verdict=verdict, why=why, text=text, rise=rise, elsewhere=elsewhere)


def _rest(found: Compared) -> Gain | None:
    before, after = _enough(found.rest_before), _enough(found.rest_after)
    return None if before is None or after is None else gain(after, before)


def _enough(one: Estimate | None) -> Estimate | None:
    return one if one is not None and one.records >= LEAST_LABELS else None


def _percent(one: Estimate) -> str:
    return f"{100 * one.value:.1f} % ({one.records} labels)"


def _points(rise: Gain) -> str:
    return f"{100 * rise.value:+.1f} points ({100 * rise.low:+.1f} to {100 * rise.high:+.1f})"
