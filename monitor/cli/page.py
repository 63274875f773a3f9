"""``vigil page``."""

from __future__ import annotations

import typer

from monitor.cli.failures import FriendlyGroup

app = typer.Typer(
    name="page", cls=FriendlyGroup, help="The way that pages take.", no_args_is_help=True
)
