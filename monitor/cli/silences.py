"""``vigil silences``."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from monitor.cli.context import DEFAULT_CONFIG, ConfigOption, JsonOption, actor, services_at
from monitor.cli.failures import FriendlyGroup
from monitor.cli.output import as_json, rows, say

if TYPE_CHECKING:
    from alerts.silences.silence import Silence
    from alerts.types import Incident
    from monitor.response.silence_preview import Preview

app = typer.Typer(
    name="silences",
    cls=FriendlyGroup,
    help="What nobody is told of for a while: silences, maintenance windows, release freezes.",
    no_args_is_help=True,
)

Matchers = Annotated[
    list[str],
    typer.Argument(help="""Such as camera=c3, cause!=no_data or 'model=~"gate|lane-.*"'."""),
]
Kind = Annotated[str, typer.Option("--kind", help="silence, maintenance or freeze.")]
Lasts = Annotated[str, typer.Option("--for", help="How long: 45m, 2h, 1d12h; each time.")]
Until = Annotated[str, typer.Option("--until", help="Until when, such as 2026-11-21 09:00.")]
Start = Annotated[str, typer.Option("--from", help="Since when; now, where not given.")]
Every = Annotated[str, typer.Option("--every", help="An RRULE, such as FREQ=WEEKLY;BYDAY=SA.")]
Zone = Annotated[str, typer.Option("--time-zone", help="Whose clocks, such as Europe/Berlin.")]
Comment = Annotated[str, typer.Option("--comment", "-m", help="Why, for whoever finds it.")]
Name = Annotated[str, typer.Argument(help="The silence: S-12, or 12.")]


@app.command()
def add(
    matchers: Matchers,
    comment: Comment,
    kind: Kind = "silence",
    lasts: Lasts = "",
    until: Until = "",
    start: Start = "",
    every: Every = "",
    time_zone: Zone = "UTC",
    config: ConfigOption = DEFAULT_CONFIG,
    json_wanted: JsonOption = False,
) -> None:
    """Hold back what all matchers hold for, and say what that is."""
    from alerts.silences.words import when_text
    from monitor.response import silences
    from monitor.response.silence_preview import preview

    with services_at(config) as services, services.sessions.begin() as session:
        now = services.clock.now()
        draft = _draft(matchers, comment, kind, lasts, until, start, every, time_zone, now)
        found = preview(session, draft, now)
        made = silences.create(session, draft)
    if json_wanted:
        as_json(_line(made, now))
        return
    _tell(found, made)
    say(f"{made.name}: {when_text(made, now)}. vigil silences end {made.name} ends it")


@app.command(name="preview")
def preview_(
    matchers: Matchers,
    kind: Kind = "silence",
    config: ConfigOption = DEFAULT_CONFIG,
    json_wanted: JsonOption = False,
) -> None:
    """Show what a silence would hold back, without making it."""
    from monitor.response.silence_preview import preview

    with services_at(config) as services, services.sessions() as session:
        now = services.clock.now()
        draft = _draft(matchers, "a preview", kind, "1h", "", "", "", "UTC", now)
        found = preview(session, draft, now)
    if json_wanted:
        as_json({"open": [_incident(one) for one in found.now],
                 "week": [_incident(one) for one in found.week]})  # fmt: skip
        return
    _tell(found, draft)


@app.command("list")
def list_(
    state: Annotated[str, typer.Option("--state", help="active, pending, expired or all.")] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many.")] = 50,
    config: ConfigOption = DEFAULT_CONFIG,
    json_wanted: JsonOption = False,
) -> None:
    """List the silences that are not over, or those of one state, newest first."""
    from alerts.silences.errors import SilenceError, shortened
    from alerts.silences.silence import LIVE, SilenceState
    from monitor.response import silences

    if state not in ("", "all", *SilenceState):
        raise SilenceError(
            f"state: expected {', '.join(SilenceState)} or all, found {shortened(state)!r}"
        )
    with services_at(config) as services, services.sessions() as session:
        now = services.clock.now()
        wanted = {"": LIVE, "all": tuple(SilenceState)}.get(state) or (SilenceState(state),)
        found = silences.listed(session, now, wanted, limit=limit)
    lines = [_line(each, now) for each in found]
    rows(lines, empty="Nothing is silenced.", json_wanted=json_wanted)


@app.command()
def end(name: Name, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """End one now. What it held back and is still open pages."""
    from monitor.response import silences

    with services_at(config) as services, services.sessions.begin() as session:
        over = silences.end(session, _number(name), actor=actor(), at=services.clock.now())
    say(f"{over.name}: ended")


@app.command()
def extend(
    name: Name,
    lasts: Annotated[str, typer.Option("--for", help="So long from its end: 45m, 2h.")] = "",
    until: Until = "",
    time_zone: Zone = "UTC",
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Let one end later: by so long, or at a time."""
    from alerts.silences.draft import later_end
    from alerts.silences.words import at_minute
    from monitor.response import silences

    with services_at(config) as services, services.sessions.begin() as session:
        now, number = services.clock.now(), _number(name)
        before = silences.get(session, number).ends_at
        ends_at = later_end(before, lasts=lasts, until=until, time_zone=time_zone)
        longer = silences.extend(session, number, ends_at, actor=actor(), at=now)
    say(f"{longer.name}: ends {at_minute(longer.ends_at)}")


@app.command()
def check(config: ConfigOption = DEFAULT_CONFIG, json_wanted: JsonOption = False) -> None:
    """Report silences that end too early or that nobody needs; exits with 1 where there are."""
    from monitor.response import silences

    with services_at(config) as services, services.sessions() as session:
        found = silences.to_look_at(session, services.clock.now())
    lines = [
        {
            "name": each.silence.name,
            "concern": each.concern.value,
            "what": each.text,
            "created_by": each.silence.created_by,
            "comment": each.silence.comment,
        }
        for each in found
    ]
    rows(lines, empty="No silence is forgotten.", json_wanted=json_wanted)
    if lines:
        raise typer.Exit(1)


def _draft(
    matchers: list[str],
    comment: str,
    kind: str,
    lasts: str,
    until: str,
    start: str,
    every: str,
    time_zone: str,
    now: datetime,
) -> Silence:
    from alerts.silences.draft import from_texts

    return from_texts(
        kind=kind,
        matchers=matchers,
        start=start,
        lasts=lasts,
        until=until,
        every=every,
        time_zone=time_zone,
        comment=comment,
        actor=actor(),
        now=now,
    )


def _number(name: str) -> int:
    from alerts.silences.errors import SilenceError, shortened

    digits = name.upper().removeprefix("S-")
    if not digits.isascii() or not digits.isdigit() or len(digits) > 18:
        raise SilenceError(f"expected a silence such as S-12, found {shortened(name)!r}")
    return int(digits)


def _line(silence: Silence, now: datetime) -> dict[str, Any]:
    from alerts.silences.words import matchers_text, recurrence_text

    return {
        "name": silence.name,
        "kind": silence.kind.value,
        "state": silence.state(now).value,
        "matchers": matchers_text(silence),
        "starts_at": silence.starts_at,
        "ends_at": silence.over_at,
        "recurs": recurrence_text(silence),
        "held_back": silence.matched,
        "created_by": silence.created_by,
        "comment": silence.comment,
    }


def _tell(found: Preview, silence: Silence) -> None:
    say(f"{found.text(silence.kind)}:" if found.now or found.week else found.text(silence.kind))
    _tell_some(found.now, "open")
    _tell_some(found.week, "over")


def _tell_some(incidents: Iterable[Incident], what: str) -> None:
    shown = list(incidents)
    for incident in shown[:10]:
        say(f"  #{incident.id} ({what}) {incident.title} [{incident.slice}]")
    if len(shown) > 10:
        say(f"  and {len(shown) - 10} more ({what})")


def _incident(incident: Incident) -> dict[str, Any]:
    return {
        "id": incident.id,
        "title": incident.title,
        "state": incident.state.value,
        "detected_at": incident.detected_at,
    }
