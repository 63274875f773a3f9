"""Two service processes, one retraining."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

from label_rows import NOON, label_row
from sqlalchemy import select
from sqlalchemy.orm import Session

from monitor.retraining import orders
from monitor.retraining.hooks.protocol import HookReport, HookState, Order
from monitor.retraining.sending import Sending
from monitor.services import Services
from monitor.settings.retraining import Retraining
from monitor.settings.schema import WatchedModel
from monitor.store.tables import RetrainingRow
from vigil.errors import ConflictError


def labelled(both: Services) -> Services:
    with both.sessions.begin() as session:
        session.add_all([label_row(f"r-{k}") for k in range(5)])
    watched = WatchedModel(name="reader", retraining=Retraining(hook="webhook"))
    return replace(both, settings=both.settings.model_copy(update={"models": (watched,)}))


def propose(services: Services) -> str:
    try:
        orders.propose(
            services.sessions,
            services.settings,
            services.samples,
            model="reader",
            deployment="production",
            reason="both at once",
            actor="vigil",
            at=NOON,
        )
    except ConflictError:
        return "conflict"
    return "proposed"


def test_of_two_proposals_at_once_one_is_made(both: Services) -> None:
    services = labelled(both)
    gate = Barrier(2)

    def at_once(_: int) -> str:
        gate.wait(10)
        return propose(services)

    with ThreadPoolExecutor(2) as pool:
        said = sorted(pool.map(at_once, range(2)))
    assert said == ["conflict", "proposed"]
    with services.sessions() as session:
        assert len(session.scalars(select(RetrainingRow)).all()) == 1


class Keyed:
    """Takes each id once, and lets two senders meet."""

    kind = "webhook"
    is_keyed = True

    def __init__(self) -> None:
        self.taken: set[str] = set()
        self.sent = 0

    def send(self, order: Order) -> HookReport:
        self.sent += 1
        self.taken.add(order.id)
        return HookReport(state=HookState.ACCEPTED, text="taken")

    def look(self, order: Order) -> HookReport:
        state = HookState.ACCEPTED if order.id in self.taken else HookState.ABSENT
        return HookReport(state=state, text="looked")

    def close(self) -> None:
        return


def test_two_services_ask_for_one_training(both: Services) -> None:
    """Whoever comes second finds that it may have been sent, and looks before it sends."""
    services = labelled(both)
    propose(services)
    with services.sessions.begin() as session:
        orders.request(session, 1, actor="ann", at=NOON)
    hook, gate = Keyed(), Barrier(2)

    def run(_: int) -> None:
        gate.wait(10)
        Sending(services, {("reader", "production"): hook}).run_due()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(run, range(2)))
    assert len(hook.taken) == 1
    with services.sessions() as session:
        assert orders.get(session, 1).state == "requested"


def test_who_does_not_lead_any_more_commits_nothing(both: Services) -> None:
    services = labelled(both)
    propose(services)
    with services.sessions.begin() as session:
        orders.request(session, 1, actor="ann", at=NOON)
    hook = Keyed()

    def fence(session: Session) -> None:
        raise ConflictError("another process leads")

    Sending(services, {("reader", "production"): hook}).run_due(fence)
    assert hook.sent == 0
