"""A retraining from the labels of an incident to the verdict."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from label_rows import NOON, label_row, task_row
from retrain_scene import FAMILY, Trains, allow, incident_with_labels, propose, state_of, with_rules
from sqlalchemy import select

from monitor.retraining import orders
from monitor.retraining.datasets import forget, labels_of
from monitor.retraining.job import Retrainings
from monitor.services import Services
from monitor.store import releases
from monitor.store.tables import AuditRow, DatasetRow, LabelTaskRow, RetrainingRow, TimelineRow
from vigil.clock import ManualClock
from vigil.errors import ConflictError, VigilError


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
    with pytest.raises(VigilError, match="other in production: there is no such model"):
        propose(services, model="other", incident_id=1)
    said = {"model": "other", "deployment": "production", "version": "v1", "actor": "ann"}
    with services.sessions.begin() as session:
        releases.announce(session, at=NOON, **said)
    with pytest.raises(VigilError, match="incident 1 is of reader"):
        propose(services, model="other", incident_id=1)
    with pytest.raises(VigilError, match="expected 1 to 2000 characters"):
        propose(services, reason=" ")
    with services.sessions() as session:
        assert session.scalars(select(RetrainingRow)).all() == []


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
