"""The baselines that judge: read from the database once each, known by ruler."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from monitor.store import baselines
from monitor.store.tables import BaselineRow
from vigil.baseline import Baseline

MOST_KEPT = 64


class References:
    """Baselines by the ruler that windows name. A baseline never changes; which is active may."""

    def __init__(self) -> None:
        self._by_ruler: dict[str, Baseline] = {}

    def of_ruler(self, session: Session, ruler: str) -> Baseline | None:
        """The active baseline with this ruler; None where it was retired or never known."""
        active = session.scalar(
            select(BaselineRow.id).where(
                BaselineRow.ruler == ruler, BaselineRow.state == baselines.ACTIVE
            )
        )
        return None if active is None else self._read(session, ruler)

    def of_version(self, session: Session, model: str, version: str) -> Baseline | None:
        """The active baseline of a version."""
        ruler = session.scalar(
            select(BaselineRow.ruler).where(
                BaselineRow.model == model,
                BaselineRow.version == version,
                BaselineRow.state == baselines.ACTIVE,
            )
        )
        return None if ruler is None else self._read(session, ruler)

    def _read(self, session: Session, ruler: str) -> Baseline | None:
        if ruler not in self._by_ruler:
            found = baselines.by_ruler(session, ruler)
            if found is None:
                return None
            if len(self._by_ruler) >= MOST_KEPT:
                self._by_ruler.pop(next(iter(self._by_ruler)))
            self._by_ruler[ruler] = found
        return self._by_ruler[ruler]
