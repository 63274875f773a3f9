"""Findings, slices and times in words that a person reads at 3 a.m."""

from __future__ import annotations

import re
from datetime import datetime

from alerts.types import Finding
from vigil.catalogue import base_of, is_per_box, signal_of
from vigil.types import Effect, SignalForm, Slice

_NAMES = {
    "latency_s": "latency",
    "embedding": "embeddings",
    "embedding_whitened": "embeddings (whitened)",
    "embedding_distance": "distance to the training images",
    "predicted_class": "mix of predicted classes",
    "lost_class": "a class that is predicted less",
    "clipping": "share of black or white pixels",
    "calibration": "calibration error",
}
_FAMILIES = (
    (re.compile("area_share_(.+)"), "area of class {}"),
    (re.compile("stage_(.+)_s"), "time of the stage {}"),
    (re.compile("embedding_distance_(.+)"), "distance of the embedding {} to the training data"),
)
_STEPS = (
    ("year", 365.25 * 86400.0),
    ("day", 86400.0),
    ("h", 3600.0),
    ("min", 60.0),
    ("s", 1.0),
)


def signal_name(signal: str) -> str:
    base = base_of(signal)
    if base != signal:
        return f"spread of {signal_name(base)}"
    if signal in _NAMES:
        return _NAMES[signal]
    for pattern, words in _FAMILIES:
        found = pattern.fullmatch(signal)
        if found is not None:
            return words.format(found[1].replace("_", " "))
    return signal.replace("_", " ")


def slice_name(slice: Slice) -> str:
    """``camera=north-2`` as "camera north-2"."""
    return ", ".join(f"{key} {value}" for key, value in slice.pairs) or "all traffic"


def duration(seconds: float) -> str:
    """At most two units, the second only where the first is small: "1 min 30 s", "17 years"."""
    left = max(0.0, seconds)
    if left < 10:
        return f"{left:.1f} s".replace(".0 s", " s")
    for place, (unit, size) in enumerate(_STEPS):
        count = int(left // size) if unit != "s" else round(left)
        if count < 1:
            continue
        first = _counted(count, unit)
        if count >= 10 or place == len(_STEPS) - 1:
            return first
        smaller, smaller_size = _STEPS[place + 1]
        rest = int((left - count * size) // smaller_size)
        return f"{first} {_counted(rest, smaller)}" if rest else first
    return "0 s"


def _counted(count: int, unit: str) -> str:
    plural = "s" if count != 1 and unit in ("year", "day") else ""
    return f"{count:,} {unit}{plural}".replace(",", " ")


def clock_time(moment: datetime, *, beside: datetime | None = None) -> str:
    """The time of day in UTC; with its date where that differs from ``beside``'s."""
    text = f"{moment:%H:%M:%S} UTC"
    if beside is None or moment.date() != beside.date():
        text = f"{moment:%Y-%m-%d} {text}"
    return text


def number(value: float) -> str:
    """Three digits that matter, without an exponent where it can be helped."""
    if value == 0:
        return "0"
    if abs(value) >= 1000:
        return f"{value:,.0f}".replace(",", " ")
    return f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.2g}"


def percent(share: float) -> str:
    return f"{100 * share:.0f}%"


def finding_words(finding: Finding, *, beside: Slice | None = None) -> str:
    """One finding as a clause: what moved, from where to where, how surely.

    Args:
        finding: what drifted.
        beside: the slice of the incident; the finding's own is named only where it differs.
    """
    where = f" on {slice_name(finding.slice)}" if finding.slice != (beside or Slice()) else ""
    if finding.effect is None:
        text = finding.reason or f"{signal_name(finding.signal)} is out of bounds"
        return text + where
    moved = _moved(finding)
    return f"{moved}{where} ({_extent(finding, finding.effect)})"


def short_finding(finding: Finding) -> str:
    """The same for a headline: no interval, no slice."""
    return finding.reason if finding.effect is None and finding.reason else _moved(finding)


def _moved(finding: Finding) -> str:
    name = signal_name(finding.signal)
    effect, signal = finding.effect, signal_of(finding.signal)
    if effect is not None and finding.novel:
        verb = "are" if name == "embeddings" else "is"
        return f"{name} {verb} unlike anything in the baseline"
    if effect is not None and finding.signal == "latency_s":
        return f"p99 latency is {_seconds(effect.value)} over its objective"
    if effect is not None and finding.signal == "lost_class":
        return f"{percent(effect.value)} {effect.unit} is gone"
    if effect is not None and finding.signal == "accuracy":
        return f"accuracy fell by {_points(effect.value)}"
    if effect is not None and finding.signal == "calibration":
        return f"calibration error grew by {_points(effect.value)}"
    if finding.before is not None and finding.now is not None and signal is not None:
        before, now = number(finding.before), number(finding.now)
        if signal.form in (SignalForm.SCALAR, SignalForm.SPREAD) and before != now:
            verb = "rose" if finding.now > finding.before else "fell"
            return f"{name} {verb} from {before} to {now}"
    return f"{name} {'moved' if name == 'embeddings' else 'changed'}"


def _extent(finding: Finding, effect: Effect) -> str:
    """The interval and what is tolerated, in the unit that means something to people.

    A KS or total variation distance of d says that at least a share d of the images differs from
    the baseline, since it is a lower bound of the mass that must move.
    """
    if finding.signal == "latency_s":
        return f"{_seconds(effect.low)} to {_seconds(effect.high)}"
    if finding.signal in ("accuracy", "calibration"):
        tolerated = _points(effect.tolerance)
        return f"{100 * effect.low:.0f} to {100 * effect.high:.0f}, tolerated {tolerated}"
    if finding.signal == "lost_class":
        low, high = percent(max(0.0, effect.low)), percent(min(1.0, effect.high))
        return f"{low.removesuffix('%')} to {high}, tolerated {percent(effect.tolerance)}"
    signal = signal_of(finding.signal)
    if signal is not None and signal.form is SignalForm.VECTOR and not finding.novel:
        return f"by {effect.value:.2f} MMD, tolerated {effect.tolerance:.2f}"
    low, high = percent(max(0.0, effect.low)), percent(min(1.0, effect.high))
    things = "boxes" if is_per_box(finding.signal) else "images"
    return (
        f"{percent(effect.value)} of {things} affected, {low.removesuffix('%')} to {high}; "
        f"tolerated {percent(effect.tolerance)}"
    )


def _seconds(seconds: float) -> str:
    return f"{1000 * seconds:.0f} ms" if abs(seconds) < 1 else f"{seconds:.2f} s"


def _points(share: float) -> str:
    points = f"{100 * share:.0f}" if abs(share) >= 0.1 else f"{100 * share:.1f}".removesuffix(".0")
    return f"{points} point" if points == "1" else f"{points} points"
