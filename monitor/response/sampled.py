"""The sampled records of an incident: its model's, on its slice, since its onset."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts.types import Incident
from monitor.store.samples import Kind, SampleStore
from monitor.store.tables import WindowRow
from vigil.types import Slice
from vigil.windows.sample import Sample

MOST_WINDOWS = 500


def records_of(
    session: Session,
    samples: SampleStore,
    incident: Incident,
    *,
    kind: Kind,
    limit: int,
    slice: Slice | None = None,
    windows: int = MOST_WINDOWS,
) -> Sample:
    """At most ``limit`` records; ``slice`` is the incident's where None.

    ``windows``: of so many windows, the earliest.
    """
    since = incident.onset_at or incident.detected_at
    query = select(WindowRow.sample_part).where(
        WindowRow.model == incident.model,
        WindowRow.deployment == incident.deployment,
        WindowRow.version == incident.model_version,
        WindowRow.end_at > since,
        WindowRow.sample_part.is_not(None),
    )
    parts = session.scalars(query.order_by(WindowRow.end_at, WindowRow.id).limit(windows)).all()
    return samples.read(
        [part for part in parts if part],
        kind=kind,
        model=incident.model,
        deployment=incident.deployment,
        version=incident.model_version,
        start=since,
        slice=incident.slice if slice is None else slice,
        limit=limit,
    )
