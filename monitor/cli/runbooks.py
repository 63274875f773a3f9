"""``vigil runbooks``."""

from __future__ import annotations

from typing import Annotated

import typer

from monitor.cli.context import (
    DEFAULT_CONFIG,
    ConfigOption,
    JsonOption,
    runbooks_of,
    settings_at,
)
from monitor.cli.failures import FriendlyGroup
from monitor.cli.output import rows, say

app = typer.Typer(
    name="runbooks", cls=FriendlyGroup, help="The pages that people follow.", no_args_is_help=True
)


@app.command("list")
def list_(config: ConfigOption = DEFAULT_CONFIG, json_wanted: JsonOption = False) -> None:
    """List the runbooks and the alerts that they serve."""
    found = [
        {"name": book.name, "title": book.title, "alerts": list(book.alerts), "owner": book.owner}
        for book in runbooks_of(settings_at(config))
    ]
    rows(found, empty="No runbook.", json_wanted=json_wanted)


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="The runbook's name.")],
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Print a runbook."""
    say(runbooks_of(settings_at(config)).get(name).fill({}))


@app.command()
def check(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Make sure that every kind of alert has a runbook."""
    say(f"{len(runbooks_of(settings_at(config)))} runbooks; every kind of alert has one")
