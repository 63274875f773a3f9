"""One message instead of a flood: what a receiver gets where its minute has room for one more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from alerts.types import AlertKind, Incident, IncidentState, Link, Message, MessageEvent, Severity
from vigil.types import WHOLE, Cause

SHOWN = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class SummaryLine:
    """One incident of a summary, as it stands. ``told``: what the receiver would have been told."""

    incident: Incident
    told: tuple[str, ...]


def about_none(
    *, title: str, severity: Severity, at: datetime, model: str = "vigil", deployment: str = ""
) -> Incident:
    """What stands in a message that is about no incident: it has the number 0."""
    return Incident(
        id=0,
        group_key="",
        fingerprint="",
        kind=AlertKind.VIGIL_SELF,
        cause=Cause.UNKNOWN,
        severity=severity,
        model=model,
        model_version="",
        deployment=deployment,
        slice=WHOLE,
        title=title,
        detected_at=at,
        last_firing_at=at,
    )


def summary(
    lines: Sequence[SummaryLine],
    *,
    key: str,
    id: str,
    messages: int,
    per_minute: int | None,
    base_url: str,
    installation: str,
    now: datetime,
) -> Message:
    """The summary of ``messages`` that did not go one by one.

    Args:
        lines: the incidents they are about, worst first is not needed.
        key: the name under which the summary is known for its whole life.
        id: of this message.
    """
    ordered = sorted(lines, key=lambda line: (-line.incident.severity.rank, line.incident.id))
    firing = [line for line in ordered if line.incident.state.is_open]
    over = len(ordered) - len(firing)
    title = f"{_count(len(firing), 'more incident')} open" if firing else "No more is open"
    title += f", {over} over" if over else ""
    incident = about_none(title=title, severity=_worst(firing or ordered), at=now)
    root = base_url.rstrip("/")
    shown = ordered[:SHOWN]
    what = [_line(line) for line in shown]
    if len(ordered) > len(shown):
        what.append(f"{len(ordered) - len(shown)} more; see the list of incidents.")
    limit = f" The limit here is {per_minute} a minute." if per_minute else ""
    return Message(
        id=id,
        event=MessageEvent.TRIGGER,
        incident=incident,
        headline=title,
        what=tuple(what),
        where=", ".join(sorted({line.incident.model for line in ordered})[:5]),
        since=f"{min(line.incident.detected_at for line in ordered):%Y-%m-%d %H:%M} UTC",
        how_sure="Each incident tells.",
        done=(f"Put {_count(messages, 'message')} into this one.{limit}",),
        next="vigil tells you here when all of them are over.",
        todo="Open the list, worst first: one cause may be behind them all.",
        runbook_url=f"{root}/runbooks",
        incident_url=f"{root}/incidents",
        links=tuple(
            Link(
                text=f"Incident {line.incident.id}",
                href=f"{root}/incidents/{line.incident.id}",
            )
            for line in shown
        ),
        installation=installation,
        key=key,
        sent_at=now,
    )


def all_over(message: Message, *, id: str, now: datetime) -> Message:
    """What closes a summary once all its incidents are resolved."""
    values = {name: getattr(message, name) for name in Message.__dataclass_fields__}
    incident = about_none(
        title="All incidents of the summary are over", severity=message.incident.severity, at=now
    )
    return Message(
        **{
            **values,
            "id": id,
            "event": MessageEvent.RESOLVE,
            "incident": _resolved(incident, now),
            "headline": "Resolved: all incidents of the summary",
            "done": ("Watched all of them until they were over.",),
            "next": "vigil goes on watching.",
            "todo": "Nothing now.",
            "sent_at": now,
        }
    )


def _resolved(incident: Incident, now: datetime) -> Incident:
    values = {name: getattr(incident, name) for name in Incident.__dataclass_fields__}
    return Incident(**{**values, "state": IncidentState.RESOLVED, "resolved_at": now})


def _line(line: SummaryLine) -> str:
    incident = line.incident
    state = "" if incident.state.is_open else " (over)"
    return f"{incident.severity.value} · incident {incident.id}{state}: {incident.title}"


def _worst(lines: Sequence[SummaryLine]) -> Severity:
    return max((line.incident.severity for line in lines), key=lambda one: one.rank)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
