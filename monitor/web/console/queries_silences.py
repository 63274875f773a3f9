"""What the page of silences shows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts.labels import labels_of
from alerts.silences.draft import matchers_for
from alerts.silences.silence import LIVE, Silence, SilenceState
from alerts.silences.words import recurrence_text, when_text
from alerts.types import Incident
from dashboards.console.readmodels import IncidentLine
from dashboards.console.silencesview import PreviewView, SilenceForm, SilenceLine, SilencesView
from monitor.response import record, silences
from monitor.response.silence_preview import preview
from monitor.store.tables import IncidentRow
from monitor.web.console.queries_incidents import lines_of

SHOWN = {"live": LIVE, "expired": (SilenceState.EXPIRED,), "all": tuple(SilenceState)}
MOST_LINES = 200
MOST_PREVIEWED = 20


def silences_page(
    session: Session,
    now: datetime,
    *,
    shown: str = "live",
    form: SilenceForm | None = None,
    draft: Silence | None = None,
    error: str = "",
) -> SilencesView:
    """The page. With a ``draft`` it shows what that would hold back; ``form`` opens the form."""
    shown = shown if shown in SHOWN else "live"
    found = silences.listed(session, now, SHOWN[shown], limit=MOST_LINES)
    concerns = {each.silence.id: each.text for each in silences.to_look_at(session, now)}
    return SilencesView(
        lines=tuple(line_of(each, now, concerns.get(each.id, "")) for each in found),
        form=form or SilenceForm(),
        shown=shown,
        preview=_preview(session, draft, now) if draft else None,
        error=error,
        unfold=form is not None,
    )


def form_for(session: Session, incident_id: int) -> SilenceForm:
    """What would silence an incident.

    Raises:
        NotFoundError: there is none of that number.
    """
    matchers = matchers_for(labels_of(record.get(session, incident_id)))
    return SilenceForm(
        matchers="\n".join(str(matcher) for matcher in matchers),
        comment=f"from incident {incident_id}",
    )


def line_of(silence: Silence, now: datetime, concern: str) -> SilenceLine:
    return SilenceLine(
        id=silence.id,
        name=silence.name,
        kind=silence.kind.value,
        state=silence.state(now).value,
        matchers=tuple(str(matcher) for matcher in silence.matchers),
        over_at=silence.over_at,
        until=silence.until(now),
        next_start=silence.next_start(now),
        recurs=recurrence_text(silence),
        comment=silence.comment,
        created_by=silence.created_by,
        ended_by=silence.ended_by,
        matched=silence.matched,
        last_matched_at=silence.last_matched_at,
        concern=concern,
    )


def _preview(session: Session, draft: Silence, now: datetime) -> PreviewView:
    found = preview(session, draft, now)
    return PreviewView(
        text=found.text(draft.kind),
        holds=when_text(draft, now),
        open_count=len(found.now),
        open=_lines(session, found.now),
        week_count=len(found.week),
        week=_lines(session, found.week),
    )


def _lines(session: Session, incidents: Sequence[Incident]) -> tuple[IncidentLine, ...]:
    numbers = [each.id for each in incidents[:MOST_PREVIEWED]]
    query = select(IncidentRow).where(IncidentRow.id.in_(numbers)).order_by(IncidentRow.id.desc())
    return lines_of(session, session.scalars(query).all())
