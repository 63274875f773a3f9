"""Boxes through labelling services: Label Studio's rectangles and CVAT's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from label_tasks import refs_of, some_tasks
from stub_queues.cvat import CvatStub
from stub_queues.label_studio import LabelStudioStub
from stub_queues.rigs import MARK, NOW
from stub_receivers.server import ReceiverServer

from alerts.actions.queues.boxes import Box
from alerts.actions.queues.cvat import CvatQueue
from alerts.actions.queues.label_studio import LabelStudioQueue
from alerts.actions.queues.protocol import LabelQueueError

NAMES = ("cat & <dog>", "dog")
MODEL = Box(sides=(0.1, 0.2, 0.5, 0.6), label=0, score=0.75)
DRAWN = Box(sides=(0.25, 0.5, 0.75, 1.0), label=1)


@pytest.fixture
def studio() -> Iterator[tuple[LabelStudioStub, LabelStudioQueue]]:
    stub = LabelStudioStub(MARK, NOW)
    with ReceiverServer(stub).running() as url:
        queue = LabelStudioQueue(url, MARK, class_names=NAMES, title="vigil", boxes=True)
        yield stub, queue
        queue.close()


@pytest.fixture
def cvat() -> Iterator[tuple[CvatStub, CvatQueue]]:
    stub = CvatStub(MARK, NOW)
    with ReceiverServer(stub).running() as url:
        queue = CvatQueue(url, MARK, class_names=NAMES, title="vigil", boxes=True)
        yield stub, queue
        queue.close()


def close(found: tuple[Box, ...] | None, expected: Box) -> bool:
    return (
        found is not None
        and len(found) == 1
        and found[0].label == expected.label
        and found[0].sides == pytest.approx(expected.sides)
    )


def test_label_studio_shows_the_models_boxes_and_gives_back_peoples(studio: Any) -> None:
    """Percent there, shares here; an empty annotation says that nothing is there."""
    stub, queue = studio
    tasks = some_tasks(3, prediction=-1, boxes=(MODEL,))
    refs = refs_of(tasks, queue.put(tasks))
    (project,) = stub.projects.values()
    assert project["parsed_label_config"]["boxes"]["labels"] == list(NAMES)
    (prediction,) = next(iter(stub.tasks.values()))["predictions"]
    (shown,) = prediction["result"]
    assert shown["value"]["rectanglelabels"] == ["cat & <dog>"]
    assert [shown["value"][one] for one in ("x", "y", "width", "height")] == pytest.approx(
        [10, 20, 40, 40]
    )
    stub.draw(stub.by_our_id("here-1")[0], (25.0, 50.0, 50.0, 50.0, "dog"))
    stub.draw(stub.by_our_id("here-2")[0])
    poll = queue.poll(refs, since=None)
    said = {one.task: one.boxes for one in poll.annotations}
    assert close(said.pop("here-1"), DRAWN)
    assert said == {"here-2": ()}
    assert poll.problems == ()
    assert {one.author for one in poll.annotations} == {"ann@example.com"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"rotation": 12.0}, "turned"),
        ({"rectanglelabels": ["owl"]}, "expected one of 2 class names"),
        ({"rectanglelabels": []}, "one class each"),
        ({"width": -3.0}, "left < right"),
        ({"x": None}, "a place and a size"),
    ],
)
def test_a_rectangle_that_makes_no_sense_is_told(
    studio: Any, change: dict[str, Any], said: str
) -> None:
    stub, queue = studio
    tasks = some_tasks(1, prediction=-1)
    refs = refs_of(tasks, queue.put(tasks))
    number = stub.by_our_id("here-1")[0]
    stub.draw(number, (25.0, 50.0, 50.0, 50.0, "dog"))
    stub.tasks[number]["annotations"][0]["result"][0]["value"].update(change)
    poll = queue.poll(refs, since=None)
    assert poll.annotations == ()
    assert len(poll.problems) == 1
    assert said in poll.problems[0]


def test_a_project_for_classes_is_not_taken_for_boxes(studio: Any) -> None:
    stub, queue = studio
    with ReceiverServer(stub).running() as url:
        other = LabelStudioQueue(url, MARK, class_names=NAMES, title="vigil")
        other.put(some_tasks(1))
        other.close()
    with pytest.raises(LabelQueueError, match="expected RectangleLabels named 'boxes'"):
        queue.put(some_tasks(1))


def test_cvat_shows_the_models_boxes_and_gives_back_a_finished_jobs(cvat: Any) -> None:
    """Pixels there, shares here; a frame without a box has no object, once the job is done."""
    stub, queue = cvat
    tasks = some_tasks(3, prediction=-1, boxes=(MODEL,))
    refs = refs_of(tasks, queue.put(tasks))
    assert {one["type"] for one in stub.labels} == {"rectangle"}
    (task,) = stub.tasks.values()
    assert [one["points"] for one in task["shapes"]] == [pytest.approx([20, 20, 100, 60])] * 3
    stub.draw("here-1", (50.0, 50.0, 150.0, 100.0, "dog"))
    stub.draw("here-2")
    assert queue.poll(refs, since=None).annotations == ()
    stub.complete("here-1")
    poll = queue.poll(refs, since=None)
    said = {one.task: one.boxes for one in poll.annotations}
    assert close(said["here-1"], DRAWN)
    assert said["here-2"] == ()
    assert close(said["here-3"], MODEL)  # nobody moved it: then it is right
    assert poll.problems == ()
    queue.withdraw(refs[1:2])
    assert "here-2" not in {one.task for one in queue.poll(refs, since=None).annotations}


def test_a_shape_that_is_no_upright_rectangle_is_told(cvat: Any) -> None:
    stub, queue = cvat
    tasks = some_tasks(2, prediction=-1)
    refs = refs_of(tasks, queue.put(tasks))
    for name, change in (("here-1", {"type": "polygon"}), ("here-2", {"rotation": 30.0})):
        stub.draw(name, (50.0, 50.0, 150.0, 100.0, "dog"))
        (task,) = stub.tasks.values()
        task["shapes"][-1].update(change)
    stub.complete("here-1")
    poll = queue.poll(refs, since=None)
    assert poll.annotations == ()
    assert [one.split(": ")[1] for one in poll.problems] == [
        "expected rectangles, found something else",
        "expected upright boxes, found a turned one",
    ]
