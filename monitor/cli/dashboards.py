"""``vigil dashboards``."""

from __future__ import annotations

import typer

from monitor.cli.failures import FriendlyGroup

app = typer.Typer(
    name="dashboards", cls=FriendlyGroup, help="Grafana's dashboards.", no_args_is_help=True
)
