"""``vigil labels queue``, ``pull`` and ``withdraw``."""

from __future__ import annotations

from typing import Annotated

import typer

from monitor.cli.context import (
    DEFAULT_CONFIG,
    ConfigOption,
    JsonOption,
    ModelOption,
    actor,
    services_at,
)
from monitor.cli.output import rows, say


def queue(
    model: ModelOption = None,
    batches: Annotated[bool, typer.Option("--batches", help="List the batches instead.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
    json_wanted: JsonOption = False,
) -> None:
    """Show the label queues: what waits, since when, and what came back."""
    from monitor.labelling import overview

    with services_at(config) as services, services.sessions() as session:
        standings = overview.queues(session, services.settings)
        lots = overview.batches(session, model=model)
    if batches:
        rows(
            [
                {
                    "batch": one.batch,
                    "model": one.model,
                    "deployment": one.deployment,
                    "slice": one.slice or "all traffic",
                    "incident": one.incident_id,
                    "picked_at": one.picked_at,
                    "tasks": one.total,
                    "waiting": one.waiting,
                    "labelled": one.counts.get("labelled", 0),
                }
                for one in lots
            ],
            empty="nothing was picked yet",
            json_wanted=json_wanted,
        )
        return
    rows(
        [
            {
                "model": one.model,
                "deployment": one.deployment,
                "queue": one.name or one.kind or "not configured any more",
                "waiting": one.waiting,
                "labelled": one.counts.get("labelled", 0),
                "expired": one.counts.get("expired", 0) + one.counts.get("expiring", 0),
                "withdrawn": one.counts.get("withdrawn", 0) + one.counts.get("withdrawing", 0),
                "oldest": one.oldest_at,
                "asked_at": one.asked_at,
                "problem": one.problem,
            }
            for one in standings
            if model is None or one.model == model
        ],
        empty="no model has a label queue: models.relabel in the configuration names one",
        json_wanted=json_wanted,
    )


def pull(model: ModelOption = None, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Ask the label queues now, without waiting for the service to do it."""
    from monitor.labelling.queues import label_queues
    from monitor.labelling.returns import LabelReturns
    from monitor.labelling.state import state_of
    from vigil.errors import NotFoundError

    with services_at(config) as services:
        found = label_queues(services.settings)
        mine = {family: one for family, one in found.items() if model in (None, family[0])}
        if not mine:
            raise NotFoundError(f"no label queue{f' of {model}' if model else ''} is configured")
        returns, failed = LabelReturns(services, mine), False
        for family, one in mine.items():
            labelled = returns.ask(family, sending=False)
            with services.sessions.begin() as session:
                state = state_of(session, family, one.name)
                problem, failed = state.problem, failed or state.failures > 0
            told = f"; {problem}" if problem else ""
            say(f"{family[0]} ({family[1]}): {labelled} labelled{told}")
    if failed:
        raise typer.Exit(1)


def withdraw(
    batch: Annotated[str | None, typer.Option("--batch", help="What waits of this batch.")] = None,
    incident: Annotated[
        int | None, typer.Option("--incident", min=1, help="What waits for this incident.")
    ] = None,
    reason: Annotated[str, typer.Option("--reason", "-m", help="Why, for the audit.")] = "",
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Take tasks back that nobody has labelled; the running service clears the queue."""
    from monitor.labelling import manage

    if (batch is None) == (incident is None):
        raise typer.BadParameter("expected either --batch or --incident")
    with services_at(config) as services, services.sessions.begin() as session:
        who, at = actor(), services.clock.now()
        if batch is not None:
            count = manage.withdraw_batch(session, batch, actor=who, at=at, reason=reason)
        else:
            number = incident or 0
            count = manage.withdraw_incident(session, number, actor=who, at=at, reason=reason)
    say(f"{count} withdrawn")
