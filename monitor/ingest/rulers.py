"""What the service knows of the rulers that windows were measured with."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from monitor.ingest.cleaning import KnownRuler
from monitor.store import baselines
from monitor.store.tables import BaselineRow
from vigil.windows.ruler import Ruler


class RulerBook:
    """Rulers by id. A ruler never changes, so each is read from the database once."""

    def __init__(self) -> None:
        self._rulers: dict[str, Ruler] = {}

    def known(self, session: Session, ids: Iterable[str]) -> dict[str, KnownRuler]:
        """Those of ``ids`` that belong to a baseline; whether it is active is read each time."""
        rows = session.execute(
            select(BaselineRow.ruler, BaselineRow.model, BaselineRow.version, BaselineRow.state)
            .where(BaselineRow.ruler.in_(set(ids)))
            .order_by(BaselineRow.state.desc())
        )
        known = {}
        for ruler_id, model, version, state in rows:
            ruler = self.get(session, ruler_id)
            known[ruler_id] = KnownRuler(
                model=model,
                version=version,
                layout=ruler.layout,
                is_active=state == baselines.ACTIVE,
            )
        return known

    def get(self, session: Session, ruler_id: str) -> Ruler:
        """Raises:
        KeyError: no baseline has this ruler.
        """
        if ruler_id not in self._rulers:
            baseline = baselines.by_ruler(session, ruler_id)
            if baseline is None:
                raise KeyError(ruler_id)
            self._rulers[ruler_id] = baseline.ruler
        return self._rulers[ruler_id]
