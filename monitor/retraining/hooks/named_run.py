"""Systems that run something under a name of ours, which they take once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from monitor.retraining.hooks.http import Reply, Server
from monitor.retraining.hooks.protocol import HookReport, HookState, Order


class NamedRunHook(Server, ABC):
    """A name that is taken is a 409, which here means accepted; it is looked at.

    ``noun``: what the system calls such a run.
    """

    is_keyed = True
    noun: str

    def start(self, order: Order, path: str, body: Mapping[str, Any]) -> HookReport:
        """Post ``body``; what became of it."""
        reply = self.ask("POST", path, json=body)
        if isinstance(reply, HookReport):
            return reply
        if reply.status == 409:
            return self.look(order)
        return self._report(reply, order)

    def look(self, order: Order) -> HookReport:
        reply = self.ask("GET", f"{self._runs}/{quote(order.id, safe='')}")
        if isinstance(reply, HookReport):
            return reply
        if reply.status == 404:
            text = f"{self.host}: there is no {self.noun} {order.id}"
            return HookReport(state=HookState.ABSENT, text=text)
        return self._report(reply, order)

    @property
    @abstractmethod
    def _runs(self) -> str:
        """The path under which runs are found by their name."""

    @abstractmethod
    def _report(self, reply: Reply, order: Order) -> HookReport:
        """What a reply says of the run."""
