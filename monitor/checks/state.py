"""The evidence engine's state in the database: one row, written with the tick that made it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from detectors.evidence.engine import FleetEvidence
from monitor.store.tables import StateRow

EVIDENCE = "evidence"


@dataclass(frozen=True, kw_only=True, slots=True)
class Revision:
    """Which state this is: another process may have written a newer one."""

    tick_id: int | None
    updated_at: datetime


def load(
    session: Session, *, threshold: float, min_history: int, known: Revision | None
) -> tuple[FleetEvidence, Revision] | None:
    """The stored engine, or None where ``known`` is the newest (nothing to load).

    Where nothing was ever stored, a new engine with a revision that no row has. The row is locked
    until the session's transaction ends: whoever loads to write later overwrites nobody.
    """
    row = session.scalar(select(StateRow).where(StateRow.name == EVIDENCE).with_for_update())
    if row is None:
        fresh = FleetEvidence(threshold=threshold, min_history=min_history)
        return None if known == _NONE else (fresh, _NONE)
    revision = Revision(tick_id=row.tick_id, updated_at=row.updated_at)
    if revision == known:
        return None
    engine = FleetEvidence.from_bytes(row.blob)
    engine.threshold = threshold
    return engine, revision


def save(session: Session, engine: FleetEvidence, *, tick_id: int | None, at: datetime) -> Revision:
    """Write the engine in the session's transaction."""
    row = session.scalar(select(StateRow).where(StateRow.name == EVIDENCE).with_for_update())
    if row is None:
        row = StateRow(name=EVIDENCE, tick_id=tick_id, updated_at=at, blob=engine.to_bytes())
        session.add(row)
    else:
        row.tick_id, row.updated_at, row.blob = tick_id, at, engine.to_bytes()
    session.flush()
    return Revision(tick_id=tick_id, updated_at=at)


_NONE = Revision(tick_id=None, updated_at=datetime.min)
