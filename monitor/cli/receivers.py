"""``vigil receivers``."""

from __future__ import annotations

import typer

from monitor.cli.context import DEFAULT_CONFIG, ConfigOption, JsonOption, settings_at
from monitor.cli.failures import FriendlyGroup
from monitor.cli.output import rows
from vigil.errors import ConfigError

app = typer.Typer(
    name="receivers", cls=FriendlyGroup, help="Who can be told.", no_args_is_help=True
)

_WORDS = {
    "keyed": "keyed: repeats are one",
    "reconciled": "reconciled: looked for before a repeat",
    "may_repeat": "may repeat, under the same id",
}


@app.callback()
def root() -> None:
    """Who can be told."""


@app.command("list")
def list_receivers(config: ConfigOption = DEFAULT_CONFIG, json_wanted: JsonOption = False) -> None:
    """Show each receiver: its kind, what keeps a message from arriving twice, its rate, who is told
    in its place, and whether its secrets can be read."""
    from monitor.receivers import guarantee_of, open_receiver

    found = []
    for name, section in settings_at(config).receivers.items():
        try:
            open_receiver(name, section)
            ready = "yes"
        except ConfigError as error:
            ready = f"no: {error.key} expects {error.expected}"
        guarantee = guarantee_of(section).value
        found.append(
            {
                "receiver": name,
                "kind": section.kind,
                "guarantee": guarantee if json_wanted else _WORDS[guarantee],
                "per_minute": section.per_minute,
                "fallback": section.fallback or "",
                "ready": ready,
            }
        )
    rows(found, empty="No receiver: declare one under [receivers.NAME].", json_wanted=json_wanted)
