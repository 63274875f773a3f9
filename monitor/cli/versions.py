"""``vigil versions``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alerts.wording import duration
from monitor.cli.context import (
    DEFAULT_CONFIG,
    ConfigOption,
    DeploymentOption,
    JsonOption,
    services_at,
)
from monitor.cli.output import as_json, moment, rows, say

if TYPE_CHECKING:
    from monitor.serving.versions import Ledger


def versions(
    model: Annotated[str, typer.Argument(help="The model's name.")],
    deployment: DeploymentOption = "production",
    config: ConfigOption = DEFAULT_CONFIG,
    json_wanted: JsonOption = False,
) -> None:
    """Which version serves, which should, and what served before."""
    from monitor.serving.versions import ledger

    with services_at(config) as services, services.sessions() as session:
        now = services.clock.now()
        found = ledger(session, services.settings, model, deployment, at=now)
    if json_wanted:
        as_json(found.to_json())
        return
    for line in _summary(found):
        say(line)
    say("")
    rows(
        [
            {
                "version": one.version,
                "from": one.first_at,
                "to": "now" if one.serves else moment(one.last_at),
                "share": f"{one.share:.0%}",
                "records": one.records,
                **dict(one.build.items()),
            }
            for one in found.spans
        ],
        empty="No windows of it have come yet.",
        json_wanted=False,
    )
    if found.events:
        say("")
        rows(
            [{"at": one.at, "version": one.version, "what": one.text} for one in found.events],
            empty="",
            json_wanted=False,
        )


def _summary(found: Ledger) -> Iterator[str]:
    yield f"{found.model} in {found.deployment}"
    said = found.announced
    shares = ""
    if said:
        shares = " or ".join(said.shares) if said.any_share else _shares(said.shares)
    yield f"  announced  {f'{shares}: it {said.by}' if said else 'nothing'}"
    asked = f", read {moment(found.read_at)}" if found.read_at else ""
    yield f"  registry   {found.registry or 'says nothing'}{asked}"
    if found.problem:
        yield f"             {found.problem}"
    yield f"  windows    {_shares(found.shares) or 'none of late'}"
    for one in found.mismatches:
        age = (found.at - one.since).total_seconds()
        yield f"  DIFFERS    {one.text} (for {duration(age)})"
    if not found.mismatches and found.shares:
        yield "  They agree."


def _shares(shares: Any) -> str:
    ordered = sorted(shares.items(), key=lambda one: -one[1])
    return ", ".join(
        version if share >= 0.9995 else f"{version} {share:.0%}" for version, share in ordered
    )
