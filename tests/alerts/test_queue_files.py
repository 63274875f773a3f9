"""Tasks as files: what lies there, and what people may write back."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from label_tasks import PNG, refs_of, some_tasks

from alerts.actions.queues.files import FileLabelQueue
from alerts.actions.queues.protocol import NONE_OF_THESE, LabelQueueError, TaskRef
from vigil.clock import ManualClock

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
NAMES = ("cat", "dog", "owl")


@pytest.fixture
def queue(tmp_path):
    return FileLabelQueue(str(tmp_path / "queue"), class_names=NAMES, clock=ManualClock(NOW))


def test_the_folder_holds_lines_and_pictures(queue, tmp_path):
    """One JSON object a task, best first, with its reason and its picture."""
    tasks = some_tasks(3)
    placed = queue.put(tasks)
    folder = tmp_path / "queue" / "batch-1"
    lines = [json.loads(line) for line in (folder / "items.jsonl").read_text("utf-8").splitlines()]
    assert placed.location == str(folder)
    assert [line["task"] for line in lines] == [task.id for task in tasks]
    assert [line["rank"] for line in lines] == [1, 2, 3]
    assert all(line["reason"] and line["metadata"] == {"site": "harbour"} for line in lines)
    assert [(folder / line["image"]).read_bytes() for line in lines] == [PNG] * 3
    assert sorted(one.name for one in folder.rglob("*") if one.is_file()) == [
        "0001.png",
        "0002.png",
        "0003.png",
        "items.jsonl",
    ]


def test_without_pixels_the_lines_still_come(queue, tmp_path):
    """The uri and the metadata lead to the image; none is invented."""
    queue.put(some_tasks(1, image=None, uri="s3://in/1.jpg"))
    (line,) = (tmp_path / "queue" / "batch-1" / "items.jsonl").read_text().splitlines()
    assert (json.loads(line)["image"], json.loads(line)["uri"]) == (None, "s3://in/1.jpg")
    assert not (tmp_path / "queue" / "batch-1" / "images").exists()


def test_killed_before_the_list_was_written_it_starts_again(queue, tmp_path, monkeypatch):
    """Pictures without a list are no batch; the next try completes it."""
    write = FileLabelQueue._write

    def dies_at_the_list(self, name, raw):
        if name.endswith("items.jsonl"):
            raise KeyboardInterrupt
        write(self, name, raw)

    with monkeypatch.context() as patch:
        patch.setattr(FileLabelQueue, "_write", dies_at_the_list)
        with pytest.raises(KeyboardInterrupt):
            queue.put(some_tasks(2))
    assert not (tmp_path / "queue" / "batch-1" / "items.jsonl").exists()
    queue.put(some_tasks(2))
    assert len((tmp_path / "queue" / "batch-1" / "items.jsonl").read_text().splitlines()) == 2


def test_a_batch_name_can_not_leave_the_queue(queue):
    """Nor hide in it."""
    for name in ("../up", "a/b", "", ".hidden", "x" * 201):
        with pytest.raises(LabelQueueError, match="batch name"):
            queue.put(some_tasks(1, batch=name))


def test_a_queue_that_can_not_be_written_says_where(tmp_path):
    """And what stands in the way."""
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(LabelQueueError, match=r"file/batch-1: .*exists|file/batch-1: Not a dir"):
        FileLabelQueue(str(blocked)).put(some_tasks(1))


def returned(queue, tmp_path, *lines: object, tasks=None, end: str = "\n"):
    tasks = tasks or some_tasks(3)
    placed = queue.put(tasks)
    text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    (tmp_path / "queue" / "batch-1" / "labels.jsonl").write_text(text + end)
    return queue.poll(refs_of(tasks, placed), since=None)


def test_labels_come_back_by_record_or_task_by_name_or_number(queue, tmp_path):
    """What a line leaves out is filled in: no author, now."""
    poll = returned(
        queue,
        tmp_path,
        {"record_id": "r1", "label": "dog"},
        {"task": "here-2", "label": 2, "author": "ann", "at": "2026-11-21T11:00:00Z"},
        {"record_id": "r3", "label": "none of these", "author": "bob", "lead_time_s": 4.5},
        {"record_id": "someone-elses", "label": 0},
    )
    assert [(one.task, one.label, one.author) for one in poll.annotations] == [
        ("here-1", 1, ""),
        ("here-2", 2, "ann"),
        ("here-3", NONE_OF_THESE, "bob"),
    ]
    assert [one.at for one in poll.annotations] == [NOW, NOW - timedelta(hours=1), NOW]
    assert poll.annotations[2].lead_time_s == 4.5
    assert poll.problems == ()


def test_a_line_that_can_not_be_read_is_told_with_its_number(queue, tmp_path):
    """The others count."""
    poll = returned(
        queue,
        tmp_path,
        "{",
        "[]",
        {"label": 1},
        {"record_id": "r1", "label": "horse"},
        {"record_id": "r1", "label": 3},
        {"record_id": "r1", "label": True},
        {"record_id": "r1", "label": 1, "at": "soon"},
        {"record_id": "r1", "label": 1, "lead_time_s": -1},
        {"record_id": "r2", "label": 1},
    )
    assert [one.task for one in poll.annotations] == ["here-2"]
    assert [problem.split("labels.jsonl: ")[1].split(":")[0] for problem in poll.problems] == [
        f"line {n}" for n in range(1, 9)
    ]


def test_bytes_that_are_no_text_and_endless_nesting_harm_no_other_line(queue, tmp_path):
    placed = queue.put(some_tasks(2))
    good = b'{"record_id": "r2", "label": 1}\n'
    raw = b"\xff\xfe\n" + b"[" * 100_000 + b"\n\n" + good
    (tmp_path / "queue" / "batch-1" / "labels.jsonl").write_bytes(raw)
    poll = queue.poll(refs_of(some_tasks(2), placed), since=None)
    assert [one.task for one in poll.annotations] == ["here-2"]
    assert [one.partition("labels.jsonl: ")[2] for one in poll.problems] == [
        "line 1: not JSON",
        "line 2: not JSON",
    ]


def test_the_last_line_counts_once_it_ends(queue, tmp_path):
    """Someone is still writing it."""
    line = {"record_id": "r1", "label": 1}
    assert returned(queue, tmp_path, line, end="").annotations == ()
    assert len(returned(queue, tmp_path, line).annotations) == 1


def test_the_same_line_is_the_same_annotation_and_another_label_is_another(queue, tmp_path):
    """So that a file that is read again, or added to, counts nothing twice."""
    first = returned(queue, tmp_path, {"record_id": "r1", "label": 1, "author": "ann"})
    second = returned(
        queue,
        tmp_path,
        {"record_id": "r1", "label": 1, "author": "ann"},
        {"record_id": "r1", "label": 2, "author": "bob"},
    )
    assert first.annotations[0].external_id == second.annotations[0].external_id
    assert len({one.external_id for one in second.annotations}) == 2


def test_coco_and_yolo_lie_beside_the_list_and_forget_what_is_withdrawn(tmp_path):
    """With the classes, and what the model said around the whole image."""
    queue = FileLabelQueue(str(tmp_path), class_names=NAMES, formats=("coco", "yolo"))
    tasks = some_tasks(3)
    placed = queue.put(tasks)
    folder = tmp_path / "batch-1"
    coco = json.loads((folder / "coco.json").read_text())
    assert [one["name"] for one in coco["categories"]] == list(NAMES)
    assert [(one["file_name"], one["width"], one["height"]) for one in coco["images"]] == [
        (f"images/000{k}.png", 1, 1) for k in (1, 2, 3)
    ]
    assert {(one["image_id"], one["category_id"]) for one in coco["annotations"]} == {
        (1, 2),
        (2, 2),
        (3, 2),
    }
    assert (folder / "labels" / "0002.txt").read_text() == "1 0.5 0.5 1 1\n"
    assert '1: "dog"' in (folder / "data.yaml").read_text()
    queue.withdraw(refs_of(tasks, placed)[:1])
    coco = json.loads((folder / "coco.json").read_text())
    assert [one["id"] for one in coco["images"]] == [2, 3]
    assert [one["image_id"] for one in coco["annotations"]] == [2, 3]
    assert sorted(one.name for one in (folder / "labels").iterdir()) == ["0002.txt", "0003.txt"]
    assert "here-1" not in "".join(one.read_text() for one in folder.glob("*.json*"))


@pytest.mark.parametrize("kind", ["coco", "yolo"])
def test_pictures_of_a_batch_whose_list_never_came_are_taken_out(tmp_path, kind) -> None:
    """Killed between the pictures and the list, then forgotten."""

    class Killed(FileLabelQueue):
        def _write_list(self, batch, lines):
            raise KeyboardInterrupt

    tasks = some_tasks(2)
    with pytest.raises(KeyboardInterrupt):
        Killed(str(tmp_path), formats=(kind,)).put(tasks)
    assert len(list(tmp_path.rglob("*.png"))) == 2
    refs = [TaskRef(id=one.id, external_id="", batch=one.batch, record_id="") for one in tasks]
    FileLabelQueue(str(tmp_path), formats=(kind,)).withdraw(refs)
    assert list(tmp_path.rglob("*.png")) == []
    assert list(tmp_path.rglob("labels/*.txt")) == []
    coco = list(tmp_path.rglob("coco.json"))
    assert all(json.loads(one.read_text())["images"] == [] for one in coco)
