"""Each kind of label queue beside its system, seen alike."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fsspec
from stub_receivers.server import ReceiverServer

from alerts.actions.queues.cvat import CvatQueue
from alerts.actions.queues.files import FileLabelQueue
from alerts.actions.queues.label_studio import LabelStudioQueue
from alerts.actions.queues.labelbox import LabelboxQueue
from alerts.actions.queues.labels import class_of
from alerts.actions.queues.memory import MemoryLabelQueue
from alerts.actions.queues.protocol import NONE_CHOICE, LabelQueue, LabelTask
from stub_queues.cvat import CvatStub
from stub_queues.label_studio import LabelStudioStub
from stub_queues.labelbox import DATASET, PROJECT, LabelboxStub

MARK = "MarkedSecret0123456789abcdefghij"
NAMES = ("cat & <dog>", "dog", "owl")
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Rig:
    """Args:
    queue: on its system.
    say: a person labels a task, by its id, with a class name.
    held: how often the system holds a task, by its id.
    server: the system over HTTP, where it is one.
    again: another process's queue on the same system.
    system: the stub behind the server.
    """

    queue: LabelQueue
    say: Callable[[LabelTask, str], None]
    held: Callable[[LabelTask], int]
    again: Callable[[], LabelQueue]
    server: ReceiverServer | None = None
    system: Any = None


@contextmanager
def memory(folder: Path) -> Iterator[Rig]:
    queue = MemoryLabelQueue()
    yield Rig(
        queue=queue,
        say=lambda task, name: queue.annotate(task.id, class_of(name, NAMES), at=NOW),
        held=lambda task: int(task.id in queue.tasks),
        again=lambda: queue,
    )


def _files(url: str) -> Rig:
    files, root = fsspec.core.url_to_fs(url)

    def say(task: LabelTask, name: str) -> None:
        path = f"{root}/{task.batch}/labels.jsonl"
        before = files.cat_file(path) if files.exists(path) else b""
        line = json.dumps({"record_id": task.record_id, "label": name, "author": "ann"})
        files.pipe_file(path, before + line.encode() + b"\n")

    def held(task: LabelTask) -> int:
        path = f"{root}/{task.batch}/items.jsonl"
        lines = files.cat_file(path).splitlines() if files.exists(path) else []
        return sum(json.loads(line)["task"] == task.id for line in lines)

    def opened() -> FileLabelQueue:
        return FileLabelQueue(url, class_names=NAMES)

    return Rig(queue=opened(), say=say, held=held, again=opened)


@contextmanager
def folder(folder: Path) -> Iterator[Rig]:
    yield _files(str(folder / "queue"))


@contextmanager
def bucket(folder: Path) -> Iterator[Rig]:
    """A store of objects, as fsspec keeps one in memory."""
    yield _files(f"memory://labels-{folder.name}")


@contextmanager
def label_studio(folder: Path) -> Iterator[Rig]:
    stub = LabelStudioStub(MARK, NOW)
    server = ReceiverServer(stub)
    with server.running() as url, ExitStack() as stack:

        def opened() -> LabelStudioQueue:
            queue = LabelStudioQueue(url, MARK, class_names=NAMES, title="vigil", timeout_s=0.5)
            stack.callback(queue.close)
            return queue

        yield Rig(
            queue=opened(),
            say=lambda task, name: void(stub.annotate(stub.by_our_id(task.id)[0], name)),
            held=lambda task: len(stub.by_our_id(task.id)),
            again=opened,
            server=server,
            system=stub,
        )


@contextmanager
def cvat(folder: Path) -> Iterator[Rig]:
    stub = CvatStub(MARK, NOW)
    server = ReceiverServer(stub)
    with server.running() as url, ExitStack() as stack:

        def opened() -> CvatQueue:
            queue = CvatQueue(url, MARK, class_names=NAMES, title="vigil", timeout_s=0.5)
            stack.callback(queue.close)
            return queue

        yield Rig(
            queue=opened(),
            say=lambda task, name: stub.label(task.id, name),
            held=lambda task: len(stub.held(task.id)),
            again=opened,
            server=server,
            system=stub,
        )


@contextmanager
def labelbox(folder: Path) -> Iterator[Rig]:
    stub = LabelboxStub(MARK, NOW, [*NAMES, NONE_CHOICE])
    server = ReceiverServer(stub)
    with server.running() as url, ExitStack() as stack:
        stub.address = url

        def opened() -> LabelboxQueue:
            queue = LabelboxQueue(
                MARK, class_names=NAMES, project=PROJECT, dataset=DATASET, url=url, timeout_s=0.5
            )
            stack.callback(queue.close)
            return queue

        yield Rig(
            queue=opened(),
            say=lambda task, name: stub.label(task.id, name),
            held=lambda task: stub.held(task.id),
            again=opened,
            server=server,
            system=stub,
        )


def void(_: object) -> None:
    return None


RIGS = {
    "memory": memory,
    "folder": folder,
    "bucket": bucket,
    "label-studio": label_studio,
    "cvat": cvat,
    "labelbox": labelbox,
}
SERVED = ("label-studio", "cvat", "labelbox")
