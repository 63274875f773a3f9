"""``vigil labels``."""

from __future__ import annotations

import typer

from monitor.cli.failures import FriendlyGroup
from monitor.cli.labels_quality import quality
from monitor.cli.labels_queue import pull, queue, withdraw

app = typer.Typer(
    name="labels",
    cls=FriendlyGroup,
    help="Images for people to label, and what their labels say.",
    no_args_is_help=True,
)
for command in (quality, queue, pull, withdraw):
    app.command()(command)


@app.callback()
def labels() -> None:
    """Images for people to label, and what their labels say."""
