"""``vigil windows``."""

from __future__ import annotations

from typing import Annotated

import typer

from monitor.cli.context import (
    DEFAULT_CONFIG,
    ConfigOption,
    JsonOption,
    ModelOption,
    services_at,
)
from monitor.cli.output import rows


def windows(
    model: ModelOption = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many.")] = 20,
    rejected: Annotated[
        bool, typer.Option("--rejected", help="What came in and was refused, by reason and hour.")
    ] = False,
    config: ConfigOption = DEFAULT_CONFIG,
    json_wanted: JsonOption = False,
) -> None:
    """List the windows that came in, newest first."""
    from monitor.cli import queries

    with services_at(config) as services, services.sessions() as session:
        if rejected:
            found = queries.rejections(session, limit=limit)
        else:
            found = queries.windows(session, model=model, limit=limit)
    rows(
        found,
        empty="Nothing was refused." if rejected else "No window yet. Is a tap pointed here?",
        json_wanted=json_wanted,
    )
