"""``vigil followups``."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from monitor.cli.context import DEFAULT_CONFIG, ConfigOption, JsonOption, actor, services_at
from monitor.cli.failures import FriendlyGroup
from monitor.cli.output import rows, say

app = typer.Typer(
    name="followups",
    cls=FriendlyGroup,
    help="What is to be done so that an incident does not come back.",
    no_args_is_help=True,
)

Number = Annotated[int, typer.Argument(help="The corrective action's number, as in F-7.")]


@app.command()
def add(
    incident: Annotated[int, typer.Argument(help="The incident's number.")],
    text: Annotated[str, typer.Argument(help="What is to be done.")],
    owner: Annotated[str, typer.Option("--owner", help="Who does it.")] = "",
    due: Annotated[
        datetime | None,
        typer.Option("--due", formats=["%Y-%m-%d"], help="Until when, such as 2026-12-01 (UTC)."),
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Add a corrective action to an incident."""
    from monitor.response import followups

    due_at = due.replace(tzinfo=UTC) if due else None
    with services_at(config) as services, services.sessions.begin() as session:
        row = followups.add(
            session,
            incident,
            text,
            owner=owner,
            due_at=due_at,
            actor=actor(),
            at=services.clock.now(),
        )
        number = row.id
    say(f"F-{number}: to do after incident {incident}")


@app.command("list")
def list_(
    incident: Annotated[int | None, typer.Option("--incident", help="Only of this one.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Also what is done or dropped.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
    json_wanted: JsonOption = False,
) -> None:
    """List corrective actions, open and overdue ones first."""
    from monitor.response import followups

    with services_at(config) as services, services.sessions() as session:
        now = services.clock.now()
        found = [
            {
                "number": f"F-{row.id}",
                "incident": row.incident_id,
                "state": "overdue" if followups.is_overdue(row, now) else row.state,
                "owner": row.owner,
                "due": row.due_at and row.due_at.date(),
                "text": row.text,
            }
            for row in followups.listed(
                session, incident_id=incident, state=None if every else followups.OPEN
            )
        ]
    rows(found, empty="Nothing is left to do.", json_wanted=json_wanted)


@app.command()
def done(
    number: Number,
    note: Annotated[str, typer.Option("--note", help="What was done.")] = "",
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Say that a corrective action is done."""
    _close(config, number, "done", note)


@app.command()
def drop(
    number: Number,
    note: Annotated[str, typer.Option("--note", help="Why it is not done after all.")],
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Drop a corrective action, with the reason."""
    _close(config, number, "dropped", note)


def _close(config: Path, number: int, state: str, note: str) -> None:
    from monitor.response import followups

    with services_at(config) as services, services.sessions.begin() as session:
        followups.close(session, number, state, note=note, actor=actor(), at=services.clock.now())
    say(f"F-{number}: {state}")
