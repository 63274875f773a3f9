"""Images of an incident are queued once; a folder that can't take them is tried again, then not."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import small_fleet as fleet
from rsp_stage import FAMILY, Stage

from alerts.actions.queues.files import FileLabelQueue
from alerts.actions.queues.memory import MemoryLabelQueue
from alerts.actions.queues.protocol import LabelQueueError, Placed
from monitor.response.relabel import Relabelling
from monitor.store.tables import IncidentRow, LabelTaskRow
from vigil.types import Cause

SHIFTED = replace(fleet.HEALTHY, version="v2", temper=0.5)


class Dead(BaseException):
    """The process dies here."""


class Full(MemoryLabelQueue):
    """A queue that has no room the first ``times`` times."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times, self.tries = times, 0

    def put(self, tasks) -> Placed:  # type: ignore[no-untyped-def]
        self.tries += 1
        if self.tries <= self.times:
            raise LabelQueueError("labels: No space left on device")
        return super().put(tasks)


def ready(stage: Stage, queue) -> int:  # type: ignore[no-untyped-def]
    stage.baselines()
    stage.traffic(SHIFTED)
    stage.queues[FAMILY] = queue
    stage.wire()
    return stage.to_label()[1]


def work(stage: Stage, steps: int = 4, each_s: float = 3.0) -> None:
    for _ in range(steps):
        stage.worker.run_due()
        stage.clock.advance(each_s)


def items(stage: Stage) -> list[LabelTaskRow]:
    with stage.services.sessions() as session:
        return list(session.query(LabelTaskRow).order_by(LabelTaskRow.rank))


def test_images_are_queued_once_a_while_after_the_alarm(stage: Stage):
    queue = MemoryLabelQueue()
    action = ready(stage, queue)
    stage.clock.advance(4.9)
    stage.worker.run_due()
    assert (stage.action(action).state, queue.tasks) == ("proposed", {})
    work(stage, steps=3)
    row = stage.action(action)
    assert (row.state, row.result["items"]) == ("done", 10)
    picked = list(queue.tasks.values())
    assert [item.record_id for item in items(stage)] == [one.record_id for one in picked]
    assert {item.state for item in items(stage)} == {"queued"}
    assert "Queued 10 images" in stage.messages()[-1].message["note"]
    work(stage, steps=3)
    assert len(queue.tasks) == len(items(stage)) == 10


def test_a_process_killed_after_the_queue_took_them_queues_none_twice(
    stage: Stage, tmp_path: Path, monkeypatch
):
    """The rows name what lies in the folder, though more windows came meanwhile."""
    action = ready(stage, FileLabelQueue(str(tmp_path / "labels")))
    stage.clock.advance(6.0)

    def die(*_: object, **__: object) -> None:
        raise Dead

    with monkeypatch.context() as patch:
        patch.setattr(Relabelling, "_done", die)
        with pytest.raises(Dead):
            stage.worker.run_due()
    (batch,) = (tmp_path / "labels").iterdir()
    stage.clock.advance(30.0)
    stage.traffic(replace(SHIFTED, temper=0.1), first=fleet.FIRST + 8)
    work(stage)
    assert stage.action(action).state == "done"
    assert [one.name for one in (tmp_path / "labels").iterdir()] == [batch.name]
    lines = (batch / "items.jsonl").read_text().splitlines()
    assert [item.record_id for item in items(stage)] == [
        json.loads(line)["record_id"] for line in lines
    ]


def test_a_process_killed_after_it_wrote_down_its_picks_queues_just_these(
    stage: Stage, tmp_path: Path, monkeypatch
):
    """More windows came meanwhile: what was written down counts."""
    action = ready(stage, FileLabelQueue(str(tmp_path / "labels")))
    stage.clock.advance(6.0)

    def die(*_: object, **__: object) -> None:
        raise Dead

    with monkeypatch.context() as patch:
        patch.setattr("monitor.response.relabel.send", die)
        with pytest.raises(Dead):
            stage.worker.run_due()
    picked = [item.record_id for item in items(stage)]
    assert len(picked) == 10
    assert {item.state for item in items(stage)} == {"picked"}
    stage.traffic(replace(SHIFTED, temper=0.1), first=fleet.FIRST + 8)
    work(stage)
    assert stage.action(action).state == "done"
    assert [item.record_id for item in items(stage)] == picked
    (lines,) = (tmp_path / "labels").glob("*/items.jsonl")
    assert [json.loads(line)["record_id"] for line in lines.read_text().splitlines()] == picked


def test_for_a_false_alarm_nothing_is_picked(lone_stage: Stage):
    queue = MemoryLabelQueue()
    action = ready(lone_stage, queue)
    with lone_stage.services.sessions.begin() as session:
        for row in session.query(IncidentRow):
            row.disposition = "false_alarm"
    work(lone_stage)
    row = lone_stage.action(action)
    assert (row.state, queue.tasks) == ("failed", {})
    assert "false alarm" in row.result["text"]


def test_a_full_folder_is_tried_again(stage: Stage):
    queue = Full(3)
    action = ready(stage, queue)
    work(stage, steps=12, each_s=10.0)
    assert (stage.action(action).state, queue.tries) == ("done", 4)


def test_a_folder_that_stays_full_is_given_up_and_people_are_told(stage: Stage):
    queue = Full(10**6)
    action = ready(stage, queue)
    work(stage, steps=60, each_s=60.0)
    row = stage.action(action)
    assert row.state == "failed"
    assert "No space left on device" in row.result["text"]
    assert "No space left" in stage.messages()[-1].message["note"]
    tries = queue.tries
    work(stage, steps=5, each_s=60.0)
    assert queue.tries == tries
    assert [message.event for message in stage.messages()] == ["trigger"]


def test_a_folder_that_is_in_the_way_of_a_file_is_tried_again_when_it_is_gone(
    lone_stage: Stage, tmp_path: Path
):
    folder = tmp_path / "labels"
    folder.write_text("a file")
    action = ready(lone_stage, FileLabelQueue(str(folder)))
    work(lone_stage, steps=5)
    assert lone_stage.action(action).state == "proposed"
    os.remove(folder)
    work(lone_stage, steps=5, each_s=30.0)
    assert lone_stage.action(action).state == "done"
    shutil.rmtree(folder)


def test_without_any_sample_it_says_so(lone_stage: Stage):
    queue = MemoryLabelQueue()
    lone_stage.queues[FAMILY] = queue
    lone_stage.wire()
    _, action = lone_stage.to_label()
    work(lone_stage)
    row = lone_stage.action(action)
    assert (row.state, row.result["items"]) == ("done", 0)
    assert "the sample is empty" in row.result["text"]


def test_a_queue_that_left_the_configuration_ends_the_action(lone_stage: Stage):
    lone_stage.wire()
    _, action = lone_stage.to_label()
    work(lone_stage, steps=3)
    assert lone_stage.action(action).state == "failed"


@pytest.mark.parametrize("cause", [Cause.MODEL_REGRESSION, Cause.INPUT_FAULT, Cause.NO_DATA])
def test_other_causes_call_for_no_labels(lone_stage: Stage, cause: Cause):
    with pytest.raises(AssertionError):
        lone_stage.to_label(cause=cause)
