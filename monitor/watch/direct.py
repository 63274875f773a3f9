"""A page that does not need the database: for when it is the database that is away.

It goes straight to the notifiers that the routes name for vigil's own trouble, under one key made
of the service's address, kept in memory. Receivers that know keys (PagerDuty, Jira Service
Management, Alertmanager) make one alert of it however often, and by however many processes, it is
sent. Others get it once from each process.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256

from alerts.notifiers.protocol import Notifier
from alerts.text import compose
from alerts.types import DeliveryOutcome, Incident, IncidentState, MessageEvent

log = logging.getLogger("vigil.watch")

_WAITS = (5.0, 600.0)
"""Seconds after the first try in vain, twice as long after each, and at most."""


@dataclass(kw_only=True, slots=True)
class _Tries:
    """``unclear``: one of them may have arrived; none is due before ``next_at``."""

    count: int = 0
    unclear: bool = False
    next_at: datetime | None = None


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
        self._tries: dict[tuple[str, MessageEvent], _Tries] = {}

    def fire(self, incident: Incident, todo: str, *, at: datetime) -> None:
        """Tell everyone who has not been told yet; call it again while the trouble lasts. Whoever
        does not take it is tried less and less often."""
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
            self._tries.clear()

    def _send(
        self, name: str, incident: Incident, event: MessageEvent, at: datetime, todo: str
    ) -> dict[str, str] | None:
        tries = self._tries.setdefault((name, event), _Tries())
        if tries.next_at is not None and at < tries.next_at:
            return None
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
        tries.count += 1
        tries.next_at = at + timedelta(
            seconds=min(_WAITS[0] * 2.0 ** min(tries.count - 1, 30), _WAITS[1])
        )
        unclear, tries.unclear = tries.unclear, True
        try:
            delivery = self._notifiers[name].deliver(
                message, thread=self._receipts.get(name, {}), unclear=unclear
            )
        except Exception:  # a notifier must not keep the others from being told
            log.exception("receiver %s failed", name)
            return None
        tries.unclear = unclear or delivery.outcome is DeliveryOutcome.UNCLEAR
        if delivery.outcome is DeliveryOutcome.DELIVERED:
            return {**self._receipts.get(name, {}), **delivery.receipt}
        log.warning("%s can't be told directly: %s", name, delivery.error)
        return None
