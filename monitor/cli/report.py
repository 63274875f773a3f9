"""``vigil report``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from monitor.cli.context import DEFAULT_CONFIG, ConfigOption, DeploymentOption, services_at
from monitor.cli.labels_quality import SinceOption
from monitor.cli.output import say


def report(
    model: Annotated[str, typer.Argument(help="The model's name.")],
    deployment: DeploymentOption = "production",
    since: SinceOption = "30d",
    form: Annotated[
        Literal["md", "html"], typer.Option("--format", help="Markdown, or one HTML page.")
    ] = "md",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", dir_okay=False, help="The file to write.")
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Write a model's report: versions, quality, calibration, incidents, actions, label quality."""
    from alerts.silences.durations import duration
    from dashboards.console.card import render_card
    from monitor.cards.gather import model_card
    from monitor.cards.markdown import markdown
    from monitor.postmortem.export import put

    back = duration(since)
    with services_at(config) as services, services.sessions() as session:
        now = services.clock.now()
        card = model_card(session, services.settings, model, deployment, since=now - back, now=now)
    text = render_card(card) if form == "html" else markdown(card)
    if out is None:
        sys.stdout.write(text)
        return
    put(out.parent, out.name, text)
    say(str(out))
