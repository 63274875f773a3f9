"""Recovery of an incident that only labels told of: newer labels look again.

Labels come late and few, so the look goes back over as many of them as it takes for the interval to
be narrow enough; none of those that raised the incident count.

The loss of accuracy must surely be below its tolerance. Calibration, whose interval narrows with
thousands of labels only, may object where accuracy is known, and must itself be surely small where
it is all that is known.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts.types import Finding, Incident
from detectors.streams import StreamKey
from monitor.checks.recent import KEPT_TICKS, RecentTicks, Seen
from monitor.response.recovery import Health, Measure, figure, held_to
from monitor.store.tables import LabelRow
from vigil.catalogue import CALIBRATION
from vigil.types import SignalKind
from vigil.windows.summary import MISSING, Outcomes, Summary

STRETCHES = (50, 100, 200, 400, 800, 1600, 3200, 6400, 12_800)


def only_labels(incident: Incident) -> bool:
    """Whether all that is known of the incident came from labels."""
    measured = [finding for finding in incident.findings if finding.effect is not None]
    return bool(measured) and all(one.kind is SignalKind.QUALITY for one in measured)


def by_labels(
    session: Session,
    incident: Incident,
    recent: RecentTicks,
    measure: Measure,
    *,
    since: datetime,
    tick: int,
    windows: int,
    version: str | None = None,
) -> Health:
    """Look at the labels that arrived after ``since``, the newest first, as they stood after each
    of the last ``windows`` ticks that brought some. ``version``: only what it predicted, and
    predicted after ``since``."""
    family = incident.model, incident.deployment
    arrived = recent.between(family, tick, tick)
    if not any(one.outcomes is not None for one in arrived.values()):
        return Health(recovered=False, text="no new labels")
    rows = _rows(session, incident, since, version)
    ticks = sorted({row.judged_by for row in rows if row.judged_by is not None}, reverse=True)
    now = [row for row in rows if row.judged_by is None]  # counted by the tick that runs
    ends = ([tick] if now else []) + ticks
    if len(ends) < windows:
        return Health(recovered=False, text="too early to tell")
    rulers = recent.between(family, tick - KEPT_TICKS + 1, tick)
    health = Health(recovered=False, text="too few labels to tell")
    for most in STRETCHES:
        looks = []
        for end in ends[:windows]:
            known = [row for row in rows if (row.judged_by or tick) <= end]
            looks.append(_look(incident, measure, _seen(known[:most], rulers, tick)))
        if all(look.recovered for look in looks):
            return looks[0]
        health = next(look for look in looks if not look.recovered)
        if most >= len(rows):
            break
    return health


def _rows(
    session: Session, incident: Incident, since: datetime, version: str | None
) -> Sequence[Any]:
    """Newest first."""
    query = select(
        LabelRow.version,
        LabelRow.cell,
        LabelRow.prediction,
        LabelRow.label,
        LabelRow.confidence,
        LabelRow.judged_by,
    ).where(
        LabelRow.model == incident.model,
        LabelRow.deployment == incident.deployment,
        LabelRow.arrived_at > since,
        LabelRow.chosen.is_(False),
    )
    if version is not None:
        query = query.where(LabelRow.version == version, LabelRow.predicted_at >= since)
    query = query.order_by(LabelRow.arrived_at.desc(), LabelRow.id.desc())
    return session.execute(query.limit(STRETCHES[-1])).all()


def _seen(rows: Sequence[Any], rulers: Mapping[str, Seen], tick: int) -> list[Seen]:
    """Labels without traffic, per version; those of a version that is not seen lately are left
    out, because nothing tells how it was measured."""
    by_version: dict[str, list[Any]] = defaultdict(list)
    for row in rows:
        by_version[row.version].append(row)
    found = []
    for version, mine in sorted(by_version.items()):
        known = rulers.get(version)
        if known is None:
            continue
        layout = known.summary.layout
        found.append(
            Seen(
                tick=tick,
                version=version,
                ruler=known.ruler,
                summary=Summary.empty(layout),
                outcomes=Outcomes.of(
                    layout.keys,
                    [tuple(str(row.cell.get(key, MISSING)) for key in layout.keys) for row in mine],
                    np.array([row.confidence for row in mine], np.float64),
                    np.array([row.prediction == row.label for row in mine]),
                ),
            )
        )
    return found


def _look(incident: Incident, measure: Measure, seen: Sequence[Seen]) -> Health:
    findings = _telling(incident)
    streams = {
        StreamKey(incident.model, incident.deployment, one.slice, one.signal): one
        for one in findings
    }
    if not seen:
        return Health(recovered=False, text="too few labels to tell")
    found = measure(seen, list(streams))
    text = ""
    objects_only = {one.signal for one in findings} > {CALIBRATION.name}
    for stream, finding in streams.items():
        effect = held_to(found.get(stream), finding)
        if objects_only and finding.signal == CALIBRATION.name:
            if effect is not None and effect.is_large:
                return Health(recovered=False, text=figure(finding, effect))
            continue
        if effect is None:
            return Health(recovered=False, text=f"no labels of {finding.slice} yet")
        if not effect.is_small:
            return Health(recovered=False, text=figure(finding, effect))
        text = text or figure(finding, effect)
    return Health(recovered=True, text=text)


def _telling(incident: Incident) -> list[Finding]:
    measured = [finding for finding in incident.findings if finding.effect is not None]
    own = [finding for finding in measured if finding.slice == incident.slice]
    return own or measured
