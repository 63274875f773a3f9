"""``vigil runbooks``."""

from __future__ import annotations

from typing import Annotated

import typer

from monitor.cli.context import (
    DEFAULT_CONFIG,
    ConfigOption,
    JsonOption,
    actor,
    runbooks_of,
    services_at,
    settings_at,
)
from monitor.cli.failures import FriendlyGroup
from monitor.cli.output import rows, say

app = typer.Typer(
    name="runbooks", cls=FriendlyGroup, help="The pages that people follow.", no_args_is_help=True
)


@app.command("list")
def list_(config: ConfigOption = DEFAULT_CONFIG, json_wanted: JsonOption = False) -> None:
    """List the runbooks and the alerts that they serve."""
    found = [
        {
            "name": book.name,
            "title": book.title,
            "alerts": list(book.alerts),
            "signals": list(book.signals),
            "owner": book.owner,
            "reviewed": book.last_reviewed.isoformat(),
        }
        for book in runbooks_of(settings_at(config))
    ]
    rows(found, empty="No runbook.", json_wanted=json_wanted)


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="The runbook's name.")],
    incident: Annotated[
        int | None, typer.Option("--incident", help="Fill in what is known of this incident.")
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Print a runbook; for an incident with its live values and what was ticked."""
    settings = settings_at(config)
    book = runbooks_of(settings).get(name)
    if incident is None:
        say(book.fill({}))
        return
    from monitor.response import record, steps
    from monitor.runbook_values import values_of

    with services_at(config) as services, services.sessions() as session:
        found = record.get(session, incident)
        values = values_of(session, settings, found, now=services.clock.now())
        ticked = steps.ticks_of(session, incident, name)
    say(book.fill(values))
    for number, row in sorted(ticked.items()):
        say(f"step {number} done by {row.actor} at {row.at:%Y-%m-%d %H:%M} UTC")


@app.command()
def tick(
    incident: Annotated[int, typer.Argument(help="The incident's number.")],
    step: Annotated[int, typer.Argument(help="The step's number on the page.")],
    runbook: Annotated[
        str | None, typer.Option("--runbook", help="Another page than the incident's own.")
    ] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Take the tick back.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Say that a step of the runbook is done for an incident: you, now."""
    from monitor.response import record, steps
    from monitor.runbook_values import page_of
    from vigil.errors import NotFoundError

    library = runbooks_of(settings_at(config))
    with services_at(config) as services, services.sessions.begin() as session:
        found = record.get(session, incident)
        book = library.get(runbook) if runbook else page_of(library, found)
        if book is None:
            raise NotFoundError(f"incident {incident}: it has no runbook; name one (--runbook)")
        change = steps.untick if undo else steps.tick
        changed = change(session, incident, book, step, actor=actor(), at=services.clock.now())
    word = "taken back" if undo else "done"
    say(f"incident {incident}, {book.name} step {step}: {word}{'' if changed else ' before'}")


@app.command()
def check(
    context: typer.Context, config: ConfigOption = DEFAULT_CONFIG, json_wanted: JsonOption = False
) -> None:
    """Report pages that nobody reviewed lately, dead links, unknown alerts and wrong commands."""
    from dataclasses import asdict
    from datetime import UTC, datetime, timedelta

    from alerts.types import AlertKind
    from monitor.cli.command_lines import command_fault
    from runbooks.review import review
    from vigil.catalogue import CATALOGUE

    settings = settings_at(config)
    library = runbooks_of(settings)
    problems = review(
        library,
        today=datetime.now(UTC).date(),
        within=timedelta(days=settings.runbook_review_days),
        alerts={kind.value for kind in AlertKind},
        signals=CATALOGUE,
        command_fault=lambda line: command_fault(line, context.find_root().command),
    )
    if json_wanted or problems:
        rows([asdict(one) for one in problems], empty="", json_wanted=json_wanted)
    if problems:
        raise typer.Exit(1)
    if not json_wanted:
        say(f"{len(library)} runbooks; every kind of alert has one, and all were reviewed lately")
