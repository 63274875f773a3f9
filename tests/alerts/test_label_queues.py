"""What every label queue keeps: a task is there once, and what people said comes back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from label_tasks import refs_of, some_tasks
from stub_queues.rigs import MARK, NAMES, NOW, RIGS, SERVED, Rig
from stub_receivers.server import Trouble

from alerts.actions.queues.protocol import NONE_OF_THESE, LabelQueueError, TaskRef


@pytest.fixture(params=RIGS)
def rig(request, tmp_path) -> Iterator[Rig]:
    with RIGS[request.param](tmp_path) as made:
        yield made


@pytest.fixture(params=SERVED)
def served(request, tmp_path) -> Iterator[Rig]:
    with RIGS[request.param](tmp_path) as made:
        yield made


def test_a_task_is_queued_once_however_often_it_is_put(rig: Rig) -> None:
    """By this process or, after a restart, by another; the queue's names stay."""
    tasks = some_tasks(5)
    first = rig.queue.put(tasks)
    assert set(first.ids) == {task.id for task in tasks}
    assert len(set(first.ids.values())) == 5
    assert rig.queue.put(tasks).ids == first.ids
    assert rig.again().put(tasks).ids == first.ids
    assert [rig.held(task) for task in tasks] == [1] * 5


def test_what_is_missing_of_a_batch_is_added(rig: Rig) -> None:
    tasks = some_tasks(5)
    first = rig.queue.put(tasks[1:3])
    second = rig.queue.put(tasks)
    assert {**second.ids, **first.ids} == second.ids
    assert [rig.held(task) for task in tasks] == [1] * 5


def test_many_tasks_come_back_from_every_page(rig: Rig) -> None:
    tasks = some_tasks(120, prediction=-1)
    placed = rig.queue.put(tasks)
    assert len(set(placed.ids.values())) == 120
    for task in (tasks[0], tasks[119]):
        rig.say(task, "owl")
    found = rig.queue.poll(refs_of(tasks, placed), since=None).annotations
    assert {one.task for one in found} == {tasks[0].id, tasks[119].id}


def test_what_people_said_comes_back_and_again_as_the_same(rig: Rig) -> None:
    """A name with quotes and brackets, none of these, and a task that nobody labelled."""
    tasks = some_tasks(4, prediction=-1)
    placed = rig.queue.put(tasks)
    refs = refs_of(tasks, placed)
    assert rig.queue.poll(refs, since=None).annotations == ()
    rig.say(tasks[0], NAMES[0])
    rig.say(tasks[2], "none of these")
    poll = rig.queue.poll(refs, since=None)
    assert {one.task: one.label for one in poll.annotations} == {
        tasks[0].id: 0,
        tasks[2].id: NONE_OF_THESE,
    }
    assert poll.problems == ()
    assert all(one.author.startswith("ann") and one.at.tzinfo for one in poll.annotations)
    again = rig.again().poll(refs, since=NOW)
    assert {one.external_id for one in again.annotations} == {
        one.external_id for one in poll.annotations
    }


def test_only_tasks_that_were_asked_for_come_back(rig: Rig) -> None:
    """Another installation's, say, in the same place."""
    tasks = some_tasks(3, prediction=-1)
    placed = rig.queue.put(tasks)
    rig.say(tasks[0], "dog")
    rig.say(tasks[1], "owl")
    found = rig.queue.poll(refs_of(tasks[1:], placed), since=None).annotations
    assert [one.task for one in found] == [tasks[1].id]


def test_what_was_withdrawn_is_gone_and_the_others_stay(rig: Rig) -> None:
    """Twice is no error, and neither is what never was."""
    tasks = some_tasks(4, prediction=-1)
    placed = rig.queue.put(tasks)
    refs = refs_of(tasks, placed)
    rig.queue.withdraw(refs[:2])
    rig.queue.withdraw(refs[:2])
    assert [rig.held(task) for task in tasks] == [0, 0, 1, 1]
    rig.say(tasks[3], "dog")
    assert [one.task for one in rig.queue.poll(refs, since=None).annotations] == [tasks[3].id]


def test_what_the_queue_may_have_is_looked_for_and_taken_out(rig: Rig) -> None:
    """Its answer was lost: it is asked by our names; one that never came is no error."""
    tasks = some_tasks(5, prediction=-1)
    placed = rig.queue.put(tasks[:4])
    named = refs_of(tasks[2:3], placed)
    unnamed = [
        TaskRef(id=task.id, external_id="", batch=task.batch, record_id=task.record_id)
        for task in (*tasks[:2], tasks[4])
    ]
    rig.again().withdraw([*unnamed, *named])
    assert [rig.held(task) for task in tasks] == [0, 0, 0, 1, 0]
    rig.say(tasks[3], "dog")
    found = rig.queue.poll(refs_of(tasks[3:4], placed), since=None).annotations
    assert [one.label for one in found] == [1]


def test_its_name_tells_where_it_is_and_no_secret(rig: Rig) -> None:
    assert rig.queue.name == rig.again().name
    assert MARK not in rig.queue.name + repr(rig.queue)


TROUBLES = {
    "refused": Trouble(status=401, body=f'{{"detail": "no {MARK}"}}'.encode()),
    "too many": Trouble(status=429, headers={"Retry-After": "5"}),
    "broken": Trouble(status=502, body=b"<html>bad gateway</html>"),
    "a login page": Trouble(status=200, body=b"<html>log in</html>"),
    "another shape": Trouble(status=200, body=b"[1]"),
    "a redirect": Trouble(status=302, headers={"Location": "http://127.0.0.1:9/"}),
    "no answer": Trouble(how="drop"),
    "half an answer": Trouble(how="reset"),
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_service_in_trouble_is_told_without_its_secret(served: Rig, trouble: str) -> None:
    """And the same works when it is over."""
    assert served.server is not None
    tasks = some_tasks(2)
    served.server.then(TROUBLES[trouble])
    with pytest.raises(LabelQueueError) as told:
        served.queue.put(tasks)
    assert MARK not in str(told.value)
    placed = served.queue.put(tasks)
    refs = refs_of(tasks, placed)
    for call in (
        lambda: served.queue.poll(refs, since=None),
        lambda: served.queue.withdraw(refs),
    ):
        served.server.then(TROUBLES[trouble])
        with pytest.raises(LabelQueueError) as told:
            call()
        assert MARK not in str(told.value)
    served.queue.withdraw(refs)
    assert [served.held(task) for task in tasks] == [0, 0]


@pytest.mark.parametrize("how", ["drop", "reset", "hang"])
@pytest.mark.parametrize("after", range(8))
def test_an_answer_that_is_lost_after_it_was_done_makes_no_second_task(
    served: Rig, how: str, after: int
) -> None:
    """Whichever of the requests it is: another process begins anew and finds what is there."""
    assert served.server is not None
    tasks = some_tasks(3)
    served.server.then(*[Trouble(how="pass_on")] * after, Trouble(how=how, does=True))
    try:
        served.queue.put(tasks)
    except LabelQueueError:
        placed = served.again().put(tasks)
        assert set(placed.ids) == {task.id for task in tasks}
    assert [served.held(task) for task in tasks] == [1] * 3


def test_cvat_keeps_what_the_model_said_where_people_left_it(tmp_path) -> None:
    """A completed job vouches for every frame; before that nothing counts."""
    with RIGS["cvat"](tmp_path) as rig:
        tasks = some_tasks(3)
        placed = rig.queue.put(tasks)
        refs = refs_of(tasks, placed)
        rig.system.label(tasks[0].id, "owl", completed=False)
        assert rig.queue.poll(refs, since=None).annotations == ()
        rig.system.label(tasks[1].id, "owl")
        found = {one.task: one.label for one in rig.queue.poll(refs, since=None).annotations}
        assert found == {"here-1": 2, "here-2": 2, "here-3": 1}
        number, frame = rig.system.held(tasks[2].id)[0]
        rig.system.tasks[number]["tags"].append({"id": 1, "frame": frame, "label_id": 1})
        poll = rig.queue.poll(refs, since=None)
        assert len(poll.annotations) == 2
        assert poll.problems == (f"task {number}, frame {frame}: expected one tag, found 2",)


def test_cvat_that_takes_its_time_gets_no_second_task(tmp_path, monkeypatch) -> None:
    """Frames are made in the background: put is called again until they are there."""
    monkeypatch.setattr("alerts.actions.queues.cvat_api._UPLOAD_WAITS_S", (0.0,))
    with RIGS["cvat"](tmp_path) as rig:
        tasks = some_tasks(3)
        rig.system.slow = True
        for _ in range(3):
            with pytest.raises(LabelQueueError, match="still being made"):
                rig.queue.put(tasks)
        assert len(rig.system.tasks) == 1
        rig.system.settle()
        assert len(rig.queue.put(tasks).ids) == 3
        assert [len(task["tags"]) for task in rig.system.tasks.values()] == [3]


def test_cvat_that_still_makes_frames_is_asked_again_to_give_them_back(
    tmp_path, monkeypatch
) -> None:
    """What was forgotten while frames are made must not appear when they are done."""
    monkeypatch.setattr("alerts.actions.queues.cvat_api._UPLOAD_WAITS_S", (0.0,))
    with RIGS["cvat"](tmp_path) as rig:
        tasks = some_tasks(1)
        rig.system.slow = True
        with pytest.raises(LabelQueueError):
            rig.queue.put(tasks)
        ref = TaskRef(id=tasks[0].id, external_id="", batch=tasks[0].batch, record_id="r1")
        with pytest.raises(LabelQueueError, match="still being made"):
            rig.queue.withdraw([ref])
        rig.system.settle()
        rig.queue.withdraw([ref])
        assert rig.held(tasks[0]) == 0
