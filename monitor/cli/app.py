"""All commands under one name, each group in a file of its own."""

from __future__ import annotations

from importlib import metadata
from typing import Annotated

import typer

from monitor.cli import (
    actions,
    audit,
    backfill,
    baseline,
    canary,
    config,
    control,
    dashboards,
    db,
    deliveries,
    demo,
    detect,
    followups,
    forget,
    gate,
    incidents,
    labels,
    models,
    page,
    proxy,
    receivers,
    registry,
    release,
    report,
    retrain,
    route,
    runbooks,
    serve,
    sidecar,
    silences,
    starter,
    status,
    targets,
    token,
    versions,
    windows,
)
from monitor.cli.failures import FriendlyGroup

app = typer.Typer(
    cls=FriendlyGroup,
    help="Watches computer-vision models in production.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

for command in (
    serve.serve,
    proxy.proxy,
    sidecar.sidecar,
    demo.demo,
    detect.detect,
    gate.gate,
    starter.init,
    audit.audit,
    backfill.backfill,
    models.models,
    status.status,
    targets.targets,
    windows.windows,
    release.release,
    report.report,
    versions.versions,
    forget.forget,
):
    app.command()(command)

for group in (
    actions.app,
    baseline.app,
    canary.app,
    config.app,
    control.app,
    dashboards.app,
    db.app,
    deliveries.app,
    followups.app,
    incidents.app,
    labels.app,
    page.app,
    receivers.app,
    registry.app,
    retrain.app,
    route.app,
    runbooks.app,
    silences.app,
    token.app,
):
    app.add_typer(group)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"vigil {metadata.version('vigil-cv')}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Watches computer-vision models in production."""
