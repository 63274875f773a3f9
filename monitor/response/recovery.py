"""Whether an incident is over: the detector that raised it looks again, at what came after.

Recovered means that the *upper* bound of every finding's effect lies below its tolerance, as seen
at each of the last m ticks. Quality signals, whose labels come late, can only object: none of them
may be surely beyond its tolerance.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from alerts.types import Finding, Incident
from detectors.streams import StreamKey
from monitor.checks.recent import Family, RecentTicks, Seen
from vigil.types import Effect, SignalKind

MOST_FINDINGS = 12
TRAILING = (4, 8, 12, 16, 24, 32, 48)

Measure = Callable[[Sequence[Seen], Sequence[StreamKey]], Mapping[StreamKey, Effect]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Health:
    """What was seen since: ``recovered`` with the sentence that says why. ``looks``: the findings
    with their figures of today, as each of the last looks over the longest stretch saw them."""

    recovered: bool
    text: str
    looks: tuple[tuple[Finding, ...], ...] = ()


def after_action(
    incident: Incident,
    recent: RecentTicks,
    measure: Measure,
    *,
    version: str,
    since_tick: int,
    tick: int,
    windows: int,
) -> Health:
    """Look at everything that ``version`` did from ``since_tick`` on."""
    if tick - since_tick + 1 < windows:
        return Health(recovered=False, text="too early to tell")
    text = ""
    for last in range(tick, tick - windows, -1):
        health = _look(incident, recent, measure, since_tick, last, version)
        if not health.recovered:
            return health
        text = text or health.text
    return Health(recovered=True, text=f"{version}: {text}")


def no_better_since(
    incident: Incident,
    recent: RecentTicks,
    measure: Measure,
    *,
    version: str,
    since_tick: int,
    tick: int,
    windows: int,
) -> Health | None:
    """Whether what ``version`` did from ``since_tick`` on is surely as far off as what paged: at
    each of the last looks a whole interval lies beyond its tolerance. None where it is not."""
    first: Health | None = None
    for last in range(tick, tick - windows, -1):
        seen = _look(incident, recent, measure, since_tick, last, version)
        large = [
            finding
            for finding in (seen.looks[0] if seen.looks else ())
            if finding.effect is not None and finding.effect.is_large
        ]
        if not large:
            return None
        worst = max(large, key=lambda finding: finding.size)
        assert worst.effect is not None
        effect = worst.effect
        text = (
            f"{version}: {worst.signal} on {worst.slice} drifts by {effect.value:.2f}, at least "
            f"{effect.low:.2f} (tolerance {effect.tolerance:.2f}, {effect.records} records)"
        )
        first = first or replace(seen, text=text)
    return first


def rule_kept(
    incident: Incident,
    recent: RecentTicks,
    *,
    version: str,
    since_tick: int,
    executed: datetime,
    windows: int,
) -> Health:
    """Whether the plain rule that fired has been silent in all windows of ``version`` from
    ``since_tick`` on, ``windows`` of them at least."""
    if incident.last_firing_at > executed:
        return Health(recovered=False, text="the rule that fired still does")
    seen = recent.between((incident.model, incident.deployment), since_tick, version=version)
    if version not in seen or seen[version].windows < windows:
        return Health(recovered=False, text="too early to tell")
    return Health(
        recovered=True,
        text=f"{version}: the rule that fired is kept, in {seen[version].windows} windows",
    )


def by_itself(
    incident: Incident,
    recent: RecentTicks,
    measure: Measure,
    *,
    onset_tick: int,
    tick: int,
    windows: int,
) -> Health:
    """Look at the latest stretch, longer and longer, until its intervals are narrow enough."""
    health = Health(recovered=False, text="too early to tell")
    for length in TRAILING:
        first = tick - length + 1
        if first - windows <= onset_tick:
            break
        looks = [
            _look(incident, recent, measure, first - back, tick - back, None)
            for back in range(windows)
        ]
        if all(look.recovered for look in looks):
            return looks[0]
        worst = next(look for look in looks if not look.recovered)
        health = replace(worst, looks=tuple(look.looks[0] if look.looks else () for look in looks))
    return health


def tick_after(moment_s: float, window_s: float) -> int:
    """The first tick whose window starts at or after a moment."""
    return math.ceil(moment_s / window_s) + 1


def _look(
    incident: Incident,
    recent: RecentTicks,
    measure: Measure,
    first: int,
    last: int,
    version: str | None,
) -> Health:
    family: Family = (incident.model, incident.deployment)
    seen = list(recent.between(family, first, last, version=version).values())
    findings = _telling(incident)
    streams = {
        StreamKey(incident.model, incident.deployment, f.slice, f.signal): f for f in findings
    }
    if not seen or not streams:
        return Health(recovered=False, text="nothing was seen yet")
    found = measure(seen, list(streams))
    effects = {stream: held_to(found.get(stream), one) for stream, one in streams.items()}
    seen_now = tuple(
        replace(finding, effect=effects[stream], reason="") for stream, finding in streams.items()
    )

    def health(recovered: bool, text: str) -> Health:
        return Health(recovered=recovered, text=text, looks=(seen_now,))

    widest: tuple[Finding, Effect] | None = None
    for stream, finding in streams.items():
        effect = effects[stream]
        if finding.kind is SignalKind.QUALITY:
            if effect is not None and effect.is_large:
                return health(False, figure(finding, effect))
            continue
        if effect is None:
            return health(False, f"{finding.signal} on {finding.slice}: not seen")
        if not effect.is_small:
            return health(False, figure(finding, effect))
        if widest is None or effect.high / effect.tolerance > widest[1].high / widest[1].tolerance:
            widest = finding, effect
    if widest is None:
        return health(False, "nothing was seen yet")
    return health(True, figure(*widest))


def held_to(effect: Effect | None, finding: Finding) -> Effect | None:
    """With the tolerance that the finding exceeded: a guardrail's margin may be the smaller."""
    if effect is None or finding.effect is None or effect.unit != finding.effect.unit:
        return effect
    return replace(effect, tolerance=finding.effect.tolerance)


def _telling(incident: Incident) -> list[Finding]:
    """The findings of the incident's own slice; those around it only where it has none."""
    measured = [finding for finding in incident.findings if finding.effect is not None]
    own = [finding for finding in measured if finding.slice == incident.slice]
    has_more = any(finding.kind is not SignalKind.QUALITY for finding in own)
    return (own if has_more else measured)[:MOST_FINDINGS]


def figure(finding: Finding, effect: Effect) -> str:
    return (
        f"{finding.signal} on {finding.slice} drifts by {effect.value:.2f}, at most "
        f"{effect.high:.2f} (tolerance {effect.tolerance:.2f}, {effect.records} records)"
    )
