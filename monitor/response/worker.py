"""Moves actions on, one small step at a time, outside the tick: replays and targets take time.

An action that fails is tried again, less and less often, and given up in the end. It holds up no
other.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Protocol

from sqlalchemy import select, true

from monitor.response import attempts, relabel, rollback_proposal
from monitor.response.fence import Fence, unfenced
from monitor.response.relabel import Relabelling
from monitor.response.rollback import Rollbacks
from monitor.services import Services
from monitor.store.database import is_away
from monitor.store.tables import ActionRow
from vigil.errors import ConflictError, VigilError

log = logging.getLogger("vigil.actions")

PATIENCE_S = 2.0
"""A waiting action is judged again after so long."""

MOST_FAILURES = 8
"""So many failures in a row, about three minutes, end an action."""


class Hand(Protocol):
    """Carries out one kind of action."""

    def advance(self, action_id: int, fence: Fence) -> None:
        """One step; nothing where there is nothing to do yet."""
        ...

    def give_up(self, action_id: int, why: str) -> None:
        """End it as failed, and tell."""
        ...


class ActionWorker:
    """Calls the right hands for every action that can move."""

    def __init__(self, services: Services, rollbacks: Rollbacks, relabelling: Relabelling) -> None:
        self._services = services
        self._hands: dict[str, Hand] = {
            rollback_proposal.KIND: rollbacks,
            relabel.KIND: relabelling,
        }

    def run_due(self, fence: Fence = unfenced, *, kind: str | None = None) -> int:
        """One step of each action that is due; returns how many were looked at.

        Args:
            fence: refuses to commit where another process took over.
            kind: only of this kind: a label queue may take its time, and a rollback may not wait
                for it.
        """
        now = self._services.clock.now()
        patience = now - timedelta(seconds=PATIENCE_S)
        with self._services.sessions() as session:
            open_ones = session.execute(
                select(ActionRow.id, ActionRow.kind, ActionRow.decision)
                .where(
                    (ActionRow.state.in_(("proposed", "executing")))
                    | ((ActionRow.state == "waiting") & (ActionRow.updated_at < patience))
                )
                .where(ActionRow.kind == kind if kind is not None else true())
                .order_by(ActionRow.id)
            ).all()
        due = [one for one in open_ones if attempts.is_due(one.decision, attempts.FAILURES, now)]
        for action_id, its_kind, decision in due:
            hand = self._hands.get(its_kind)
            if hand is not None:
                before = attempts.count(decision, attempts.FAILURES)
                self._step(hand, action_id, before, fence)
        return len(due)

    def _step(self, hand: Hand, action_id: int, failures: int, fence: Fence) -> None:
        try:
            hand.advance(action_id, fence)
        except ConflictError as error:
            log.info("action %s: %s; looked at again", action_id, error)
        except Exception as error:  # one action must not hold up the others
            if is_away(error):
                raise
            log.warning("action %s failed", action_id, exc_info=error)
            self._failed(hand, action_id, error)
        else:
            if failures:
                self._note(action_id, failed=False)

    def _failed(self, hand: Hand, action_id: int, error: Exception) -> None:
        failures = self._note(action_id, failed=True)
        if failures < MOST_FAILURES:
            return
        said = str(error) if isinstance(error, VigilError) else f"unexpected {type(error).__name__}"
        try:
            hand.give_up(action_id, f"{said}, {failures} times in a row")
        except Exception as problem:
            if is_away(problem):
                raise
            log.warning("action %s could not be given up; tried again", action_id, exc_info=problem)

    def _note(self, action_id: int, *, failed: bool) -> int:
        with self._services.sessions.begin() as session:
            row = session.get_one(ActionRow, action_id, with_for_update=True)
            if failed:
                now = self._services.clock.now()
                row.decision = attempts.later(row.decision, attempts.FAILURES, now)
            else:
                row.decision = attempts.over(row.decision, attempts.FAILURES)
            return attempts.count(row.decision, attempts.FAILURES)
