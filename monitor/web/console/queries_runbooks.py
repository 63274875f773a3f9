"""Runbooks as pages."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from dashboards.console import words
from dashboards.console.markdown import render
from dashboards.console.readmodels import RunbookView
from monitor.settings.schema import Settings
from monitor.store.tables import IncidentRow
from runbooks.library import Library, Runbook, load
from vigil.errors import NotFoundError


@lru_cache(maxsize=4)
def library_in(folder: Path | None) -> Library:
    """The runbooks as they were when first asked for; a service reads them once."""
    return load(folder)


def page_of(book: Runbook, values: Mapping[str, str]) -> RunbookView:
    """One runbook with live values filled in."""
    return RunbookView(
        name=book.name,
        title=book.title,
        owner=book.owner,
        last_reviewed=book.last_reviewed.isoformat(),
        serves=book.alerts,
        severity=book.severity,
        html=render(book.fill(values)),
    )


def for_incident(settings: Settings, row: IncidentRow) -> RunbookView | None:
    """The incident's runbook, with what is known of the incident; None where there is none."""
    library = library_in(settings.runbooks)
    try:
        book = library.get(row.runbook)
    except NotFoundError:
        try:
            book = library.for_alert(row.kind)
        except NotFoundError:
            return None
    return page_of(book, values_of(settings, row))


def general_values(settings: Settings) -> dict[str, str]:
    """What stands in a runbook that is read without an incident."""
    url = settings.service.url.rstrip("/")
    return {
        "incident_id": "INCIDENT",
        "incident_url": f"{url}/incidents",
        "model": "MODEL",
        "version": "VERSION",
        "previous_version": "PREVIOUS",
        "deployment": "DEPLOYMENT",
        "slice": "the slice that the incident names",
        "owner": "as the incident names",
        "onset": "the onset",
        "service_url": url,
    }


def values_of(settings: Settings, row: IncidentRow) -> dict[str, str]:
    """What a runbook may show of an incident."""
    watched = settings.model(row.model, row.deployment)
    url = settings.service.url.rstrip("/")
    return {
        "incident_id": str(row.id),
        "incident_url": f"{url}/incidents/{row.id}",
        "model": row.model,
        "version": row.model_version,
        "deployment": row.deployment,
        "slice": row.slice or "all traffic",
        "owner": str(row.labels.get("owner") or (watched.owner if watched else "")),
        "onset": words.stamp(row.onset_at or row.detected_at),
        "service_url": url,
        **({"previous_version": str(v)} if (v := row.labels.get("previous_version")) else {}),
    }
