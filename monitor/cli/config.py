"""``vigil config``."""

from __future__ import annotations

import typer

from monitor.cli.context import (
    DEFAULT_CONFIG,
    ConfigOption,
    JsonOption,
    runbooks_of,
    settings_at,
)
from monitor.cli.failures import FriendlyGroup
from monitor.cli.output import as_json, say

app = typer.Typer(
    name="config", cls=FriendlyGroup, help="The configuration file.", no_args_is_help=True
)


@app.command()
def check(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Validate the file, what it refers to, and that every alert has a runbook."""
    settings = settings_at(config)
    runbooks_of(settings)
    say(
        f"{config}: good. {len(settings.models)} models, {len(settings.receivers)} receivers, "
        f"{len(settings.routes)} routes; at most {settings.budget.false_pages:g} false pages in "
        f"{settings.budget.per_days:g} days"
    )


@app.command()
def show(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Print every setting with its value, defaults included; secrets are named, never shown."""
    as_json(settings_at(config).model_dump(mode="json"))


@app.command()
def reference(json_wanted: JsonOption = False) -> None:
    """Describe every setting: its key, type and default."""
    from monitor.cli.settings_page import configuration
    from monitor.settings.schema import Settings

    if json_wanted:
        as_json(Settings.model_json_schema())
    else:
        say(configuration())
