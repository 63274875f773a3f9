"""``vigil release``."""

from __future__ import annotations

from typing import Annotated

import typer

from monitor.cli.context import DEFAULT_CONFIG, ConfigOption, DeploymentOption, actor, services_at
from monitor.cli.output import say


def release(
    model: Annotated[str, typer.Argument(help="The model's name.")],
    version: Annotated[str, typer.Argument(help="The version that serves from now on.")],
    deployment: DeploymentOption = "production",
    known_good: Annotated[
        bool, typer.Option("--known-good", help="A rollback may come back to this version.")
    ] = False,
    note: Annotated[str, typer.Option("--note", help="What changed.")] = "",
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Announce a release, so that a fault that starts with it is known as its fault."""
    from monitor.response.releases import announce

    with services_at(config) as services, services.sessions.begin() as session:
        announced = announce(
            session,
            services.settings,
            model=model,
            deployment=deployment,
            version=version,
            actor=actor(),
            at=services.clock.now(),
            known_good=known_good,
            note=note,
        )
        previous = announced.row.previous
    say(f"{model}/{deployment}: {version} serves, after {previous or 'nothing known'}")
    if announced.warning:
        say(f"warning: {announced.warning}; it is recorded")
