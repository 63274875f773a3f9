"""``vigil registry``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from monitor.cli.context import (
    DEFAULT_CONFIG,
    ConfigOption,
    DeploymentOption,
    JsonOption,
    actor,
    settings_at,
)
from monitor.cli.failures import FriendlyGroup
from monitor.cli.output import rows, say
from vigil.errors import ConfigError, NotFoundError

app = typer.Typer(
    name="registry",
    cls=FriendlyGroup,
    help="The local registry: which version of a model serves.",
    no_args_is_help=True,
)
Model = Annotated[str, typer.Argument(help="The model's name.")]


def _path(config: Path, model: str, deployment: str) -> Path:
    watched = settings_at(config).model(model, deployment)
    if watched is None:
        raise NotFoundError(f"{model}/{deployment}: not declared under [[models]] in {config}")
    if watched.rollback.target != "registry" or watched.rollback.registry is None:
        raise ConfigError(
            str(config),
            f"models.{model}.rollback.target",
            expected='"registry", with the registry\'s file',
            found=repr(watched.rollback.target),
        )
    return watched.rollback.registry


@app.command()
def show(
    model: Model,
    deployment: DeploymentOption = "production",
    config: ConfigOption = DEFAULT_CONFIG,
    json_wanted: JsonOption = False,
) -> None:
    """List what served, the version that serves now first."""
    from alerts.actions.targets.registry import LocalRegistry

    registry = LocalRegistry(_path(config, model, deployment))
    found = [
        {
            "version": one.version,
            "previous": one.previous,
            "at": one.at,
            "actor": one.actor,
            "plan": one.plan_id,
        }
        for one in reversed(registry.history(model, deployment))
    ]
    rows(
        found,
        empty=f"Nothing serves {model}/{deployment} yet: vigil registry promote {model} VERSION",
        json_wanted=json_wanted,
    )


@app.command()
def promote(
    model: Model,
    version: Annotated[str, typer.Argument(help="The version that shall serve.")],
    deployment: DeploymentOption = "production",
    expected: Annotated[
        str | None, typer.Option("--expected", help="Only if this version serves now.")
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Let a version serve."""
    from alerts.actions.targets.registry import LocalRegistry

    registry = LocalRegistry(_path(config, model, deployment))
    registry.promote(model, deployment, version, actor=actor(), expected=expected)
    say(f"{model}/{deployment}: {version} serves")
