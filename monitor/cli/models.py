"""``vigil models``."""

from __future__ import annotations

from typing import Annotated

import typer

from monitor.cli.context import DEFAULT_CONFIG, ConfigOption, JsonOption, services_at
from monitor.cli.output import rows


def models(
    streams: Annotated[
        bool,
        typer.Option("--streams", help="List every stream: the smallest shift that it would show."),
    ] = False,
    config: ConfigOption = DEFAULT_CONFIG,
    json_wanted: JsonOption = False,
) -> None:
    """List the models: what serves, what was last seen, whether it is judged."""
    from monitor.cli.queries import findable, fleet

    with services_at(config) as services, services.sessions() as session:
        found = (
            findable(session)
            if streams
            else fleet(session, services.settings, services.clock.now())
        )
    rows(
        found,
        empty="No model yet. Declare one under [[models]], or let a tap ship its first window.",
        json_wanted=json_wanted,
    )
