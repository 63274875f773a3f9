"""Silences in the database: made, ended early, extended, listed; each change with its actor."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from alerts.labels import labels_of
from alerts.silences.draft import check_length, draft, matchers_for
from alerts.silences.errors import SilenceError
from alerts.silences.forgotten import Forgotten, forgotten
from alerts.silences.silence import Silence, SilenceKind, SilenceState, find
from alerts.silences.words import at_minute, freeze_text
from alerts.types import Incident, TimelineEntry
from monitor.response import record
from monitor.response.silences_active import active, not_over, of_row, readable
from monitor.store import audit
from monitor.store.tables import SilenceRow
from vigil.errors import ConflictError, NotFoundError

LIKE_AN_INCIDENT = timedelta(hours=1)


def create(session: Session, silence: Silence) -> Silence:
    """Keep a draft (``alerts.silences.draft``); its number comes from the database."""
    row = SilenceRow(
        kind=silence.kind.value,
        matchers=[matcher.to_json() for matcher in silence.matchers],
        starts_at=silence.starts_at,
        ends_at=silence.ends_at,
        recurrence=silence.recurrence.to_json() if silence.recurrence else None,
        comment=silence.comment,
        created_by=silence.created_by[:200],
        created_at=silence.created_at,
    )
    session.add(row)
    session.flush()
    _audit(session, row, "created", silence.created_by, silence.created_at, matchers=row.matchers)
    return of_row(row)


def silence_like(
    session: Session,
    incident: Incident,
    actor: str,
    at: datetime,
    *,
    lasts: timedelta = LIKE_AN_INCIDENT,
) -> str:
    """Silence what an incident is about, in any version; the name of the silence."""
    made = create(
        session,
        draft(
            kind=SilenceKind.SILENCE,
            matchers=matchers_for(labels_of(incident)),
            starts_at=at,
            ends_at=at + lasts,
            comment=f"from incident {incident.id}",
            actor=actor,
            now=at,
        ),
    )
    text = f"{actor} silenced what it is about as {made.name} until {at_minute(made.ends_at)}."
    entry = TimelineEntry(at=at, kind="silenced", actor=actor, text=text)
    record.note(session, incident.id, entry)
    return made.name


def end(session: Session, silence_id: int, *, actor: str, at: datetime) -> Silence:
    """End a silence now; one that has not begun never does.

    Raises:
        NotFoundError: there is none of that number.
        ConflictError: it is over already.
    """
    row = _going_on(session, silence_id, at)
    row.ended_at, row.ended_by = at, actor[:200]
    _audit(session, row, "ended", actor, at)
    return of_row(row)


def extend(
    session: Session, silence_id: int, ends_at: datetime, *, actor: str, at: datetime
) -> Silence:
    """Let a silence end later.

    Raises:
        NotFoundError: there is none of that number.
        ConflictError: it is over already.
        SilenceError: not later than now, or too late.
    """
    row = _going_on(session, silence_id, at)
    before = row.ends_at
    if ends_at <= before:
        raise SilenceError(f"S-{silence_id} ends {at_minute(before)}; give a later time, or end it")
    longer = replace(of_row(row), ends_at=ends_at.replace(microsecond=0))
    check_length(longer, max(longer.starts_at, at))
    row.ends_at = longer.ends_at
    _audit(session, row, "extended", actor, at, before=before.isoformat())
    return of_row(row)


def get(session: Session, silence_id: int) -> Silence:
    """Raises: NotFoundError: there is none of that number."""
    row = session.get(SilenceRow, silence_id, populate_existing=True)
    if row is None:
        raise NotFoundError(f"S-{silence_id}: there is no silence of that number")
    return of_row(row)


def listed(
    session: Session,
    at: datetime,
    states: Collection[SilenceState] = tuple(SilenceState),
    *,
    limit: int = 100,
) -> list[Silence]:
    """Silences in one of these states, newest first."""
    query = select(SilenceRow).order_by(SilenceRow.id.desc())
    if SilenceState.EXPIRED not in states:
        query = query.where(not_over(at))
    found: list[Silence] = []
    for silence in readable(session.scalars(query.execution_options(yield_per=200))):
        if silence.state(at) in states:
            found.append(silence)
        if len(found) >= limit:
            break
    return found


def held_back(session: Session, silence_id: int, at: datetime) -> None:
    """Count that a silence held something back: one statement, that never fails on a lost one."""
    session.execute(
        update(SilenceRow)
        .where(SilenceRow.id == silence_id)
        .values(matched=SilenceRow.matched + 1, last_matched_at=at)
        .execution_options(synchronize_session=False)
    )


def freeze_of(
    session: Session, *, model: str, deployment: str, owner: str, at: datetime
) -> str | None:
    """The release freeze that a model is under, in words; none where it is under none."""
    labels = {"model": model, "deployment": deployment, "owner": owner}
    kinds = (SilenceKind.FREEZE,)
    found = find(active(session, at, kinds), labels, at, kinds)
    return None if found is None else freeze_text(found, at)


def to_look_at(session: Session, at: datetime) -> list[Forgotten]:
    """Silences that end too early or that nobody needs, in the order of their numbers."""
    rows = session.scalars(select(SilenceRow).where(not_over(at)).order_by(SilenceRow.id))
    labels = {each.id: labels_of(each) for each in record.open_incidents(session)}
    return list(forgotten(readable(rows), labels, at))


def _going_on(session: Session, silence_id: int, at: datetime) -> SilenceRow:
    row = session.get(SilenceRow, silence_id, with_for_update=True, populate_existing=True)
    if row is None:
        raise NotFoundError(f"S-{silence_id}: there is no silence of that number")
    over_at = of_row(row).over_at
    if over_at <= at:
        raise ConflictError(f"S-{silence_id} is over since {at_minute(over_at)}: make a new one")
    return row


def _audit(
    session: Session, row: SilenceRow, what: str, actor: str, at: datetime, **data: object
) -> None:
    audit.record(
        session,
        what=f"{row.kind} {what}",
        subject=f"S-{row.id}",
        actor=actor,
        at=at,
        ends_at=row.ends_at.isoformat(),
        **data,
    )
