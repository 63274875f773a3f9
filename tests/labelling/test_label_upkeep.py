"""Tasks that nobody labels age and leave their queue; those of a void incident leave at once."""

from __future__ import annotations

from datetime import timedelta

import pytest
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


def test_what_a_batch_looks_like_goes_with_the_samples(lone_desk: Desk) -> None:
    """Pictures and embeddings are deleted when samples are; the tasks stay as long as labels."""
    import numpy as np

    from monitor.labelling import pictures
    from monitor.retention import sweep
    from monitor.settings.schema import Retention

    services = lone_desk.services
    looks = pictures.Pictures(
        ids=("r1", "r2"),
        thumbnails=np.zeros((2, 4, 4, 3), np.uint8),
        embedding=np.ones((2, 3), np.float16),
    )
    pictures.write(services.samples, "batch", looks)
    lone_desk.tasks(2, looks="pixels")
    pictures.strike(services.samples, "batch", ["r1"])
    kept = pictures.of(services.samples, "batch")
    assert kept is not None
    assert (kept.ids, kept.embedding.shape, kept.png("r1")) == (("r2",), (1, 3), None)
    assert (kept.png("r2") or b"").startswith(b"\x89PNG")
    keep = Retention(samples_days=14, history_days=365)
    for days, (there, rows) in {13: (True, 2), 15: (False, 2), 366: (False, 0)}.items():
        sweep(services.sessions, services.samples, keep, now=NOON + timedelta(days=days))
        assert (pictures.of(services.samples, "batch") is not None, len(lone_desk.rows())) == (
            there,
            rows,
        )
    assert {row.looks for row in lone_desk.rows()} <= {""}


def test_the_api_shows_queues_and_takes_a_batch_back(desk: Desk) -> None:
    """Reading needs no more than a viewer's token, taking back an operator's."""
    from web_client import TestClient

    from monitor.web.app import create_app
    from monitor.web.auth import create_token

    desk.tasks(3)
    with desk.services.sessions.begin() as session:
        sent = {
            scope: {
                "Authorization": "Bearer "
                + create_token(session, name=scope, scope=scope, actor="test", at=NOON)
            }
            for scope in ("viewer", "operator")
        }
    client = TestClient(create_app(desk.services), base_url="http://127.0.0.1")
    shown = client.get("/v1/labels/queues", headers=sent["viewer"]).json()
    (queue,), (batch,) = shown["queues"], shown["batches"]
    assert (queue["model"], queue["waiting"], queue["states"]) == (FAMILY[0], 3, {"queued": 3})
    assert (batch["batch"], batch["waiting"]) == ("batch", 3)
    body = {"batch": "batch", "reason": "wrong camera"}
    refused = client.post("/v1/labels/withdraw", json=body, headers=sent["viewer"])
    assert refused.status_code == 403
    done = client.post("/v1/labels/withdraw", json=body, headers=sent["operator"])
    assert done.json() == {"withdrawn": 3}
    assert {row.problem for row in desk.rows()} == {"withdrawn by operator: wrong camera"}
    gone = client.post("/v1/labels/withdraw", json={"batch": "x"}, headers=sent["operator"])
    assert gone.status_code == 404


def test_what_is_forgotten_while_the_queue_takes_it_leaves_again(lone_desk: Desk) -> None:
    """No picture stays in a queue because it went in a moment too late."""
    from incident_rows import task_row

    from monitor.forget import forget
    from monitor.labelling.sending import send

    class Slow(MemoryLabelQueue):
        def put(self, tasks):  # type: ignore[no-untyped-def]
            forget(lone_desk.services, "r1", actor="ann")
            return super().put(tasks)

    queue = Slow()
    with lone_desk.services.sessions.begin() as session:
        session.add_all(task_row(record_id=f"r{k}", rank=k) for k in (1, 2))
    send(lone_desk.services, queue, "batch")
    assert [row.state for row in lone_desk.rows()] == ["withdrawing", "queued"]
    lone_desk.use(queue)
    assert lone_desk.withdrawals.run_due() == 1
    assert [task.record_id for task in queue.tasks.values()] == ["r2"]


def test_what_is_forgotten_after_half_a_batch_was_sent_leaves_the_queue(desk: Desk) -> None:
    """The queue failed after it took the first: nobody knows its names, yet it gives them back."""
    from incident_rows import task_row

    from monitor.forget import forget
    from monitor.labelling.sending import send

    class Half(MemoryLabelQueue):
        def put(self, tasks):  # type: ignore[no-untyped-def]
            super().put(tasks[:2])
            raise LabelQueueError("labels.example: no answer")

    queue = Half()
    with desk.services.sessions.begin() as session:
        session.add_all(task_row(record_id=f"r{k}", rank=k) for k in (1, 2, 3))
    with pytest.raises(LabelQueueError):
        send(desk.services, queue, "batch")
    forget(desk.services, "r1", actor="ann")
    desk.use(queue)
    assert desk.withdrawals.run_due() == 1
    assert [task.record_id for task in queue.tasks.values()] == ["r2"]
    assert [row.state for row in desk.rows()] == ["withdrawn", "picked", "picked"]
    send(desk.services, desk.queue, "batch")
    assert [row.state for row in desk.rows()] == ["withdrawn", "queued", "queued"]
