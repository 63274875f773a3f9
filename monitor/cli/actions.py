"""``vigil actions``."""

from __future__ import annotations

from typing import Annotated

import typer

from monitor.cli.context import DEFAULT_CONFIG, ConfigOption, JsonOption, actor, services_at
from monitor.cli.failures import FriendlyGroup
from monitor.cli.output import rows, say

app = typer.Typer(
    name="actions",
    cls=FriendlyGroup,
    help="What vigil did, refused, or waits to be allowed.",
    no_args_is_help=True,
)


@app.command("list")
def list_(
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many.")] = 20,
    config: ConfigOption = DEFAULT_CONFIG,
    json_wanted: JsonOption = False,
) -> None:
    """List the actions, newest first."""
    from monitor.cli import queries

    with services_at(config) as services, services.sessions() as session:
        found = queries.actions(session, limit=limit)
    if not json_wanted:
        found = [
            {name: value for name, value in row.items() if name not in ("decision", "result")}
            for row in found
        ]
    rows(found, empty="Nothing was done, and nothing was refused.", json_wanted=json_wanted)


@app.command()
def approve(
    number: Annotated[int, typer.Argument(help="The action's number.")],
    plan_hash: Annotated[str, typer.Argument(help="The hash of the plan that you read.")],
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Allow a waiting rollback, exactly as its plan stands."""
    from monitor.response import people

    with services_at(config) as services, services.sessions.begin() as session:
        people.approve(session, number, plan_hash=plan_hash, actor=actor(), at=services.clock.now())
    say(f"action {number}: approved")
