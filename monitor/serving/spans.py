"""Which build served from when to when, as its windows show: written by the tick that counts them.

A span ends where its version sends nothing for an hour's worth of windows, or where another one
began since it was last seen. Windows that come late lengthen the span that they lie in.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from monitor.store.tables import ServingSpanRow, WindowRow

LONGEST_GAP_WINDOWS = 60
CHANGE_WINDOWS = 2
"""Replicas are not seen in each window: so many may miss before another version's start counts."""

_NAMES = ("model", "deployment", "version", "preprocessing", "hardware", "schema_version")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Stretch:
    """What one tick counted of one build."""

    names: dict[str, str]
    first_at: datetime
    last_at: datetime
    windows: int
    records: int


def write(session: Session, tick: int, *, window_s: float) -> None:
    """Enter what the tick counted. In its transaction: each window is entered once."""
    for stretch in _stretches(session, tick):
        row = _span(session, stretch, window_s)
        if row is None:
            session.add(
                ServingSpanRow(
                    **stretch.names,
                    first_at=stretch.first_at,
                    last_at=stretch.last_at,
                    windows=stretch.windows,
                    records=stretch.records,
                )
            )
        else:
            row.first_at = min(row.first_at, stretch.first_at)
            row.last_at = max(row.last_at, stretch.last_at)
            row.windows += stretch.windows
            row.records += stretch.records
    session.flush()


def _stretches(session: Session, tick: int) -> list[_Stretch]:
    columns = [getattr(WindowRow, name) for name in _NAMES]
    found = session.execute(
        select(
            *columns,
            func.min(WindowRow.start_at),
            func.max(WindowRow.end_at),
            func.count(),
            func.sum(WindowRow.records),
        )
        .where(WindowRow.judged_by == tick, WindowRow.records > 0)
        .group_by(*columns)
        .order_by(func.min(WindowRow.start_at), *columns)
    )
    return [
        _Stretch(
            names=dict(zip(_NAMES, names, strict=True)),
            first_at=first,
            last_at=last,
            windows=int(windows),
            records=int(records),
        )
        for *names, first, last, windows, records in found
    ]


def _span(session: Session, stretch: _Stretch, window_s: float) -> ServingSpanRow | None:
    """The span that the stretch goes on with, or lies in."""
    gap = timedelta(seconds=LONGEST_GAP_WINDOWS * window_s)
    change = timedelta(seconds=CHANGE_WINDOWS * window_s)
    same = [getattr(ServingSpanRow, name) == value for name, value in stretch.names.items()]
    row = session.scalar(
        select(ServingSpanRow)
        .where(
            *same,
            ServingSpanRow.last_at >= stretch.first_at - gap,
            ServingSpanRow.first_at <= stretch.last_at + gap,
        )
        .order_by(ServingSpanRow.last_at.desc(), ServingSpanRow.id.desc())
        .limit(1)
    )
    if row is None or row.last_at + change >= stretch.first_at:
        return row
    family = (stretch.names["model"], stretch.names["deployment"])
    other = session.scalar(
        select(ServingSpanRow.id).where(
            ServingSpanRow.model == family[0],
            ServingSpanRow.deployment == family[1],
            ServingSpanRow.first_at >= row.last_at - change,
            ServingSpanRow.first_at < stretch.first_at,
            ServingSpanRow.id != row.id,
        )
    )
    return None if other is not None else row
