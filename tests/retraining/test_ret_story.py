"""A retraining from the labels of an incident to the verdict, and what may go wrong on the way."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from incident_rows import incident_row
from label_rows import NOON, label_row, task_row
from sqlalchemy import select

from monitor.retraining import orders
from monitor.retraining.datasets import forget, labels_of
from monitor.retraining.hooks.protocol import HookReport, HookState, Order
from monitor.retraining.job import Retrainings
from monitor.services import Services
from monitor.settings.retraining import Retraining
from monitor.settings.schema import WatchedModel
from monitor.store import releases
from monitor.store.tables import (
    ActionRow,
    AuditRow,
    DatasetRow,
    LabelTaskRow,
    RetrainingRow,
    TimelineRow,
)
from vigil.clock import ManualClock
from vigil.errors import ConflictError, VigilError

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


def test_enough_labels_lead_to_a_training_and_it_helped(both: Services, clock: ManualClock) -> None:
    """The rule proposes, the hook is asked once, the version is released, its labels decide."""
    services = with_rules(both, after_labels=40, automatic=True, judge_after_labels=40)
    incident = incident_with_labels(services, 40)
    hook = Trains()
    job = Retrainings(services, {FAMILY: hook})
    job.run_due()
    job.run_due()
    (order,) = hook.orders
    assert (order.incident_id, order.items) == (incident, 40)  # gold items examine, none trains
    assert order.reason == f"40 images of incident {incident} are labelled (asked for: 40)"
    assert state_of(services) == "requested"
    with services.sessions() as session:
        lines = labels_of(session, services.settings, services.samples, order.dataset)
    assert {json.loads(line)["label"] for line in lines.splitlines()} == {3, 5}

    clock.advance(3600)
    with services.sessions.begin() as session:
        orders.name_version(session, 1, version="v2", actor="ci", at=clock.now())
        releases.announce(
            session,
            model="reader",
            deployment="production",
            version="v2",
            actor="ci",
            at=clock.now(),
        )
    job.run_due()
    assert state_of(services) == "released"
    job.run_due()
    assert state_of(services) == "released"  # no label of v2 yet
    with services.sessions.begin() as session:
        for k in range(40):
            row = label_row(f"n-{k}", right=k > 1, version="v2", predicted_at=clock.now())
            session.add(row)
    clock.advance(60)
    job.run_due()
    with services.sessions() as session:
        row = orders.get(session, 1)
        told = session.scalars(
            select(TimelineRow.text)
            .where(TimelineRow.incident_id == incident)
            .order_by(TimelineRow.id)
        ).all()
    assert (row.state, row.judgement["why"]) == ("helped", "rose")
    assert [text.split(":")[0] for text in told] == [
        "Retraining 1 proposed on 40 labels",
        "Retraining 1 asked for through webhook",
        "Retraining 1 made v2.",
        "v2, made by retraining 1, is released; a baseline of v2 is expected.",
        "Retraining 1",
    ]
    assert "helped: accuracy on site=north 50.0 % (40 labels) before, 95.0 %" in told[-1]
    assert "the detector that fired has not seen it recover" in told[-1]
    assert b'outcome="helped"' in services.metrics.text()


def test_without_labels_it_stays_unproven_when_the_time_is_up(
    services: Services, clock: ManualClock
) -> None:
    services = with_rules(services)
    incident_with_labels(services, 30)
    number = propose(services, incident_id=1)
    allow(services, number)
    job = Retrainings(services, {FAMILY: Trains()})
    job.run_due()
    with services.sessions.begin() as session:
        order = orders.order_id(session, number)
        releases.announce(
            session,
            model="reader",
            deployment="production",
            version="v2",
            actor="ci",
            at=clock.now(),
            note=f"made by {order} last night",
        )
    job.run_due()
    assert state_of(services) == "released"
    clock.advance(14 * 86400)
    job.run_due()
    with services.sessions() as session:
        assert orders.get(session, number).judgement["why"] == "no_labels_after"
    assert state_of(services) == "unproven"


def test_a_release_that_only_begins_with_the_same_name_is_another(
    services: Services, clock: ManualClock
) -> None:
    """Retraining 1 is not retraining 12."""
    services = with_rules(services)
    incident_with_labels(services, 30)
    number = propose(services)
    allow(services, number)
    job = Retrainings(services, {FAMILY: Trains()})
    job.run_due()
    with services.sessions.begin() as session:
        note = f"made by {orders.order_id(session, number)}2"
        releases.announce(
            session,
            model="reader",
            deployment="production",
            version="v2",
            actor="ci",
            at=clock.now(),
            note=note,
        )
    job.run_due()
    assert state_of(services) == "requested"


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


def test_of_one_model_one_retraining_is_under_way(both: Services) -> None:
    services = both
    incident_with_labels(services, 5)
    number = propose(services)
    with pytest.raises(ConflictError, match="retraining 1 is proposed"):
        propose(services)
    with services.sessions.begin() as session:
        orders.withdraw(session, number, reason="not now", actor="bo", at=NOON)
    assert propose(services) == 2
    with services.sessions() as session:
        said = session.scalars(select(AuditRow.what).order_by(AuditRow.id)).all()
        rows = session.scalars(select(DatasetRow)).all()
    assert said == ["retraining proposed", "retraining withdrawn", "retraining proposed"]
    assert len(rows) == 1  # the same labels are the same dataset


def test_a_proposal_without_labels_or_for_another_model_is_refused(services: Services) -> None:
    with pytest.raises(VigilError, match="no label to train on"):
        propose(services)
    incident_with_labels(services, 5)
    with pytest.raises(VigilError, match="incident 1 is of reader"):
        propose(services, model="other", incident_id=1)
    with pytest.raises(VigilError, match="expected 1 to 2000 characters"):
        propose(services, reason=" ")
    with services.sessions() as session:
        assert session.scalars(select(RetrainingRow)).all() == []


def test_by_hand_nobody_is_asked(services: Services) -> None:
    incident_with_labels(services, 5)
    allow(services, propose(services))
    assert state_of(services) == "requested"
    Retrainings(services, {}).run_due()
    assert state_of(services) == "requested"


def test_a_dataset_names_the_one_before_and_forgets_a_record(services: Services) -> None:
    """The lineage goes on; who asks to be forgotten is in no dataset any more."""
    incident_with_labels(services, 5)
    number = propose(services)
    with services.sessions.begin() as session:
        orders.withdraw(session, number, reason="more labels", actor="bo", at=NOON)
        session.add(label_row("late"))
    propose(services, at=NOON + timedelta(minutes=1))
    with services.sessions.begin() as session:
        first, second = session.scalars(select(DatasetRow).order_by(DatasetRow.id)).all()
        assert second.parent == first.sha256
        assert forget(session, services.settings, services.samples, "r-0") == 2
    with services.sessions() as session:
        rows = session.scalars(select(DatasetRow).order_by(DatasetRow.id)).all()
        left = [labels_of(session, services.settings, services.samples, row.sha256) for row in rows]
    assert [row.items for row in rows] == [4, 5]
    assert all(b'"r-0"' not in lines for lines in left)
    assert rows[0].about["struck"] == 1


def test_tasks_that_were_withdrawn_train_nobody(services: Services) -> None:
    incident_with_labels(services, 5)
    with services.sessions.begin() as session:
        session.add(task_row("waits", state="queued", label=None, labelled_at=None))
        assert session.scalars(select(LabelTaskRow.id)).all()
    propose(services)
    with services.sessions() as session:
        (row,) = session.scalars(select(DatasetRow)).all()
    assert row.items == 5
