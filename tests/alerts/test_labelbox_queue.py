"""What is Labelbox's own: global keys, batches by priority, exports behind signed addresses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from label_tasks import refs_of, some_tasks
from stub_queues.labelbox import PROJECT
from stub_queues.rigs import MARK, NOW, RIGS, Rig
from stub_receivers.server import Trouble

from alerts.actions.queues.protocol import LabelQueueError


@pytest.fixture
def rig(tmp_path, monkeypatch) -> Iterator[Rig]:
    monkeypatch.setattr("alerts.actions.queues.labelbox_api._WAITS_S", (0.0, 0.0))
    with RIGS["labelbox"](tmp_path) as made:
        yield made


@pytest.mark.parametrize("after", range(8, 17))
def test_whichever_answer_is_lost_the_images_are_handed_out_once(rig: Rig, after: int) -> None:
    """The import, the look at it, and the batch come late among the requests."""
    assert rig.server is not None
    tasks = some_tasks(3)
    rig.server.then(*[Trouble(how="pass_on")] * after, Trouble(how="drop", does=True))
    with pytest.raises(LabelQueueError):
        rig.queue.put(tasks)
    assert set(rig.again().put(tasks).ids) == {task.id for task in tasks}
    assert [rig.held(task) for task in tasks] == [1] * 3
    assert len(rig.system.rows) == 3


def test_the_key_is_sent_to_labelbox_alone(rig: Rig) -> None:
    """Results lie on a storage of somebody else; the stub refuses what brings the key there."""
    assert rig.server is not None
    tasks = some_tasks(20)
    placed = rig.queue.put(tasks)
    rig.say(tasks[0], "dog")
    assert len(rig.queue.poll(refs_of(tasks, placed), since=None).annotations) == 1
    fetched = [one for one in rig.server.seen if one.method == "GET"]
    assert len(fetched) > 3
    assert all(one.header("Authorization") is None for one in fetched)


def test_an_address_that_is_neither_safe_nor_labelboxs_own_is_not_fetched(rig: Rig) -> None:
    tasks = some_tasks(1)
    placed = rig.queue.put(tasks)
    rig.system.address = "http://127.0.0.1.example:1"
    with pytest.raises(LabelQueueError, match="the address of the export"):
        rig.queue.poll(refs_of(tasks, placed), since=None)


def test_what_is_urgent_comes_first(rig: Rig) -> None:
    """Their 1 is our 1, their 5 our 0; the batch keeps our name."""
    tasks = some_tasks(3)
    urgent = [replace(tasks[0], priority=1.0), tasks[1], replace(tasks[2], priority=0.0)]
    rig.queue.put(urgent)
    priorities = {name: batch["priority"] for name, batch in rig.system.batches.items()}
    assert sorted(priorities.values()) == [1, 3, 5]
    assert all(name.startswith("batch-1 ") for name in priorities)


def test_a_skipped_image_says_nothing_and_a_strange_answer_is_told(rig: Rig) -> None:
    tasks = some_tasks(2)
    placed = rig.queue.put(tasks)
    rig.system.label(tasks[0].id, None)
    rig.system.label(tasks[1].id, "unicorn")
    poll = rig.queue.poll(refs_of(tasks, placed), since=NOW)
    assert poll.annotations == ()
    (problem,) = poll.problems
    assert problem.startswith("here-2: label: expected one of 3 class names")


def test_only_what_changed_since_is_read(rig: Rig) -> None:
    tasks = some_tasks(2)
    placed = rig.queue.put(tasks)
    rig.say(tasks[0], "dog")
    later = rig.system.now.replace(microsecond=0)
    rig.say(tasks[1], "owl")
    rig.system.rows[placed.ids[tasks[0].id]]["active"] = NOW
    found = rig.queue.poll(refs_of(tasks, placed), since=later).annotations
    assert [(one.task, one.label, one.lead_time_s) for one in found] == [("here-2", 2, 3.0)]


def test_a_project_that_lacks_a_class_is_told_before_anything_is_sent(rig: Rig) -> None:
    rig.system.options.remove("owl")
    with pytest.raises(LabelQueueError, match=f"project {PROJECT}: expected a radio.*missing owl"):
        rig.queue.put(some_tasks(1))
    assert rig.system.rows == {}


def test_a_task_that_takes_its_time_is_asked_for_again_and_makes_no_second_image(
    rig: Rig,
) -> None:
    rig.system.busy = 5
    tasks = some_tasks(2)
    with pytest.raises(LabelQueueError, match="still being worked on"):
        rig.queue.put(tasks)
    rig.system.busy = 0
    assert len(rig.queue.put(tasks).ids) == 2
    assert [rig.held(task) for task in tasks] == [1, 1]


def test_why_an_image_was_not_taken_is_told(rig: Rig) -> None:
    """No picture and no uri: told at once; a picture that Labelbox can't read: in its words."""
    with pytest.raises(LabelQueueError, match="neither pixels nor a uri"):
        rig.queue.put(some_tasks(1, image=None))
    with pytest.raises(LabelQueueError, match="1 images were not taken: Invalid row data"):
        rig.queue.put(some_tasks(1, image=b"no picture"))
    placed = rig.queue.put(some_tasks(1, image=None, uri="https://images.example/1.png"))
    assert len(placed.ids) == 1


def test_a_refusal_shows_no_key(rig: Rig) -> None:
    """GraphQL refuses with status 200."""
    assert rig.server is not None
    body = f'{{"errors": [{{"message": "no {MARK}"}}]}}'.encode()
    rig.server.then(Trouble(status=200, body=body))
    with pytest.raises(LabelQueueError, match="no ") as told:
        rig.queue.put(some_tasks(1))
    assert MARK not in str(told.value)
