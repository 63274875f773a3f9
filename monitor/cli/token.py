"""``vigil token``."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from monitor.cli.context import DEFAULT_CONFIG, ConfigOption, JsonOption, actor, services_at
from monitor.cli.failures import FriendlyGroup
from monitor.cli.output import rows, say

app = typer.Typer(name="token", cls=FriendlyGroup, help="Who may do what.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="Whose token it is.")]


@app.command()
def create(
    name: Name,
    scope: Annotated[
        Literal["ingest", "viewer", "operator", "approver", "admin"],
        typer.Option("--scope", help="What it may do: ingest, viewer, operator, approver, admin."),
    ] = "ingest",
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Make a token and print it, once: only a hash of it is kept."""
    from monitor.store import tokens

    with services_at(config) as services, services.sessions.begin() as session:
        text = tokens.create(
            session, name=name, scope=scope, actor=actor(), at=services.clock.now()
        )
    say(text)


@app.command("list")
def list_(config: ConfigOption = DEFAULT_CONFIG, json_wanted: JsonOption = False) -> None:
    """List the tokens by name; the tokens themselves are not kept."""
    from monitor.cli import queries

    with services_at(config) as services, services.sessions() as session:
        found = queries.tokens(session)
    rows(found, empty="No token yet: vigil token create NAME --scope ...", json_wanted=json_wanted)


@app.command()
def revoke(name: Name, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """End a token, now."""
    from monitor.store import tokens

    with services_at(config) as services, services.sessions.begin() as session:
        tokens.revoke(session, name=name, actor=actor(), at=services.clock.now())
    say(f"token {name}: revoked")
