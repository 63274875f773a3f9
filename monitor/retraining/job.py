"""Retraining by the clock: rules propose, hooks are asked, released versions are judged."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta

from alerts.actions.replay import Replays
from monitor.response.fence import Fence, unfenced
from monitor.retraining import orders
from monitor.retraining.first_baseline import FirstBaselines
from monitor.retraining.hooks.protocol import RetrainingHook
from monitor.retraining.judging import Judging
from monitor.retraining.rules import facts_of
from monitor.retraining.sending import Sending
from monitor.retraining.trigger import Trigger, propose_by_rule
from monitor.services import Services
from monitor.settings.schema import WatchedModel
from vigil.errors import VigilError

log = logging.getLogger("vigil.retraining")

EVERY_S = 5.0
RULES_EVERY = timedelta(minutes=10)
"""Rules are asked so often; what they look at changes by hours."""


class Retrainings:
    """Everything about retraining that no person does."""

    def __init__(
        self,
        services: Services,
        hooks: Mapping[tuple[str, str], RetrainingHook],
        replays: Mapping[tuple[str, str], Replays] | None = None,
    ) -> None:
        self._services = services
        self._sending = Sending(services, hooks)
        self._judging = Judging(services)
        self._baselines = FirstBaselines(services, replays or {})
        self._asked_at: datetime | None = None

    def run_due(self, fence: Fence = unfenced) -> None:
        """One round.

        Args:
            fence: refuses to commit where another process took over.
        """
        now = self._services.clock.now()
        if self._asked_at is None or now - self._asked_at >= RULES_EVERY:
            self._asked_at = now
            self.ask_rules(fence)
        self._sending.run_due(fence)
        self._judging.run_due(fence)
        self._baselines.run_due(fence)

    def ask_rules(self, fence: Fence = unfenced) -> int:
        """Propose what the rules of each model ask for; returns how many."""
        proposed = 0
        for watched in self._services.settings.models:
            rules = watched.retraining
            if (rules.after_labels, rules.accuracy_below, rules.older_than_days) == (None,) * 3:
                continue
            try:
                proposed += self._ask(watched, fence)
            except VigilError as error:
                log.info("retraining of %s: %s", watched.name, error)
        return proposed

    def _ask(self, watched: WatchedModel, fence: Fence) -> bool:
        now = self._services.clock.now()
        with self._services.sessions() as session:
            facts = facts_of(session, watched, now)
        found = propose_by_rule(facts, watched.retraining, now)
        if not found.trigger.proposes:
            return False
        about = found.incident_id if found.trigger is Trigger.LABELS else None
        orders.propose(
            self._services.sessions,
            self._services.settings,
            self._services.samples,
            model=watched.name,
            deployment=watched.deployment,
            reason=found.text,
            actor="vigil",
            at=now,
            incident_id=about,
            trigger=found.trigger.value,
            fence=fence,
        )
        return True
