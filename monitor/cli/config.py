"""``vigil config``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

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

if TYPE_CHECKING:
    from monitor.settings.fields import SecretRef

app = typer.Typer(
    name="config", cls=FriendlyGroup, help="The configuration file.", no_args_is_help=True
)


@app.command()
def check(
    secrets: Annotated[
        bool, typer.Option("--secrets", help="Read every secret too (and show none).")
    ] = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Validate the file, what it refers to, and that every alert has a runbook."""
    settings = settings_at(config)
    runbooks_of(settings)
    if secrets:
        from monitor.settings.secrets import read_secret

        for key, ref in _secrets(settings, ""):
            read_secret(ref, key=key, file=str(config))
    say(
        f"{config}: good. {_many(len(settings.models), 'model')}, "
        f"{_many(len(settings.receivers), 'receiver')}, {_many(len(settings.routes), 'route')}; "
        f"at most {_many(settings.budget.false_pages, 'false page')} in "
        f"{_many(settings.budget.per_days, 'day')}"
    )


def _many(count: float, what: str) -> str:
    return f"{count:g} {what}{'' if count == 1 else 's'}"


def _secrets(section: Any, key: str) -> Iterator[tuple[str, SecretRef]]:
    """Every secret that the settings name, with its key."""
    from monitor.settings.fields import SecretRef, Section

    if isinstance(section, SecretRef):
        yield key, section
    elif isinstance(section, Section):
        for name in type(section).model_fields:
            yield from _secrets(getattr(section, name), f"{key}.{name}".lstrip("."))
    elif isinstance(section, dict):
        for name, inner in section.items():
            yield from _secrets(inner, f"{key}.{name}")
    elif isinstance(section, tuple):
        for place, inner in enumerate(section):
            yield from _secrets(inner, f"{key}[{place}]")


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
