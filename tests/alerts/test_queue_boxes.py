"""Boxes that people draw: in a folder's files, as every tool writes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from label_tasks import refs_of, some_tasks

from alerts.actions.queues.boxes import Box, box_of
from alerts.actions.queues.files import FileLabelQueue

NAMES = ("cat", "dog")
BOX = Box(sides=(0.25, 0.5, 0.75, 1.0), label=1)


@pytest.fixture
def queue(tmp_path: Path) -> FileLabelQueue:
    return FileLabelQueue(str(tmp_path), class_names=NAMES, formats=("coco", "yolo"))


def found(queue: FileLabelQueue, folder: Path, files: dict[str, Any], n: int = 3) -> Any:
    """What comes back of these tasks, once a person wrote these files."""
    tasks = some_tasks(n, prediction=-1)
    refs = refs_of(tasks, queue.put(tasks))
    for name, content in files.items():
        path = folder / "batch-1" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    poll = queue.poll(refs, since=None)
    return {one.task: one.boxes for one in poll.annotations}, poll.problems


def test_lines_hold_boxes_in_place_of_a_label(queue: FileLabelQueue, tmp_path: Path) -> None:
    """By class name or number; an empty list is an image without an object."""
    lines = [
        {"record_id": "r1", "boxes": [{"box": [0.25, 0.5, 0.75, 1.0], "label": "dog"}]},
        {"record_id": "r2", "boxes": []},
        {"record_id": "r3", "boxes": [{"box": [0.5, 0.5, 0.25, 1.0], "label": 1}]},
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    boxes, problems = found(queue, tmp_path, {"labels.jsonl": text})
    assert boxes == {"here-1": (BOX,), "here-2": ()}
    assert len(problems) == 1
    assert "line 3: box: expected left < right" in problems[0]


def coco(**info: Any) -> dict[str, Any]:
    return {
        "info": info,
        "categories": [{"id": 7, "name": "dog"}],
        "images": [
            {"id": 1, "file_name": "images/0001.png", "width": 200, "height": 100},
            {"id": 2, "file_name": "x.png", "record_id": "r2", "width": 200, "height": 100},
            {"id": 9, "file_name": "another.png", "width": 200, "height": 100},
        ],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 7, "bbox": [50, 50, 100, 50]},
            {"id": 2, "image_id": 9, "category_id": 7, "bbox": [50, 50, 100, 50]},
        ],
    }


def test_coco_comes_back_by_the_names_of_its_images(queue: FileLabelQueue, tmp_path: Path) -> None:
    """An image without annotations was perhaps not looked at, unless the file says it is done."""
    assert found(queue, tmp_path, {"labels.coco.json": coco()}) == ({"here-1": (BOX,)}, ())
    complete, _ = found(queue, tmp_path, {"labels.coco.json": coco(complete=True)})
    assert complete == {"here-1": (BOX,), "here-2": ()}


def test_what_vigil_wrote_itself_is_no_label(queue: FileLabelQueue, tmp_path: Path) -> None:
    """The exported files hold what the model drew."""
    tasks = some_tasks(2, prediction=-1, boxes=(BOX,))
    refs = refs_of(tasks, queue.put(tasks))
    assert queue.poll(refs, since=None).annotations == ()
    folder = tmp_path / "batch-1"
    written = json.loads((folder / "coco.json").read_text())
    assert [one["bbox"] for one in written["annotations"]] == [[0.25, 0.5, 0.5, 0.5]] * 2
    assert (folder / "labels/0001.txt").read_text() == "1 0.5 0.75 0.5 0.5\n"
    # A labeller who saves the model's boxes as right has said so.
    written["info"]["complete"] = True
    (folder / "labels.coco.json").write_text(json.dumps(written))
    assert {one.boxes for one in queue.poll(refs, since=None).annotations} == {(BOX,)}


@pytest.mark.parametrize("broken", ["{", "[]", '{"images": 3}', '{"images": [], "categories": []}'])
def test_a_file_that_is_no_coco_is_told(queue: FileLabelQueue, tmp_path: Path, broken: str) -> None:
    boxes, problems = found(queue, tmp_path, {"labels.coco.json": broken})
    assert boxes == {}
    assert "labels.coco.json: expected images, categories and annotations" in problems[0]


@pytest.mark.parametrize(
    "change",
    [
        {"bbox": [50, 50, 100]},
        {"bbox": [50, 50, -100, 50]},
        {"bbox": [50, 50, 1000, 50]},
        {"bbox": ["a", 50, 100, 50]},
        {"category_id": 8},
    ],
)
def test_an_image_with_a_box_that_makes_no_sense_is_told_and_the_others_count(
    queue: FileLabelQueue, tmp_path: Path, change: dict[str, Any]
) -> None:
    plain = coco()
    second = {"id": 3, "image_id": 2, "category_id": 7, "bbox": [50, 50, 100, 50], **change}
    plain["annotations"].append(second)
    boxes, problems = found(queue, tmp_path, {"labels.coco.json": plain})
    assert boxes == {"here-1": (BOX,)}
    assert len(problems) == 1
    assert "labels.coco.json: image 2: " in problems[0]


def test_yolo_comes_back_a_file_an_image(queue: FileLabelQueue, tmp_path: Path) -> None:
    """An empty file says that nothing is there; one of an unknown image says nothing."""
    files = {
        "labelled/0001.txt": "1 0.5 0.75 0.5 0.5\n\n",
        "labelled/0002.txt": "",
        "labelled/0003.txt": "1 0.5 0.75 wide 0.5\n",
        "labelled/0099.txt": "1 0.5 0.75 0.5 0.5\n",
    }
    boxes, problems = found(queue, tmp_path, files)
    assert boxes == {"here-1": (BOX,), "here-2": ()}
    assert len(problems) == 1
    assert problems[0].endswith("labelled/0003.txt: line 1: expected five numbers")


def test_a_hand_that_slips_over_the_edge_is_forgiven() -> None:
    assert box_of((-0.005, 0.5, 0.5, 1.004), 0, NAMES).sides == (0.0, 0.5, 0.5, 1.0)
    with pytest.raises(ValueError, match="in shares of the image"):
        box_of((-0.1, 0.5, 0.5, 1.0), 0, NAMES)
    with pytest.raises(ValueError, match="has no box"):
        box_of((0.1, 0.5, 0.5, 1.0), "none of these", NAMES)


def test_the_same_boxes_are_the_same_annotation(queue: FileLabelQueue, tmp_path: Path) -> None:
    tasks = some_tasks(1, prediction=-1)
    refs = refs_of(tasks, queue.put(tasks))
    (tmp_path / "batch-1/labels.coco.json").write_text(json.dumps(coco()))
    first, second = (queue.poll(refs, since=None).annotations[0] for _ in range(2))
    assert first.external_id == second.external_id
