"""``vigil incidents``."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from monitor.cli.context import (
    DEFAULT_CONFIG,
    ConfigOption,
    JsonOption,
    ModelOption,
    actor,
    announcer_of,
    services_at,
)
from monitor.cli.failures import FriendlyGroup
from monitor.cli.output import as_json, moment, record, rows, say

app = typer.Typer(
    name="incidents",
    cls=FriendlyGroup,
    help="What went wrong, and what was done about it.",
    no_args_is_help=True,
)

Number = Annotated[int, typer.Argument(help="The incident's number.")]
_FIELDS = (
    "id", "state", "severity", "cause", "title", "model", "model_version", "deployment", "slice",
    "onset_at", "detected_at", "paged_at", "acknowledged_at", "mitigated_at", "recovered_at",
    "resolved_at", "disposition", "runbook",
)  # fmt: skip


@app.command("list")
def list_(
    state: Annotated[
        str | None,
        typer.Option("--state", help="open (all that are not resolved), or one state by name."),
    ] = None,
    model: ModelOption = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many.")] = 50,
    config: ConfigOption = DEFAULT_CONFIG,
    json_wanted: JsonOption = False,
) -> None:
    """List the incidents, newest first."""
    from monitor.cli import queries

    with services_at(config) as services, services.sessions() as session:
        found = queries.incidents(session, state=state, model=model, limit=limit)
    if not json_wanted:
        found = [{**one, "severity": _severity(one["severity"])} for one in found]
    rows(found, empty="No incident. All is well, or nothing is watched.", json_wanted=json_wanted)


@app.command()
def show(
    number: Number, config: ConfigOption = DEFAULT_CONFIG, json_wanted: JsonOption = False
) -> None:
    """Tell one incident's story: what, where, since when, what was done or refused and why."""
    from monitor.cli import queries

    with services_at(config) as services, services.sessions() as session:
        found = {
            **queries.incident(session, number),
            **queries.evidence_of(session, services.samples, number),
        }
    if json_wanted:
        as_json(found)
        return
    told = {name: found[name] for name in _FIELDS}
    record({**told, "severity": _severity(found["severity"])}, json_wanted=False)
    first, last = found["onset_first_at"], found["onset_last_at"]
    if found["onset_at"] and first and last:
        say(
            f"\nbegan {found['onset_at']:%H:%M:%S} UTC, between {first:%H:%M:%S} and "
            f"{last:%H:%M:%S}"
        )
    for reason in found["reasons"]:
        say(f"  because {_text(reason)}")
    for name in ("signals", "slices"):
        shares = found["shares"][name]
        if len(shares) > 1:
            say(f"\nevidence by {name}: {_shares(shares)}")
    for signal, records in found["exemplars"].items():
        say(f"\nrecords that show {signal} most:")
        for one in records:
            value = "" if one["value"] is None else f" {one['value']:.4g}"
            where = ", ".join(f"{key}={text}" for key, text in sorted(one["metadata"].items()))
            trace = f"  trace {one['trace_id']}" if one["trace_id"] else ""
            say(f"  {one['record_id']}{value}  {where}  {one['uri']}".rstrip() + trace)
    for action in found["actions"]:
        say(f"\naction {action['id']}: {action['kind']}, {action['state']}")
        for reason in action["decision"].get("reasons", ()):
            say(f"  {_text(reason)}")
    for delivery in found["deliveries"]:
        error = f" ({delivery['error']})" if delivery["error"] else ""
        say(f"{delivery['event']} to {delivery['receiver']}: {delivery['state']}{error}")
    say("")
    for entry in found["timeline"]:
        kind, actor, text = (entry[name] for name in ("kind", "actor", "text"))
        by = "" if actor == "vigil" or actor in text else f" (by {actor})"
        say(f"{moment(entry['at'])}  {kind.replace('_', ' ')}: {text}{by}")


@app.command()
def report(
    number: Number,
    out: Annotated[
        Path, typer.Option("--out", "-o", dir_okay=False, help="The HTML file to write.")
    ],
    limit_s: Annotated[
        float, typer.Option("--limit-s", min=1.0, help="Give up after so many seconds.")
    ] = 120.0,
    config: ConfigOption = DEFAULT_CONFIG,
    json_wanted: JsonOption = False,
) -> None:
    """Draw an incident's sampled records against the baseline's, with Evidently, as one page."""
    from monitor.reports.incident import report as drawn
    from monitor.reports.incident import save
    from vigil.errors import NotFoundError

    if not out.parent.is_dir():
        raise NotFoundError(f"{out}: there is no folder {out.parent}")
    with services_at(config) as services:
        found = drawn(services, number, limit_s=limit_s)
    size = save(out, found.html)
    if json_wanted:
        as_json(
            {
                "path": str(out),
                "bytes": size,
                "records": found.current_records,
                "reference_records": found.reference_records,
                "numbers": [dataclasses.asdict(one) for one in found.comparisons],
            }
        )
        return
    say(f"{out}: {size / 1e6:.1f} MB")
    say(
        f"{found.current_records:,} sampled records against {found.reference_records:,} of the "
        f"baseline. {found.agreement}"
    )


@app.command()
def export(
    number: Number,
    form: Annotated[
        Literal["md", "html"], typer.Option("--format", help="Markdown with plots, or one page.")
    ] = "md",
    out: Annotated[
        Path, typer.Option("--out", "-o", file_okay=False, help="The folder to write into.")
    ] = Path(),
    config: ConfigOption = DEFAULT_CONFIG,
    json_wanted: JsonOption = False,
) -> None:
    """Write an incident's post-mortem: times, impact, what changed, what was done, what follows."""
    from monitor.postmortem.export import write
    from monitor.postmortem.gather import postmortem

    with services_at(config) as services, services.sessions() as session:
        found = postmortem(session, services, number, now=services.clock.now())
    written = [str(path) for path in write(found, form, out)]
    if json_wanted:
        as_json({"files": written})
    else:
        for path in written:
            say(path)


def _severity(word: str) -> str:
    """People call the severity that wakes nobody a ticket; JSON keeps the stored word."""
    from alerts.types import Severity

    return "ticket" if word == Severity.INFO.value else word


def _shares(shares: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {100 * share:.0f} %" for name, share in shares.items())


def _text(reason: Any) -> str:
    """A decision's reason that speaks for the action is marked as such."""
    if not isinstance(reason, dict):
        return str(reason)
    favour = "in favour: " if reason.get("outcome") == "allow" else ""
    return f"{favour}{reason.get('text', reason)}"


@app.command()
def ack(number: Number, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Take an incident: the paging stops."""
    from monitor.response import people

    with services_at(config) as services, services.sessions.begin() as session:
        people.acknowledge(
            session,
            number,
            actor=actor(),
            at=services.clock.now(),
            announcer=announcer_of(services.settings),
        )
    say(f"incident {number}: acknowledged")


@app.command()
def resolve(
    number: Number,
    note: Annotated[str, typer.Option("--note", help="What was found, for the timeline.")] = "",
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Close an incident."""
    from monitor.response import people

    with services_at(config) as services, services.sessions.begin() as session:
        people.resolve(
            session,
            number,
            actor=actor(),
            at=services.clock.now(),
            note=note,
            announcer=announcer_of(services.settings),
        )
    say(f"incident {number}: resolved")


@app.command()
def disposition(
    number: Number,
    value: Annotated[str, typer.Argument(help="true_alarm, false_alarm or expected.")],
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Say afterwards whether the alarm was right; vigil audits itself with it."""
    from monitor.response import people

    with services_at(config) as services, services.sessions.begin() as session:
        people.disposition(session, number, value, actor=actor(), at=services.clock.now())
    say(f"incident {number}: {value}")


@app.command()
def accept(
    number: Number,
    reason: Annotated[str, typer.Option("--reason", help="Why it is right and stays.")],
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Take what an incident found as the new normal: its streams learn it, and it is closed."""
    from monitor.response.accept import accept as accept_as_normal

    with services_at(config) as services, services.sessions.begin() as session:
        accept_as_normal(
            session,
            number,
            reason=reason,
            settings=services.settings,
            actor=actor(),
            at=services.clock.now(),
            announcer=announcer_of(services.settings),
        )
    say(f"incident {number}: accepted as the new normal")
