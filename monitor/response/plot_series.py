"""What a plot of an incident shows: its most telling signal, before and after the onset."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts.plots import Series
from alerts.text import ranked
from alerts.types import Finding, Incident
from alerts.wording import short_finding, signal_name, slice_name
from monitor.store.tables import SignalPointRow
from vigil.catalogue import signal_of

LEAST_POINTS, MOST_POINTS = 5, 360
BEFORE_WINDOWS = 60
_EFFECT, _MEAN = 1, 3


def series_for(
    session: Session, incident: Incident, *, until: datetime, window_s: float
) -> Series | None:
    """None where no signal of the incident has been stored often enough to be drawn.

    Args:
        until: the newest point that is wanted.
        window_s: seconds in a window: 60 of them before the onset are shown.
    """
    onset = incident.onset_at or incident.detected_at
    rows = session.scalars(
        select(SignalPointRow)
        .where(
            SignalPointRow.model == incident.model,
            SignalPointRow.deployment == incident.deployment,
            SignalPointRow.at >= onset - timedelta(seconds=BEFORE_WINDOWS * window_s),
            SignalPointRow.at <= until,
        )
        .order_by(SignalPointRow.at, SignalPointRow.id)
        .limit(MOST_POINTS)
    ).all()
    for finding in ranked(incident.kind, incident.findings, incident.slice):
        for place in (_MEAN, _EFFECT):
            points = _points(rows, finding, place)
            if len(points) >= LEAST_POINTS:
                return _series(incident, finding, points, place)
    return None


def _points(rows: Any, finding: Finding, place: int) -> list[tuple[datetime, float]]:
    found = []
    for row in rows:
        values = row.values.get(str(finding.slice), {}).get(finding.signal, [])
        value = values[place] if len(values) > place else None
        if isinstance(value, int | float) and math.isfinite(value):
            found.append((row.at, float(value)))
    return found


def _series(
    incident: Incident, finding: Finding, points: list[tuple[datetime, float]], place: int
) -> Series:
    signal, effect = signal_of(finding.signal), finding.effect
    serves = f"{incident.model} {incident.model_version}".strip()
    name = f"{signal_name(finding.signal)} on {slice_name(finding.slice)}"
    means = place == _MEAN
    return Series(
        title=name[0].upper() + name[1:],
        subtitle=f"{serves} in {incident.deployment}: {short_finding(finding)}",
        unit=(signal.unit if signal else "") if means else (effect.unit if effect else "effect"),
        points=points,
        onset=incident.onset_at,
        normal=finding.before if means else 0.0,
        tolerance=None if means or effect is None else effect.tolerance,
    )
