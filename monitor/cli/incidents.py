"""``vigil incidents``."""

from __future__ import annotations

from typing import Annotated, Any

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
    rows(found, empty="No incident. All is well, or nothing is watched.", json_wanted=json_wanted)


@app.command()
def show(
    number: Number, config: ConfigOption = DEFAULT_CONFIG, json_wanted: JsonOption = False
) -> None:
    """Tell one incident's story: what, where, since when, what was done or refused and why."""
    from monitor.cli import queries

    with services_at(config) as services, services.sessions() as session:
        found = queries.incident(session, number)
    if json_wanted:
        as_json(found)
        return
    record({name: found[name] for name in _FIELDS}, json_wanted=False)
    for reason in found["reasons"]:
        say(f"  because {_text(reason)}")
    for action in found["actions"]:
        say(f"\naction {action['id']}: {action['kind']}, {action['state']}")
        for reason in action["decision"].get("reasons", ()):
            say(f"  {_text(reason)}")
    for delivery in found["deliveries"]:
        error = f" ({delivery['error']})" if delivery["error"] else ""
        say(f"{delivery['event']} to {delivery['receiver']}: {delivery['state']}{error}")
    say("")
    for entry in found["timeline"]:
        say(f"{moment(entry['at'])}  {entry['text']}")


def _text(reason: Any) -> str:
    return str(reason.get("text", reason)) if isinstance(reason, dict) else str(reason)


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
