"""Runbooks as pages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path

from markupsafe import Markup
from sqlalchemy.orm import Session

from alerts.types import Incident
from dashboards.console.markdown import render
from dashboards.console.pages import render_tick
from dashboards.console.readmodels import Chrome, RunbookView
from monitor.response.steps import ticks_of
from monitor.runbook_values import page_of as book_of
from monitor.runbook_values import values_of
from monitor.settings.schema import Settings
from monitor.store.tables import IncidentRow
from runbooks.library import Library, Runbook, load
from runbooks.template import fill


@lru_cache(maxsize=4)
def library_in(folder: Path | None) -> Library:
    """The runbooks as they were when first asked for; a service reads them once."""
    return load(folder)


def page_of(
    book: Runbook,
    values: Mapping[str, str],
    *,
    mark: Callable[[int], Markup] | None = None,
    ticked: int = 0,
) -> RunbookView:
    """One runbook with live values filled in; ``mark`` stands at the head of each step."""
    return RunbookView(
        name=book.name,
        title=book.title,
        owner=book.owner,
        last_reviewed=book.last_reviewed.isoformat(),
        serves=book.alerts,
        severity=book.severity,
        html=render(book.fill(values), mark),
        dashboards=tuple(fill(one, values, markdown=False) for one in book.dashboards),
        steps=len(book.steps) if mark else 0,
        ticked=ticked,
    )


def for_incident(
    session: Session, settings: Settings, row: IncidentRow, chrome: Chrome
) -> RunbookView | None:
    """The incident's runbook, with what is known of the incident; None where there is none."""
    book = book_of(library_in(settings.runbooks), Incident.from_columns(row))
    return None if book is None else filled(session, settings, row, book, chrome)


def filled(
    session: Session,
    settings: Settings,
    row: IncidentRow,
    book: Runbook,
    chrome: Chrome,
    *,
    then: str = "",
) -> RunbookView:
    """A runbook with an incident's values, and its steps to tick."""
    incident = Incident.from_columns(row)
    values = values_of(session, settings, incident, now=chrome.now)
    ticked = ticks_of(session, row.id, book.name)

    def mark(number: int) -> Markup:
        done = ticked.get(number)
        return render_tick(
            chrome,
            incident_id=row.id,
            runbook=book.name,
            step=number,
            actor=done.actor if done else "",
            at=done.at if done else None,
            then=then,
        )

    known = {step.number for step in book.steps}
    return page_of(book, values, mark=mark, ticked=len(known & set(ticked)))
