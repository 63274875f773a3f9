"""The evidence engine's state in the database: one row, written with the tick that made it."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from detectors.evidence.engine import FleetEvidence
from monitor.store.tables import StateRow
from vigil.errors import ConflictError, FormatVersionError

log = logging.getLogger("vigil.checks")

EVIDENCE = "evidence"


@dataclass(frozen=True, kw_only=True, slots=True)
class Revision:
    """Which state this is: another process may have written a newer one."""

    tick_id: int | None
    updated_at: datetime


NONE = Revision(tick_id=None, updated_at=datetime.min)
"""Nothing was ever stored."""


def load(
    session: Session, *, threshold: float, min_history: int, known: Revision | None
) -> tuple[FleetEvidence, Revision] | None:
    """The stored engine, or None where ``known`` is the newest (nothing to load).

    Where nothing was ever stored, a new engine with a revision that no row has; where an older
    vigil stored it in a form that this one can't use, a new engine too. The row is locked
    until the session's transaction ends: whoever loads to write later overwrites nobody.
    """
    revision = _lock(session)
    if revision == known:
        return None
    if revision == NONE:
        return FleetEvidence(threshold=threshold, min_history=min_history), NONE
    blob = session.scalars(select(StateRow.blob).where(StateRow.name == EVIDENCE)).one()
    try:
        engine = FleetEvidence.from_bytes(blob)
    except FormatVersionError as error:
        if error.found > error.supported:
            raise
        log.warning(
            "evidence: kept by an older vigil (%s); streams learn their history anew", error
        )
        engine = FleetEvidence(threshold=threshold, min_history=min_history)
    engine.threshold = threshold
    return engine, revision


def save(
    session: Session, engine: FleetEvidence, *, over: Revision, tick_id: int | None, at: datetime
) -> Revision:
    """Write the engine in the session's transaction, over the revision that it was loaded from.

    Raises:
        ConflictError: the stored state is another one; nothing is written.
    """
    found = _lock(session)
    if found != over:
        raise ConflictError(
            f"evidence: another process wrote its state meanwhile (tick {found.tick_id})"
        )
    values = {"tick_id": tick_id, "updated_at": at, "blob": engine.to_bytes()}
    if found == NONE:
        session.add(StateRow(name=EVIDENCE, **values))
        session.flush()
    else:
        session.execute(update(StateRow).where(StateRow.name == EVIDENCE).values(**values))
    return Revision(tick_id=tick_id, updated_at=at)


def _lock(session: Session) -> Revision:
    """Which state is stored. Its row stays locked; the blob, which is large, is left alone."""
    columns = select(StateRow.tick_id, StateRow.updated_at).where(StateRow.name == EVIDENCE)
    row = session.execute(columns.with_for_update()).first()
    return NONE if row is None else Revision(tick_id=row.tick_id, updated_at=row.updated_at)
