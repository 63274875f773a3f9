"""``vigil dashboards``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from monitor.cli.context import DEFAULT_CONFIG, ConfigOption, settings_at
from monitor.cli.failures import FriendlyGroup
from monitor.cli.output import say
from vigil.errors import ConfigError

if TYPE_CHECKING:
    from monitor.settings.schema import Settings

app = typer.Typer(
    name="dashboards", cls=FriendlyGroup, help="Grafana's dashboards.", no_args_is_help=True
)


@app.command()
def push(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Put the overview into the Grafana of the configuration, or bring it up to date there."""
    from dashboards.grafana.push import push as send
    from monitor.settings.secrets import read_secret

    settings = settings_at(config)
    grafana = settings.grafana
    if grafana.token is None:
        raise ConfigError(
            str(config), "grafana.token", expected="where the token is", found="nothing"
        )
    pushed = send(
        _overview(settings),
        url=grafana.url,
        token=read_secret(grafana.token, key="grafana.token").reveal(),
        folder=grafana.folder,
    )
    say(f"{pushed.url}: version {pushed.version}")


@app.command()
def export(
    path: Annotated[Path, typer.Argument(help="Where to write the dashboard's JSON.")],
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Write the overview to a file, to be provisioned or imported by hand."""
    text = json.dumps(_overview(settings_at(config)), indent=2, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")
    say(f"{path}: written")


def _overview(settings: Settings) -> dict[str, Any]:
    """The dashboard with the configured data source chosen."""
    from dashboards.grafana.overview import stored

    found = stored()
    name = settings.grafana.datasource
    for variable in found["templating"]["list"]:
        if variable["type"] == "datasource":
            variable["current"] = {"text": name, "value": name}
    return found
