"""``vigil backfill``."""

from __future__ import annotations

from typing import Annotated

import typer

from monitor.cli.context import (
    DEFAULT_CONFIG,
    ConfigOption,
    DeploymentOption,
    JsonOption,
    OutputsOption,
    PluginsOption,
    services_at,
)
from monitor.cli.output import record
from vigil.errors import NotFoundError


def backfill(
    model: Annotated[str, typer.Option("--model", help="The model's name, as configured.")],
    version: Annotated[str, typer.Option("--version", help="The version that made the logs.")],
    origin: Annotated[
        str, typer.Option("--from", help="Logs with times, in the forms of `baseline build`.")
    ],
    deployment: DeploymentOption = "production",
    outputs_are: OutputsOption = "probabilities",
    source: Annotated[
        str, typer.Option("--source", help="Names the windows' source.")
    ] = "backfill",
    plugins: PluginsOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    json_wanted: JsonOption = False,
) -> None:
    """Declare logged traffic healthy: it becomes the history that new windows are judged by."""
    from rich.console import Console
    from rich.progress import Progress

    from monitor.backfill import backfill as run
    from monitor.baselines.load import load_batches
    from monitor.store import baselines

    with services_at(config) as services:
        watched = services.settings.model(model, deployment)
        if watched is None:
            raise NotFoundError(f"{model}/{deployment}: not declared under [[models]] in {config}")
        with services.sessions() as session:
            baseline = baselines.active(session, model, version)
        if baseline is None:
            raise NotFoundError(f"{model}@{version}: no baseline; its history has no measure")
        layout = baseline.ruler.layout
        with Progress(console=Console(stderr=True), transient=True) as progress:
            line = progress.add_task("history", total=None)
            report = run(
                services,
                watched,
                load_batches(
                    origin,
                    model=model,
                    version=version,
                    keys=watched.keys,
                    outputs_are=outputs_are,
                    task=layout.task,
                    signals=[one for one in layout.declared if one.per == "record"],
                    plugins=plugins or (),
                ),
                source=source,
                progress=lambda records: progress.update(line, completed=records),
            )
    record(
        {
            "windows": report.windows,
            "records": report.records,
            "labels": report.labels,
            "rejected": len(report.rejected),
            "streams": report.streams,
            "first": report.first,
            "last": report.last,
        },
        json_wanted=json_wanted,
    )
