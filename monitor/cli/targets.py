"""``vigil targets``."""

from __future__ import annotations

import typer

from monitor.cli.context import DEFAULT_CONFIG, ConfigOption, JsonOption, settings_at
from monitor.cli.output import rows


def targets(config: ConfigOption = DEFAULT_CONFIG, json_wanted: JsonOption = False) -> None:
    """Ask each model's rollback target what serves; exit code 1 where one can't be used."""
    from monitor.target_check import check_targets

    found = list(check_targets(settings_at(config)))
    rows(
        [
            {
                "model": one.model,
                "deployment": one.deployment,
                "target": one.target,
                "serving": one.serving or "",
                "ready": f"no: {one.problem}" if one.problem else "yes",
            }
            for one in found
        ],
        empty="No model has a rollback target: declare one under [models.rollback].",
        json_wanted=json_wanted,
    )
    if any(one.problem for one in found):
        raise typer.Exit(1)
