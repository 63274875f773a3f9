"""Streams whose evidence rose in a day without reaching a page.

The stored evidence R of a stream obeys ``E[R_t | past] <= R_(t-1) + omega`` while nothing changes,
omega being its share of the fleet's budget. So ``L_t = R_t / (R_(t-1) + omega)`` is a fair bet, and
``D <- (D + omega) L_t`` from 0 at the start of the day is evidence of that day alone, with
``E[D] <= omega x ticks``: what was before, and was perhaps told before, does not count.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby

from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts.digest import RestlessStream, discoveries
from detectors.evidence.shiryaev import shares
from detectors.streams import StreamKey
from monitor.store.tables import SignalPointRow, TickRow
from vigil.types import Slice

_ROUNDING = 1e-6
"""Evidence is stored with six digits behind the point; the bets are rounded against a finding."""

_AT_ONCE = 100

Row = tuple[int, str, str, Mapping[str, Mapping[str, list[float | None]]]]


def restless(
    session: Session, *, since: datetime, until: datetime, threshold: float, share: float
) -> list[RestlessStream]:
    """The streams to name, strongest first; at most ``share`` of them by chance on average."""
    ticks = session.scalars(
        select(TickRow.id)
        .where(TickRow.end_at > since, TickRow.end_at <= until)
        .order_by(TickRow.id)
    ).all()
    if not ticks:
        return []
    day = day_evidence(_rows(session, ticks))
    found = discoveries(
        {key.id: value for key, value in day.items()}, ticks=len(ticks), share=share
    )
    named = [(StreamKey.parse(name)) for name in found]
    return [
        RestlessStream(
            model=key.model,
            deployment=key.deployment,
            slice=key.slice,
            signal=key.signal,
            evidence=day[key],
            threshold=threshold,
        )
        for key in named
    ]


def _rows(session: Session, ticks: Sequence[int]) -> Iterator[Row]:
    """The points of these ticks, a hundred ticks at a time: a day of them is much."""
    for first in range(0, len(ticks), _AT_ONCE):
        some = ticks[first : first + _AT_ONCE]
        found = session.execute(
            select(
                SignalPointRow.tick_id,
                SignalPointRow.model,
                SignalPointRow.deployment,
                SignalPointRow.values,
            )
            .where(SignalPointRow.tick_id.between(some[0], some[-1]))
            .order_by(SignalPointRow.tick_id)
        )
        yield from ((tick, model, name, values) for tick, model, name, values in found)


def day_evidence(rows: Iterable[Row]) -> dict[StreamKey, float]:
    """D of each stream, from the points of a day in the order of their ticks.

    The share of a stream is that among the streams that have evidence in the same tick, as when the
    bet was made; those without made none. One that paused is owed a share for each tick of the
    pause, which only makes its bet smaller.
    """
    grown: dict[StreamKey, float] = {}
    last: dict[StreamKey, tuple[int, float]] = {}
    for tick, group in groupby(rows, key=lambda row: row[0]):
        seen = dict(_evidence(group))
        for (key, now), omega in zip(seen.items(), shares(list(seen)).tolist(), strict=True):
            before, was = last.get(key, (tick, now))
            last[key] = tick, now
            gap = (tick - before) * omega
            if gap > 0:
                bet = max(now - _ROUNDING, 0.0) / (was + _ROUNDING + gap)
                grown[key] = (grown.get(key, 0.0) + gap) * bet
    return grown


def _evidence(rows: Iterable[Row]) -> Iterator[tuple[StreamKey, float]]:
    for _, model, deployment, values in rows:
        for piece, signals in values.items():
            where = Slice.parse(piece)
            for signal, point in signals.items():
                evidence = point[2]
                if evidence:
                    yield StreamKey(model, deployment, where, signal), evidence
