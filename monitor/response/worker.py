"""Moves actions on, one small step at a time, outside the tick: replays and targets take time."""

from __future__ import annotations

import logging
from datetime import timedelta

from sqlalchemy import select

from monitor.response import relabel, rollback
from monitor.response.relabel import Relabelling
from monitor.response.rollback import Rollbacks
from monitor.services import Services
from monitor.store.tables import ActionRow
from vigil.errors import ConflictError

log = logging.getLogger("vigil.actions")

PATIENCE_S = 2.0
"""An action that waits, or failed to reach its target, is looked at again after so long."""


class ActionWorker:
    """Calls the right hands for every action that can move."""

    def __init__(self, services: Services, rollbacks: Rollbacks, relabelling: Relabelling) -> None:
        self._services = services
        self._rollbacks = rollbacks
        self._relabelling = relabelling

    def run_due(self) -> int:
        """One step of each action that is due; returns how many were looked at."""
        now = self._services.clock.now()
        patience = now - timedelta(seconds=PATIENCE_S)
        with self._services.sessions() as session:
            due = session.execute(
                select(ActionRow.id, ActionRow.kind)
                .where(
                    (ActionRow.state.in_(("proposed", "executing")))
                    | ((ActionRow.state == "waiting") & (ActionRow.updated_at < patience))
                )
                .order_by(ActionRow.id)
            ).all()
        for action_id, kind in due:
            try:
                if kind == rollback.KIND:
                    self._rollbacks.advance(action_id)
                elif kind == relabel.KIND:
                    self._relabelling.advance(action_id)
            except ConflictError as error:
                log.info("action %s: %s; looked at again", action_id, error)
        return len(due)
