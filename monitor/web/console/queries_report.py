"""The report that is kept with an incident."""

from __future__ import annotations

from sqlalchemy.orm import Session

from dashboards.console.readmodels import ReportLine
from monitor.reports.kept import Kept, load, page_of
from monitor.reports.page import POLICY
from monitor.store.samples import SampleStore
from vigil.errors import NotFoundError

HEADERS = {
    "Content-Security-Policy": f"sandbox allow-scripts; frame-ancestors 'none'; {POLICY}",
    "Cache-Control": "private, max-age=300",
}


def line_of(session: Session, incident_id: int) -> ReportLine | None:
    """What to say of it; None where none was ever begun."""
    one = load(session).get(incident_id)
    return None if one is None else _line(one)


def page(samples: SampleStore, incident_id: int) -> str:
    """Raises:
    NotFoundError: no report is kept with this incident.
    """
    found = page_of(samples, incident_id)
    if found is None:
        raise NotFoundError(
            f"incident {incident_id}: no report is kept; vigil incidents report {incident_id} "
            "--out FILE makes one"
        )
    return found


def _line(one: Kept) -> ReportLine:
    if one.is_made:
        return ReportLine(ready=True, text="distributions, drawn by Evidently")
    if one.ended_s is None:
        return ReportLine(ready=False, text="being drawn")
    return ReportLine(ready=False, text=f"could not be drawn: {one.error}")
