"""Which build served from when to when, as its windows show: written by the tick that counts them.

A span ends where its version sends nothing for an hour's worth of windows, or where another one
began since it was last seen. Windows that come late lengthen the span that they lie in.
"""

from __future__ import annotations

from collections.abc import Sequence
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

    @property
    def family(self) -> tuple[str, str]:
        return self.names["model"], self.names["deployment"]


def write(session: Session, tick: int, *, window_s: float) -> None:
    """Enter what the tick counted. In its transaction: each window is entered once."""
    stretches = _stretches(session, tick)
    if not stretches:
        return
    known = _recent(session, stretches, window_s)
    for stretch in stretches:
        spans = known.setdefault(stretch.family, [])
        row = _span(spans, stretch, window_s)
        if row is None:
            row = ServingSpanRow(
                **stretch.names,
                first_at=stretch.first_at,
                last_at=stretch.last_at,
                windows=stretch.windows,
                records=stretch.records,
            )
            session.add(row)
            spans.append(row)
        else:
            row.first_at = min(row.first_at, stretch.first_at)
            row.last_at = max(row.last_at, stretch.last_at)
            row.windows += stretch.windows
            row.records += stretch.records
    session.flush()


def _recent(
    session: Session, stretches: Sequence[_Stretch], window_s: float
) -> dict[tuple[str, str], list[ServingSpanRow]]:
    """The spans that may go on or may have come between, of all models at once."""
    gap = timedelta(seconds=LONGEST_GAP_WINDOWS * window_s)
    oldest = min(stretch.first_at for stretch in stretches)
    found: dict[tuple[str, str], list[ServingSpanRow]] = {}
    for row in session.scalars(
        select(ServingSpanRow).where(ServingSpanRow.last_at >= oldest - gap)
    ):
        found.setdefault((row.model, row.deployment), []).append(row)
    return found


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


def _span(
    spans: Sequence[ServingSpanRow], stretch: _Stretch, window_s: float
) -> ServingSpanRow | None:
    """The span that the stretch goes on with, or lies in."""
    gap = timedelta(seconds=LONGEST_GAP_WINDOWS * window_s)
    change = timedelta(seconds=CHANGE_WINDOWS * window_s)
    same = [
        row
        for row in spans
        if all(getattr(row, name) == value for name, value in stretch.names.items())
        and row.last_at >= stretch.first_at - gap
        and row.first_at <= stretch.last_at + gap
    ]
    row = max(same, key=lambda one: one.last_at, default=None)
    if row is None or row.last_at + change >= stretch.first_at:
        return row
    came_between = any(
        row.last_at - change <= other.first_at < stretch.first_at
        for other in spans
        if other is not row
    )
    return None if came_between else row
