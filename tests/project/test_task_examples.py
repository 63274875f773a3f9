"""The examples of docs/tasks.md run as they stand, and nothing of them is dropped or refused."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from vigil.measuring.own_signals import signal as declare
from vigil.recording import given
from vigil.shipping.transport import Receipt
from vigil.signals.declare import DECLARED, MEASURED
from vigil.windows.window import Window

PAGE = Path(__file__).parents[2] / "docs" / "tasks.md"
EXAMPLES = re.findall(r"## ([^\n]+)\n[^#]*?```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)


class Kept:
    """A service that takes everything and has no baseline."""

    def __init__(self, *_: Any, **__: Any) -> None:
        self.windows: list[Window] = []
        KEPT.append(self)

    def send(self, blobs: Sequence[bytes]) -> list[Receipt]:
        found = [Window.from_bytes(blob) for blob in blobs]
        self.windows += found
        return [
            Receipt(source=w.source, boot=w.boot, sequence=w.sequence, status="accepted")
            for w in found
        ]

    def send_labels(self, labels: Sequence[dict[str, Any]]) -> dict[str, Any]:
        return {}

    def ruler(self, model: str, version: str) -> bytes | None:
        return None


KEPT: list[Kept] = []


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    assert callable(declare)
    monkeypatch.setattr(given, "HttpTransport", Kept)
    KEPT.clear()
    before, measured = dict(DECLARED), dict(MEASURED)
    yield
    for table, was in ((DECLARED, before), (MEASURED, measured)):
        table.clear()
        table.update(was)


@pytest.mark.parametrize(("title", "code"), EXAMPLES, ids=[title for title, _ in EXAMPLES])
def test_an_example_runs_and_its_windows_arrive(title: str, code: str) -> None:
    names: dict[str, Any] = {}
    exec(compile(code, f"{PAGE.name}: {title}", "exec"), names)  # our own documentation
    tap = names["tap"]
    assert tap.dropped == {}
    assert tap.stats()["signals_refused"] == {}
    records = sum(w.summary.total_records for kept in KEPT for w in kept.windows)
    assert records == tap.stats()["recorded"] > 0
    layouts = [w.summary.layout for kept in KEPT for w in kept.windows if len(w.summary.cells)]
    assert {layout.task for layout in layouts} == {tap._measure.task}


def test_every_task_has_an_example() -> None:
    from vigil.types import TASKS

    code = "\n".join(code for _, code in EXAMPLES)
    assert [task for task in TASKS if f'task="{task}"' not in code] == []
