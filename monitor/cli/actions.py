"""``vigil actions``."""

from __future__ import annotations

from pathlib import Path
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


Reason = Annotated[str, typer.Option("--reason", help="Why, for the audit.")]


def _switch(config: Path, *, stopped: bool, reason: str) -> None:
    from monitor.store import switches

    with services_at(config) as services, services.sessions.begin() as session:
        switches.set_switch(
            session,
            switches.ACTIONS_STOPPED,
            stopped,
            actor=actor(),
            at=services.clock.now(),
            reason=reason,
        )


@app.command()
def stop(reason: Reason = "", config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Stop all actions, fleet-wide; pages still go out."""
    _switch(config, stopped=True, reason=reason)
    say("actions: stopped, for every model. vigil actions resume lets them run again")


@app.command()
def resume(reason: Reason = "", config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Let actions run again."""
    _switch(config, stopped=False, reason=reason)
    say("actions: may run")
