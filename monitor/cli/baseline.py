"""``vigil baseline``."""

from __future__ import annotations

from typing import Annotated

import typer

from monitor.cli.context import (
    DEFAULT_CONFIG,
    ConfigOption,
    DeploymentOption,
    JsonOption,
    ModelOption,
    OutputsOption,
    PluginsOption,
    TaskOption,
    actor,
    services_at,
)
from monitor.cli.failures import FriendlyGroup
from monitor.cli.output import record, rows, say

app = typer.Typer(
    name="baseline",
    cls=FriendlyGroup,
    help="The frozen reference of each model version.",
    no_args_is_help=True,
)


@app.command()
def build(
    model: Annotated[str, typer.Option("--model", help="The model's name, as configured.")],
    version: Annotated[str, typer.Option("--version", help="The version that it describes.")],
    origin: Annotated[
        str,
        typer.Option(
            "--from",
            help="A folder, a .npz or .parquet file, or module:callable that yields batches.",
        ),
    ],
    deployment: DeploymentOption = "production",
    outputs_are: OutputsOption = "probabilities",
    task: TaskOption = "classification",
    signals: Annotated[
        list[str] | None,
        typer.Option(
            "--signal", help="Count this signal too, such as batch_size or stage_decode_s."
        ),
    ] = None,
    plugins: PluginsOption = None,
    reason: Annotated[str, typer.Option("--reason", help="Why this is the reference.")] = "",
    seed: Annotated[int, typer.Option("--seed", help="Seeds the random projection.")] = 0,
    keep_active: Annotated[
        bool, typer.Option("--keep-active", help="Store it, but let the present one judge on.")
    ] = False,
    config: ConfigOption = DEFAULT_CONFIG,
    json_wanted: JsonOption = False,
) -> None:
    """Build a baseline from data that is known to be good, and let it judge the version."""
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from detectors.fit import fit_baseline
    from monitor.baselines.load import load_batches
    from monitor.store import baselines
    from vigil.errors import BaselineError, NotFoundError
    from vigil.measuring.own_signals import load_plugins, resolved
    from vigil.types import ModelRef

    with services_at(config) as services:
        watched = services.settings.model(model, deployment)
        if watched is None:
            raise NotFoundError(f"{model}/{deployment}: not declared under [[models]] in {config}")
        try:
            load_plugins(plugins or ())
            own = resolved(signals or ())
        except ValueError as error:
            raise BaselineError(str(error)) from None
        progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            TextColumn("{task.completed:,.0f} records"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        with progress:
            line = progress.add_task(f"baseline of {model} {version}", total=None)
            built = fit_baseline(
                model=ModelRef(name=model, version=version, deployment=deployment),
                batches=load_batches(
                    origin,
                    model=model,
                    version=version,
                    keys=watched.keys,
                    outputs_are=outputs_are,
                    thumbnails=watched.pixels != "none",
                    task=task,
                    signals=own,
                    plugins=plugins or (),
                ),
                keys=watched.keys,
                signals=own,
                dataset=origin,
                created_at=services.clock.now(),
                class_names=watched.class_names,
                seed=seed,
                author=actor(),
                reason=reason,
                progress=lambda records: progress.update(line, completed=records),
            )
        with services.sessions.begin() as session:
            row = baselines.add(session, built, activate=not keep_active)
            state = row.state
    record(
        {
            "sha256": built.sha256,
            "model": model,
            "version": version,
            "records": built.records,
            "labels": 0 if built.outcomes is None else built.outcomes.total_labels,
            "cells": len(built.reference.cells),
            "state": state,
        },
        json_wanted=json_wanted,
    )


@app.command("list")
def list_(
    model: ModelOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    json_wanted: JsonOption = False,
) -> None:
    """List the baselines, newest first."""
    from monitor.store import baselines

    with services_at(config) as services, services.sessions() as session:
        found = [
            {
                "sha256": row.sha256 if json_wanted else row.sha256[:12],
                "model": row.model,
                "version": row.version,
                "state": row.state,
                "records": row.records,
                "created": row.created_at,
                "dataset": row.dataset,
                "author": row.author,
                "reason": row.reason,
            }
            for row in baselines.rows(session, model)
        ]
    rows(
        found,
        empty="No baseline yet: vigil baseline build --model NAME --version V --from ...",
        json_wanted=json_wanted,
    )


Hash = Annotated[str, typer.Argument(help="The start of its content hash (vigil baseline list).")]


@app.command()
def show(
    sha256: Hash, config: ConfigOption = DEFAULT_CONFIG, json_wanted: JsonOption = False
) -> None:
    """Describe one baseline."""
    from monitor.store import baselines

    with services_at(config) as services, services.sessions() as session:
        found = baselines.by_sha256(session, sha256)
    layout = found.ruler.layout
    record(
        {
            "sha256": found.sha256,
            "model": str(found.model),
            "dataset": found.dataset,
            "created": found.created_at,
            "author": found.author,
            "reason": found.reason,
            "records": found.records,
            "labels": 0 if found.outcomes is None else found.outcomes.total_labels,
            "keys": list(layout.keys),
            "cells": len(found.reference.cells),
            "bins": layout.bins,
            "classes": layout.classes,
            "embedding": 0 if found.ruler.projection is None else found.ruler.projection.dimension,
            "ruler": found.ruler.id,
        },
        json_wanted=json_wanted,
    )


@app.command()
def compare(
    left: Hash, right: Hash, config: ConfigOption = DEFAULT_CONFIG, json_wanted: JsonOption = False
) -> None:
    """Say how far two baselines lie apart, signal by signal."""
    from monitor.baselines.compare import compare as distances
    from monitor.store import baselines

    with services_at(config) as services, services.sessions() as session:
        pair = baselines.by_sha256(session, left), baselines.by_sha256(session, right)
    found = [
        {
            "signal": one.signal,
            "measure": one.measure,
            "value": one.value,
            "tolerance": one.tolerance,
            "beyond": one.beyond,
        }
        for one in distances(*pair)
    ]
    if not found:
        say("They have no signal in common.")
        return
    rows(found, empty="", json_wanted=json_wanted)
