"""The job that counts labels for the canaries that run, and acts on their verdicts."""

from __future__ import annotations

import logging
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from monitor.canary import manage, reading
from monitor.canary.alarm import raise_regression
from monitor.canary.state import CanaryState
from monitor.canary.step import CanaryOutcome, Standing, count_outputs, count_units, look
from monitor.canary.units import units_of
from monitor.response.bridge import Bridge
from monitor.response.fence import Fence, unfenced
from monitor.services import Services
from monitor.store import audit
from monitor.store.commit import once_committed
from monitor.store.database import is_away
from monitor.store.tables import CanaryRow

log = logging.getLogger("vigil.canary")


class Canaries:
    """One look at each running canary: state, cursor and verdict commit together, under a lock on
    its row, so that a label is counted once whoever looks and whenever one is killed."""

    def __init__(self, services: Services, bridge: Bridge) -> None:
        self._services = services
        self._bridge = bridge

    def run_due(self, fence: Fence = unfenced) -> int:
        """Look at every canary that runs; how many there are."""
        with self._services.sessions() as session:
            query = select(CanaryRow.id).where(CanaryRow.state == CanaryOutcome.RUNNING.value)
            running = session.scalars(query.order_by(CanaryRow.id)).all()
        for canary_id in running:
            try:
                while self._look(canary_id, fence):
                    pass  # more labels wait than one look takes
            except Exception as error:  # one canary must not hold up the others
                if is_away(error):
                    raise
                log.warning("canary %s failed", canary_id, exc_info=error)
        return len(running)

    def _look(self, canary_id: int, fence: Fence) -> bool:
        """Whether there is more to read at once."""
        now = self._services.clock.now()
        with self._services.sessions.begin() as session:
            fence(session)
            row = manage.held(session, canary_id)
            since = reading.begins_at(session, row)
            if row.state != CanaryOutcome.RUNNING or row.blob is None or since is None:
                return False
            state = CanaryState.from_bytes(row.blob)
            read_to, windows = row.cursor, state.windows
            is_new, output, last = reading.outputs(session, row, since, windows, now)
            count_outputs(state, is_new, output, last)
            records, row.cursor = reading.labelled(session, row, state.rules, since, now)
            units = units_of(records, state.rules, state.seen)
            standing = count_units(state, units) if len(units.loss) else look(state)
            state.left_out += 0 if len(units.loss) else units.left_out
            moved = row.cursor != read_to or last != windows
            if not moved and standing.outcome is CanaryOutcome.RUNNING:
                return False
            self._save(session, row, state, standing, now)
            full = len(records) == reading.MOST_LABELS
            return full and standing.outcome is CanaryOutcome.RUNNING

    def _save(
        self,
        session: Session,
        row: CanaryRow,
        state: CanaryState,
        standing: Standing,
        now: datetime,
    ) -> None:
        row.blob, row.updated_at = state.to_bytes(), now
        row.units = sum(standing.units)
        row.evidence_accept, row.evidence_rollback = standing.accept, standing.rollback
        row.result = standing.result
        if standing.outcome is CanaryOutcome.RUNNING:
            return
        row.state, row.ended_at, row.blob = standing.outcome.value, now, None
        audit.record(
            session,
            what=f"canary: {standing.outcome.value}",
            subject=f"{row.model}@{row.candidate}/{row.deployment}",
            actor="vigil",
            at=now,
            canary=row.id,
            reason=standing.reason,
        )
        if standing.outcome is CanaryOutcome.ROLLBACK:
            raise_regression(session, self._services.settings, self._bridge, row, now)
        model, deployment, outcome = row.model, row.deployment, row.state
        metrics = self._services.metrics
        once_committed(
            session,
            lambda: metrics.count(
                "vigil_canaries_total", model=model, deployment=deployment, outcome=outcome
            ),
        )
