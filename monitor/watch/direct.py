"""A page that does not need the database: for when it is the database that is away.

It goes straight to the notifiers that the routes name for vigil's own trouble, under one key made
of the service's address, kept in memory. Receivers that know keys (PagerDuty, Jira Service
Management, Alertmanager) make one alert of it however often, and by however many processes, it is
sent. Others get it once from each process.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from hashlib import sha256

from alerts.notifiers.protocol import Notifier
from alerts.text import compose
from alerts.types import DeliveryOutcome, Incident, IncidentState, MessageEvent

log = logging.getLogger("vigil.watch")


class DirectPage:
    """One alert about the database: raised until each receiver has it, then resolved likewise.

    ``receivers_of`` says whom the routes name, without the database.
    """

    def __init__(
        self,
        notifiers: Mapping[str, Notifier],
        receivers_of: Callable[[Incident, datetime], Sequence[str]],
        *,
        base_url: str,
    ) -> None:
        self._notifiers = notifiers
        self._receivers_of = receivers_of
        self._base_url = base_url
        self._key = f"vigil-database-{sha256(base_url.encode()).hexdigest()[:12]}"
        self._raised: Incident | None = None
        self._receipts: dict[str, dict[str, str]] = {}

    def fire(self, incident: Incident, todo: str, *, at: datetime) -> None:
        """Tell everyone who has not been told yet; call it again while the trouble lasts."""
        self._raised = self._raised or incident
        for name in self._receivers_of(self._raised, at):
            if name not in self._receipts and name in self._notifiers:
                receipt = self._send(name, self._raised, MessageEvent.TRIGGER, at, todo)
                if receipt is not None:
                    self._receipts[name] = receipt

    def end(self, *, at: datetime) -> None:
        """It is over: tell everyone who was told."""
        if self._raised is None:
            return
        over = replace(self._raised, state=IncidentState.RESOLVED, resolved_at=at)
        for name in list(self._receipts):
            if self._send(name, over, MessageEvent.RESOLVE, at, "") is not None:
                del self._receipts[name]
        if not self._receipts:
            self._raised = None

    def _send(
        self, name: str, incident: Incident, event: MessageEvent, at: datetime, todo: str
    ) -> dict[str, str] | None:
        message = replace(
            compose(
                incident,
                event=event,
                id=f"{self._key}-{incident.detected_at:%Y%m%dT%H%M%S}-{event.value}",
                now=at,
                base_url=self._base_url,
                todo=todo,
            ),
            key=self._key,
            incident_url=self._base_url,
        )
        try:
            delivery = self._notifiers[name].deliver(
                message, thread=self._receipts.get(name, {}), unclear=False
            )
        except Exception:  # a notifier must not keep the others from being told
            log.exception("receiver %s failed", name)
            return None
        if delivery.outcome is DeliveryOutcome.DELIVERED:
            return {**self._receipts.get(name, {}), **delivery.receipt}
        log.warning("%s can't be told directly: %s", name, delivery.error)
        return None
