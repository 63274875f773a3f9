"""A model with labels, rules of retraining, and a system that trains: what the stories share."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from incident_rows import incident_row
from label_rows import NOON, label_row, task_row

from monitor.retraining import orders
from monitor.retraining.hooks.protocol import HookReport, HookState, Order
from monitor.services import Services
from monitor.settings.retraining import Retraining
from monitor.settings.schema import WatchedModel
from monitor.store.tables import ActionRow

FAMILY = ("reader", "production")


class Trains:
    """A system that trains, in memory: takes each id once where it is keyed, and fails as told."""

    kind = "webhook"

    def __init__(self, *, is_keyed: bool = True) -> None:
        self.is_keyed = is_keyed
        self.taken: list[str] = []
        self.troubles: list[str] = []
        self.orders: list[Order] = []

    def send(self, order: Order) -> HookReport:
        trouble = self.troubles.pop(0) if self.troubles else ""
        if trouble == "refuse":
            return HookReport(state=HookState.FAILED, text="422: no such input")
        if trouble != "away" and not (self.is_keyed and order.id in self.taken):
            self.taken.append(order.id)
            self.orders.append(order)
        if trouble == "kill":
            raise KeyboardInterrupt
        if trouble in ("away", "lost"):
            return HookReport(state=HookState.UNCLEAR, text="no answer")
        return HookReport(state=HookState.ACCEPTED, text="run 1 is queued", receipt={"run": "1"})

    def look(self, order: Order) -> HookReport:
        there = order.id in self.taken
        return HookReport(
            state=HookState.ACCEPTED if there else HookState.ABSENT, text="looked at the runs"
        )

    def close(self) -> None:
        return


def with_rules(services: Services, **rules: Any) -> Services:
    watched = WatchedModel(
        name="reader", keys=("site",), retraining=Retraining(hook="webhook", **rules)
    )
    return replace(services, settings=services.settings.model_copy(update={"models": (watched,)}))


def incident_with_labels(services: Services, labelled: int) -> int:
    """A domain shift at site north with so many labelled images."""
    with services.sessions.begin() as session:
        incident = incident_row(
            NOON - timedelta(days=1),
            cause="domain_shift",
            slice="site=north",
            onset_at=NOON - timedelta(days=1),
        )
        session.add(incident)
        session.flush()
        action = ActionRow(
            incident_id=incident.id,
            kind="relabel",
            state="done",
            plan={},
            plan_hash="p",
            created_at=NOON,
            updated_at=NOON,
        )
        session.add(action)
        session.flush()
        for k in range(labelled):
            session.add(task_row(f"r-{k}", action_id=action.id, slice="site=north", inclusion=0.5))
            session.add(label_row(f"r-{k}", right=k % 2 == 0))
        session.add(task_row("gold", gold=True, gold_label=3, inclusion=None))
        session.add(label_row("gold"))
        return int(incident.id)


def state_of(services: Services, number: int = 1) -> str:
    with services.sessions() as session:
        return orders.get(session, number).state


def propose(services: Services, **changed: Any) -> int:
    values = {
        "model": "reader",
        "deployment": "production",
        "reason": "a new site",
        "actor": "ann",
        "at": NOON,
    }
    return orders.propose(
        services.sessions, services.settings, services.samples, **(values | changed)
    )


def allow(services: Services, number: int) -> None:
    with services.sessions.begin() as session:
        orders.request(session, number, actor="ann", at=services.clock.now())
