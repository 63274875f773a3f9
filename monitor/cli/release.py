"""``vigil release``."""

from __future__ import annotations

from typing import Annotated

import typer

from monitor.cli.context import DEFAULT_CONFIG, ConfigOption, DeploymentOption, actor, services_at
from monitor.cli.output import say
from vigil.build import Build


def release(
    model: Annotated[str, typer.Argument(help="The model's name.")],
    version: Annotated[str, typer.Argument(help="The version that serves from now on.")],
    deployment: DeploymentOption = "production",
    known_good: Annotated[
        bool, typer.Option("--known-good", help="A rollback may come back to this version.")
    ] = False,
    note: Annotated[str, typer.Option("--note", help="What changed.")] = "",
    share: Annotated[
        float,
        typer.Option(
            "--share",
            min=0.0,
            max=1.0,
            help="Its share of the traffic; the rest stays with what served before.",
        ),
    ] = 1.0,
    preprocessing: Annotated[
        str, typer.Option("--preprocessing", help="Its preprocessing, by a name of yours.")
    ] = "",
    hardware: Annotated[str, typer.Option("--hardware", help="What it runs on.")] = "",
    schema: Annotated[
        str, typer.Option("--schema", help="The schema of its input and output.")
    ] = "",
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Announce a release, so that a fault that starts with it is known as its fault."""
    from monitor.response.releases import announce

    if not share > 0:
        raise typer.BadParameter("expected more than 0, up to 1", param_hint="--share")
    try:
        build = Build.of(preprocessing=preprocessing, hardware=hardware, schema=schema)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
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
            share=share,
            build=build,
        )
        previous = announced.row.previous
    how_much = "serves" if share >= 1.0 else f"serves {share:.0%} of the traffic"
    say(f"{model}/{deployment}: {version} {how_much}, after {previous or 'nothing known'}")
    if announced.warning:
        say(f"warning: {announced.warning}; it is recorded")
