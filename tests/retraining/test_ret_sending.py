"""What may go wrong while a hook is asked: nothing is asked twice, and nothing is silent."""

from __future__ import annotations

import pytest
from label_rows import NOON
from retrain_scene import FAMILY, Trains, allow, incident_with_labels, propose, state_of, with_rules
from sqlalchemy import select

from monitor.retraining import orders
from monitor.retraining.hooks.protocol import HookReport, HookState, Order
from monitor.retraining.job import Retrainings
from monitor.services import Services
from monitor.store.tables import TimelineRow
from vigil.clock import ManualClock
from vigil.errors import ConflictError


@pytest.mark.parametrize("is_keyed", [True, False])
def test_a_lost_answer_is_looked_for_and_nothing_is_asked_twice(
    services: Services, clock: ManualClock, is_keyed: bool
) -> None:
    services = with_rules(services)
    incident_with_labels(services, 5)
    allow(services, propose(services))
    hook = Trains(is_keyed=is_keyed)
    hook.troubles = ["lost"]
    job = Retrainings(services, {FAMILY: hook})
    job.run_due()
    assert state_of(services) == "proposed"
    clock.advance(5)
    job.run_due()
    assert (state_of(services), len(hook.taken)) == ("requested", 1)


@pytest.mark.parametrize("is_keyed", [True, False])
def test_a_service_killed_after_sending_sends_nothing_twice(
    services: Services, clock: ManualClock, is_keyed: bool
) -> None:
    """Killed between the order and its record; another process goes on."""
    services = with_rules(services)
    incident_with_labels(services, 5)
    allow(services, propose(services))
    hook = Trains(is_keyed=is_keyed)
    hook.troubles = ["kill"]
    with pytest.raises(KeyboardInterrupt):
        Retrainings(services, {FAMILY: hook}).run_due()
    clock.advance(5)
    Retrainings(services, {FAMILY: hook}).run_due()
    assert (state_of(services), len(hook.taken)) == ("requested", 1)


def test_an_order_that_is_not_there_is_sent_again_after_a_while(
    services: Services, clock: ManualClock
) -> None:
    """GitHub shows a run late: an order that is not seen yet may be there all the same."""
    services = with_rules(services)
    incident_with_labels(services, 5)
    allow(services, propose(services))
    hook = Trains(is_keyed=False)
    hook.troubles = ["away"]
    job = Retrainings(services, {FAMILY: hook})
    job.run_due()
    clock.advance(60)
    job.run_due()
    assert hook.taken == []
    clock.advance(130)
    job.run_due()
    assert (state_of(services), len(hook.taken)) == ("requested", 1)


def test_what_stays_unclear_fails_and_says_that_it_may_have_been_taken(
    services: Services, clock: ManualClock
) -> None:
    services = with_rules(services)
    incident_with_labels(services, 5)
    allow(services, propose(services, incident_id=1))
    hook = Trains()
    hook.troubles = ["away"] * 100
    job = Retrainings(services, {FAMILY: hook})
    for _ in range(70):
        job.run_due()
        clock.advance(61)
    assert state_of(services) == "failed"
    with services.sessions() as session:
        last = session.scalars(select(TimelineRow).order_by(TimelineRow.id)).all()[-1]
    assert "though it may have been" in last.text


def test_a_refusal_fails_at_once_and_the_next_may_be_proposed(services: Services) -> None:
    services = with_rules(services)
    incident_with_labels(services, 5)
    allow(services, propose(services))
    hook = Trains()
    hook.troubles = ["refuse"]
    Retrainings(services, {FAMILY: hook}).run_due()
    assert state_of(services) == "failed"
    assert propose(services) == 2


def test_a_refusal_after_a_lost_answer_says_that_it_may_have_been_taken(
    services: Services, clock: ManualClock
) -> None:
    """The token expired meanwhile: nobody must think that nothing runs."""

    class Expired(Trains):
        def look(self, order: Order) -> HookReport:
            return HookReport(state=HookState.FAILED, text="401: bad credentials")

    services = with_rules(services)
    incident_with_labels(services, 5)
    allow(services, propose(services, incident_id=1))
    hook = Expired(is_keyed=False)
    hook.troubles = ["lost"]
    job = Retrainings(services, {FAMILY: hook})
    job.run_due()
    clock.advance(5)
    job.run_due()
    assert (state_of(services), len(hook.taken)) == ("failed", 1)
    with services.sessions() as session:
        last = session.scalars(select(TimelineRow).order_by(TimelineRow.id)).all()[-1]
    assert "401" in last.text
    assert "may have been taken" in last.text


def test_what_a_person_proposed_waits_for_a_yes_even_where_rules_do_not(
    services: Services,
) -> None:
    services = with_rules(services, automatic=True)
    incident_with_labels(services, 5)
    number, hook = propose(services), Trains()
    Retrainings(services, {FAMILY: hook}).run_due()
    assert hook.taken == []
    allow(services, number)
    Retrainings(services, {FAMILY: hook}).run_due()
    assert len(hook.taken) == 1
    with pytest.raises(ConflictError, match="requested"):
        allow(services, number)


def test_by_hand_nobody_is_asked(services: Services) -> None:
    incident_with_labels(services, 5)
    allow(services, propose(services))
    assert state_of(services) == "requested"
    Retrainings(services, {}).run_due()
    assert state_of(services) == "requested"


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        ("", "withdrawn, but webhook took it all the same: run 1 is queued"),
        ("lost", "withdrawn, but webhook may have taken it all the same: no answer"),
    ],
)
def test_what_a_hook_takes_while_it_is_withdrawn_is_kept_for_people_to_stop(
    services: Services, trouble: str, said: str
) -> None:
    """The withdrawal stands; without the receipt nobody could find the run."""

    class Slow(Trains):
        def send(self, order: Order) -> HookReport:
            with services.sessions.begin() as session:
                orders.withdraw(session, 1, reason="too soon", actor="bo", at=NOON)
            return super().send(order)

    services = with_rules(services)
    incident_with_labels(services, 5)
    allow(services, propose(services, incident_id=1))
    hook = Slow()
    hook.troubles = [trouble]
    Retrainings(services, {FAMILY: hook}).run_due()
    with services.sessions() as session:
        row = orders.get(session, 1)
        last = session.scalars(select(TimelineRow).order_by(TimelineRow.id)).all()[-1]
    assert (row.state, row.receipt["text"]) == ("withdrawn", said)
    assert row.receipt.get("run") == (None if trouble else "1")
    assert last.kind == "retraining_taken"


def test_what_was_withdrawn_and_refused_is_simply_withdrawn(services: Services) -> None:
    class Slow(Trains):
        def send(self, order: Order) -> HookReport:
            with services.sessions.begin() as session:
                orders.withdraw(session, 1, reason="too soon", actor="bo", at=NOON)
            return super().send(order)

    services = with_rules(services)
    incident_with_labels(services, 5)
    allow(services, propose(services))
    hook = Slow()
    hook.troubles = ["refuse"]
    Retrainings(services, {FAMILY: hook}).run_due()
    with services.sessions() as session:
        row = orders.get(session, 1)
    assert (row.state, row.receipt) == ("withdrawn", {})
