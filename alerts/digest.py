"""The daily digest: one quiet message about what did not page. Pure.

Streams whose evidence rose without reaching a page are named by e-BH (Wang and Ramdas, False
discovery rate control with e-values, 2022), so that of those named at most a share is chance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from alerts.summary import about_none
from alerts.types import Incident, Link, Message, MessageEvent, Severity
from alerts.wording import percent, signal_name, slice_name
from vigil.types import Slice

SHOWN = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class RestlessStream:
    """A stream whose day spoke of a change. ``evidence``: its share of the fleet's evidence since
    the day began, in ticks; a page needs ``threshold``."""

    model: str
    deployment: str
    slice: Slice
    signal: str
    evidence: float
    threshold: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Abstaining:
    """Streams of a model that can find nothing yet."""

    model: str
    deployment: str
    streams: int
    of: int


@dataclass(frozen=True, kw_only=True, slots=True)
class DigestFacts:
    """What happened from ``since`` to ``until``. ``unpaged``: incidents that nobody was told of,
    each with the reason; ``silences``: what is odd about silences, in words; ``summarised`` and
    ``dead`` count messages."""

    since: datetime
    until: datetime
    tickets: Sequence[Incident] = ()
    unpaged: Sequence[tuple[Incident, str]] = ()
    restless: Sequence[RestlessStream] = ()
    false_discoveries: float = 0.1
    silences: Sequence[str] = ()
    abstaining: Sequence[Abstaining] = ()
    paged: int = 0
    summarised: int = 0
    dead: int = 0


def due_at(now: datetime, *, at: str, time_zone: str) -> datetime:
    """The latest moment, not after ``now``, at which a digest is due by the clocks of its zone.

    An hour that the clocks skip is taken as if they did not.
    """
    zone = ZoneInfo(time_zone)
    today = now.astimezone(zone).date()
    for back in range(3):
        local = datetime.combine(today - timedelta(days=back), time.fromisoformat(at), tzinfo=zone)
        moment = local.astimezone(now.tzinfo)
        if moment <= now:
            return moment
    raise ValueError(f"no {at} in {time_zone} before {now}")


def discoveries(evidence: Mapping[str, float], *, ticks: float, share: float) -> list[str]:
    """Which streams to name, strongest first: weighted e-BH.

    ``evidence[i] / ticks`` are e-values times weights that sum to at most 1 over all streams (the
    evidence of a stream grows by its share of the fleet's budget in each tick), so the k strongest
    are named for the largest k with ``evidence_(k) >= ticks / (k share)``. Then the expected share
    of chance findings among those named is at most ``share``, whatever the dependence.
    """
    ordered = sorted(evidence.items(), key=lambda item: -item[1])
    named = 0
    for k, (_, value) in enumerate(ordered, start=1):
        if value >= ticks / (k * share):
            named = k
    return [name for name, _ in ordered[:named]]


def digest(
    facts: DigestFacts, *, id: str, base_url: str, installation: str, time_zone: str
) -> Message:
    """The message. It goes out on a quiet day too: silence must not be taken for health."""
    parts = [
        *_incidents("Ticket", [(one, "") for one in facts.tickets]),
        *_incidents("Not paged", facts.unpaged),
        *_restless(facts),
        *(f"Silence: {text}." for text in facts.silences),
        *_watching(facts),
    ]
    day = facts.until.astimezone(ZoneInfo(time_zone))
    quiet = not parts
    title = f"Digest of {day:%Y-%m-%d}: " + ("nothing but what paged" if quiet else _counts(facts))
    root = base_url.rstrip("/")
    return Message(
        id=id,
        event=MessageEvent.TRIGGER,
        incident=about_none(title=title, severity=Severity.INFO, at=facts.until),
        headline=title,
        what=tuple(parts) or ("Nothing happened that you were not told of.",),
        where="everything vigil watches",
        since=f"{facts.since:%Y-%m-%d %H:%M} to {facts.until:%Y-%m-%d %H:%M} UTC",
        how_sure=f"Of streams named here at most {percent(facts.false_discoveries)} are chance, "
        "on average.",
        done=(f"Paged {facts.paged} incident{'' if facts.paged == 1 else 's'} in this time.",),
        next="vigil sends the next digest in a day.",
        todo="Nothing now."
        if quiet
        else "Look through it when you have time; none of it is urgent.",
        runbook_url=f"{root}/runbooks",
        incident_url=f"{root}/incidents?state=all",
        links=tuple(
            Link(text=f"Incident {one.id}", href=f"{root}/incidents/{one.id}")
            for one in [*facts.tickets, *(one for one, _ in facts.unpaged)][:SHOWN]
        ),
        installation=installation,
        key=id,
        sent_at=facts.until,
    )


def _counts(facts: DigestFacts) -> str:
    counted = (
        (len(facts.tickets), "ticket", "tickets"),
        (len(facts.unpaged), "incident not paged", "incidents not paged"),
        (len(facts.restless), "restless stream", "restless streams"),
        (len(facts.silences), "silence to look at", "silences to look at"),
        (facts.dead, "message given up", "messages given up"),
    )
    told = [f"{count} {one if count == 1 else many}" for count, one, many in counted if count]
    return ", ".join(told) or "what vigil can't judge"


def _incidents(word: str, found: Sequence[tuple[Incident, str]]) -> list[str]:
    lines = []
    for incident, why in found[:SHOWN]:
        state = "open" if incident.state.is_open else "over"
        because = f" ({why})" if why else ""
        lines.append(f"{word}: incident {incident.id}, {state}: {incident.title}{because}")
    if len(found) > SHOWN:
        lines.append(f"{word}: {len(found) - SHOWN} more")
    return lines


def _restless(facts: DigestFacts) -> list[str]:
    lines = [
        f"Restless: {signal_name(one.signal)} on {slice_name(one.slice)} of {one.model} in "
        f"{one.deployment}, at {percent(one.evidence / one.threshold)} of what pages"
        for one in facts.restless[:SHOWN]
    ]
    if len(facts.restless) > SHOWN:
        lines.append(f"Restless: {len(facts.restless) - SHOWN} more streams")
    return lines


def _watching(facts: DigestFacts) -> list[str]:
    lines = [
        f"Not judged yet: {one.streams} of {one.of} streams of {one.model} in {one.deployment} "
        "have too little history"
        for one in facts.abstaining
    ]
    if facts.summarised:
        lines.append(f"Messages: {facts.summarised} went in summaries, for the limit of a receiver")
    if facts.dead:
        lines.append(f"Messages: {facts.dead} given up; see the page of deliveries")
    return lines
