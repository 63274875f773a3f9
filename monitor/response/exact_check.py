"""A second look at drifted embeddings: the exact permutation test on whole sampled records.

Evidence compares random features of all records; this compares the embeddings themselves, of the
records that were sampled since the onset. It looks at the data that raised the alarm, once per
incident: it can bear a page out or cast doubt on it, and neither pages nor resolves.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from alerts.types import Incident, IncidentState, TimelineEntry
from detectors.exact_mmd import permutation_test
from monitor.checks.references import References
from monitor.response import record
from monitor.response.sampled import records_of
from monitor.services import Services
from monitor.store.tables import IncidentRow, TimelineRow
from vigil.errors import ShapeError
from vigil.types import Slice
from vigil.windows.baseline import Baseline
from vigil.windows.sample import Sample
from vigil.windows.summary import MISSING

KIND = "exact_check"
SIGNALS = ("embedding", "embedding_whitened")
PERMUTATIONS = 999
MOST_RECORDS = 500
FEWEST_RECORDS = 20
WAIT_WINDOWS = 5
"""So many windows after the alarm it is done with the records that there are."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Exact:
    """What came of it: a p-value, or ``text`` says why there is none."""

    p: float | None
    records: int
    text: str


class ExactChecks:
    """Writes the check's outcome to the timeline of each incident with drifted embeddings."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._references = References()

    def run_due(self) -> int:
        """Check every open incident that was not checked; returns how many were."""
        with self._services.sessions() as session:
            waiting = _unchecked(session)
        return sum(self._check(incident) for incident in waiting)

    def _check(self, incident: Incident) -> bool:
        now, window_s = self._services.clock.now(), self._services.settings.service.window_s
        slices = [one.slice for one in incident.findings if one.signal in SIGNALS]
        where = incident.slice if incident.slice in slices else slices[0]
        with self._services.sessions() as session:
            seen = records_of(
                session,
                self._services.samples,
                incident,
                kind="uniform",
                limit=MOST_RECORDS,
                slice=where,
            )
            baseline = self._references.of_version(session, incident.model, incident.model_version)
        waited = now >= incident.detected_at + timedelta(seconds=WAIT_WINDOWS * window_s)
        if len(seen) < FEWEST_RECORDS and not waited:
            return False
        found = compare(seen, baseline, where, np.random.default_rng([incident.id, 0xE4AC]))
        with self._services.sessions.begin() as session:
            if _is_checked(session, incident.id):
                return False
            entry = TimelineEntry(
                at=now,
                kind=KIND,
                actor="vigil",
                text=f"Exact check: {found.text}.",
                data={"p": found.p, "records": found.records, "slice": str(where)},
            )
            record.note(session, incident.id, entry)
        return True


def compare(
    seen: Sample, baseline: Baseline | None, where: Slice, rng: np.random.Generator
) -> Exact:
    """Test the records' embeddings against those of the baseline on the same slice.

    Records change places only within their leaf cell, so another mix of traffic is no drift. Where
    the baseline has none of the slice's cells, all of the baseline is compared with.
    """
    if baseline is None:
        return Exact(p=None, records=0, text="not possible, the version has no baseline any more")
    known = baseline.sample.take(rng.permutation(len(baseline.sample)))
    mine, theirs = _cells(seen, baseline), _cells(known, baseline)
    shared = set(mine) & {
        cell for cell, of in zip(theirs, known.metadata, strict=True) if _within(of, where)
    }
    beside = "" if shared else ", all of it: it has nothing of this slice"
    if shared:
        rows = [i for i, cell in enumerate(mine) if cell in shared]
        seen, mine = seen.take(rows), [mine[i] for i in rows]
        rows = [i for i, cell in enumerate(theirs) if cell in shared]
        known, theirs = known.take(rows), [theirs[i] for i in rows]
    known, theirs = known.take(range(min(len(known), MOST_RECORDS))), theirs[:MOST_RECORDS]
    x, y = (np.asarray(sample.embedding, np.float64) for sample in (seen, known))
    fewest = min(int(np.isfinite(rows).all(axis=1).sum()) if rows.size else 0 for rows in (x, y))
    if fewest < FEWEST_RECORDS or x.shape[1] != y.shape[1]:
        return Exact(p=None, records=fewest, text=f"not possible, {fewest} sampled embeddings")
    order = {cell: number for number, cell in enumerate(sorted(shared))}
    strata = (
        np.array([order.get(cell, 0) for cell in mine], np.int64),
        np.array([order.get(cell, 0) for cell in theirs], np.int64),
    )
    try:
        _, p = permutation_test(x, y, PERMUTATIONS, rng, strata=strata)
    except ShapeError as error:
        return Exact(p=None, records=fewest, text=f"not possible, {error}")
    return Exact(
        p=p,
        records=len(x),
        text=f"p = {p:.3f} for embeddings of {where}, {len(x)} sampled records against {len(y)} "
        f"of the baseline{beside}",
    )


def _cells(sample: Sample, baseline: Baseline) -> list[tuple[str, ...]]:
    keys = baseline.ruler.layout.keys
    return [tuple(one.get(key, MISSING) for key in keys) for one in sample.metadata]


def _within(metadata: dict[str, str], where: Slice) -> bool:
    return all(metadata.get(key, MISSING) == value for key, value in where.pairs)


def _unchecked(session: Session) -> list[Incident]:
    checked = exists().where(TimelineRow.incident_id == IncidentRow.id, TimelineRow.kind == KIND)
    rows = session.scalars(
        select(IncidentRow)
        .where(IncidentRow.state != IncidentState.RESOLVED.value, ~checked)
        .order_by(IncidentRow.id)
    )
    found = [Incident.from_columns(row) for row in rows]
    return [one for one in found if any(each.signal in SIGNALS for each in one.findings)]


def _is_checked(session: Session, incident_id: int) -> bool:
    session.get(IncidentRow, incident_id, with_for_update=True)
    query = select(TimelineRow.id).where(
        TimelineRow.incident_id == incident_id, TimelineRow.kind == KIND
    )
    return session.scalar(query.limit(1)) is not None
