"""The silences that hold now, read at every decision: what was parsed once is kept.

A silence is told from what it was by its end, which is all that changes of one; the counts of the
values here may be old.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from weakref import WeakKeyDictionary

from sqlalchemy import ColumnElement, Connection, Engine, or_, select
from sqlalchemy.orm import Session

from alerts.silences.errors import SilenceError
from alerts.silences.matchers import Matcher
from alerts.silences.recurrence import Recurrence
from alerts.silences.silence import MUTING, Silence, SilenceKind
from monitor.store.tables import SilenceRow

_Key = tuple[int, datetime, datetime, datetime | None]
_STEP = 500
_parsed: WeakKeyDictionary[Engine | Connection, dict[_Key, Silence | None]] = WeakKeyDictionary()
_log = logging.getLogger(__name__)


def active(session: Session, at: datetime, kinds: Sequence[SilenceKind] = MUTING) -> list[Silence]:
    """Those that hold at a moment, oldest first."""
    found = [silence for silence in _begun(session, at) if silence.kind in kinds]
    return [silence for silence in found if silence.active(at)]


def not_over(at: datetime) -> ColumnElement[bool]:
    return (SilenceRow.ends_at > at) & or_(SilenceRow.ended_at.is_(None), SilenceRow.ended_at > at)


def readable(rows: Iterable[SilenceRow]) -> Iterator[Silence]:
    """A row that can't be read silences nothing, and must not stop the pager either."""
    for row in rows:
        try:
            silence = of_row(row)
        except (SilenceError, KeyError, TypeError, ValueError) as error:
            _log.warning("S-%s can't be read and holds nothing back: %s", row.id, error)
            continue
        yield silence


def of_row(row: SilenceRow) -> Silence:
    """Raises: SilenceError: the row says what no silence may say."""
    return Silence(
        id=row.id,
        kind=SilenceKind(row.kind),
        matchers=tuple(Matcher.from_json(plain) for plain in row.matchers),
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        recurrence=Recurrence.from_json(row.recurrence) if row.recurrence else None,
        comment=row.comment,
        created_by=row.created_by,
        created_at=row.created_at,
        ended_at=row.ended_at,
        ended_by=row.ended_by,
        matched=row.matched or 0,
        last_matched_at=row.last_matched_at,
    )


def _begun(session: Session, at: datetime) -> list[Silence]:
    columns = (SilenceRow.id, SilenceRow.created_at, SilenceRow.ends_at, SilenceRow.ended_at)
    query = select(*columns).where(SilenceRow.starts_at <= at, not_over(at))
    keys: list[_Key] = [
        (row.id, row.created_at, row.ends_at, row.ended_at)
        for row in session.execute(query.order_by(SilenceRow.id))
    ]
    bind = session.get_bind()
    before = _parsed.get(bind, {})
    known = {key: before[key] for key in keys if key in before}
    new = {key[0]: key for key in keys if key not in known}
    numbers = list(new)
    for first in range(0, len(numbers), _STEP):
        some = numbers[first : first + _STEP]
        known |= dict.fromkeys((new[number] for number in some), None)
        rows = session.scalars(select(SilenceRow).where(SilenceRow.id.in_(some)))
        known |= {new[silence.id]: silence for silence in readable(rows)}
    _parsed[bind] = known
    return [silence for key in keys if (silence := known[key]) is not None]
