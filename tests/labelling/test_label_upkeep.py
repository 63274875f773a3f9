"""Tasks that nobody labels age and leave their queue; those of a void incident leave at once."""

from __future__ import annotations

from datetime import timedelta

from incident_rows import incident_row
from label_desk import FAMILY, NOON, Desk

from alerts.actions.queues.memory import MemoryLabelQueue
from alerts.actions.queues.protocol import LabelQueueError
from monitor.labelling.upkeep import Upkeep
from monitor.store.tables import ActionRow, IncidentRow


def an_action(desk: Desk, **incident: object) -> tuple[int, int]:
    with desk.services.sessions.begin() as session:
        row = incident_row(NOON, **incident)
        session.add(row)
        session.flush()
        action = ActionRow(
            incident_id=row.id,
            kind="relabel",
            state="done",
            plan={},
            plan_hash="h",
            created_at=NOON,
            updated_at=NOON,
        )
        session.add(action)
        session.flush()
        return row.id, action.id


def test_old_tasks_leave_the_queue_and_a_label_that_comes_still_counts(desk: Desk) -> None:
    desk.open(expire_days=2)
    upkeep = Upkeep(desk.services)
    (old,) = desk.tasks(batch="old")
    desk.clock.advance(86400 * 1.5)
    desk.tasks(batch="new", picked_at=desk.clock.now())
    assert upkeep.run_due() == 0
    desk.clock.advance(86400)
    assert (upkeep.run_due(), upkeep.run_due()) == (1, 0)
    desk.say(old, 2)
    assert desk.withdrawals.run_due() == 1
    assert [row.state for row in desk.rows()] == ["expired", "queued"]
    assert desk.rows()[0].problem == "nobody labelled it in 2 days"
    assert old not in desk.queue.tasks
    assert desk.ask() == 1
    assert [row.state for row in desk.rows()] == ["labelled", "queued"]
    upkeep.run_due()
    metrics = desk.services.metrics.text().decode()
    family = f'deployment="{FAMILY[1]}",model="{FAMILY[0]}"'
    assert f"vigil_label_oldest_seconds{{{family}}} 86400.0" in metrics
    assert f'vigil_label_tasks{{{family},state="labelled"}} 1.0' in metrics


def test_a_false_alarm_takes_its_tasks_back_and_leaves_those_with_a_label(desk: Desk) -> None:
    """Others' tasks stay where they are."""
    incident, action = an_action(desk)
    _, another = an_action(desk)
    done, *_ = desk.tasks(2, batch="void", action_id=action)
    desk.tasks(1, batch="true", action_id=another)
    desk.say(done, 1)
    desk.ask()
    upkeep = Upkeep(desk.services)
    assert upkeep.run_due() == 0
    with desk.services.sessions.begin() as session:
        session.get_one(IncidentRow, incident).disposition = "false_alarm"
    assert upkeep.run_due() == 1
    assert [row.state for row in desk.rows()] == ["labelled", "withdrawing", "queued"]
    assert desk.withdrawals.run_due() == 1
    assert [row.state for row in desk.rows()] == ["labelled", "withdrawn", "queued"]
    assert desk.rows()[1].ended_at == NOON


class Away(MemoryLabelQueue):
    def withdraw(self, refs):  # type: ignore[no-untyped-def]
        raise LabelQueueError("labels.example: no answer")


def test_a_queue_that_is_away_is_asked_again_to_give_them_back(lone_desk: Desk) -> None:
    lone_desk.open(expire_days=1)
    lone_desk.tasks(2)
    lone_desk.clock.advance(2 * 86400)
    assert Upkeep(lone_desk.services).run_due() == 2
    lone_desk.use(Away())
    assert lone_desk.withdrawals.run_due() == 0
    assert {row.state for row in lone_desk.rows()} == {"expiring"}
    lone_desk.use(lone_desk.queue)
    assert lone_desk.withdrawals.run_due() == 2
    assert (lone_desk.queue.tasks, lone_desk.rows()[0].state) == ({}, "expired")


def test_a_task_that_was_never_sent_ends_without_asking_the_queue(lone_desk: Desk) -> None:
    from incident_rows import task_row

    with lone_desk.services.sessions.begin() as session:
        session.add(task_row(picked_at=NOON - timedelta(days=30)))
    assert Upkeep(lone_desk.services).run_due() == 1
    assert lone_desk.rows()[0].state == "expired"
