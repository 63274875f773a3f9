"""``vigil forget``."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer

from monitor.cli.context import DEFAULT_CONFIG, ConfigOption, JsonOption, actor, services_at
from monitor.cli.output import record


def forget(
    record_id: Annotated[str, typer.Argument(help="The id that the tap gave, or was given.")],
    config: ConfigOption = DEFAULT_CONFIG,
    json_wanted: JsonOption = False,
) -> None:
    """Delete one record everywhere: ledger, samples, labels, re-label queues."""
    from monitor.forget import forget as delete

    with services_at(config) as services:
        forgotten = delete(services, record_id, actor=actor())
    record(dataclasses.asdict(forgotten), json_wanted=json_wanted)
