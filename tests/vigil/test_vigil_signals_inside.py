"""Handlers of signals, and finalisers, that call a tap in the middle of a call of their thread."""

from __future__ import annotations

import gc
import json
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vigil import Tap
from vigil.ring import layout
from vigil.ring.memory import Memory
from vigil.ring.reader import Reader
from vigil.ring.writer import Writer
from vigil.shipping.transport import MemoryTransport

ROOT = Path(__file__).resolve().parents[2]
BEGIN = """
    import json, os, signal, sys, time
    import numpy as np
    from vigil import Tap
    from vigil.ring import writer
    from vigil.shipping.transport import MemoryTransport
    given = {"sidecar": sys.argv[1]} if len(sys.argv) > 1 else {"transport": MemoryTransport()}
    tap = Tap("reader", "v1", queue_bytes=2**22, **given)
    def record(n):
        return tap.record(outputs=np.full((n, 2), 0.5))
"""


def run(program: str, *arguments: Path) -> Any:
    """What a process printed; one that hangs is ended and fails the test."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(BEGIN) + textwrap.dedent(program), *arguments],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
    )
    return json.loads(done.stdout)


@pytest.mark.parametrize("beside", [False, True], ids=["library", "sidecar"])
def test_a_handler_that_records_while_a_slot_is_reserved_is_dropped_and_counted(tmp_path, beside):
    """The lock is held by the handler's own thread: to wait for it would be for ever."""
    said = run(
        """
    found = []
    def handler(*_):
        found.append([len(record(4)), tap.label("a", 1), tap.lose("corrupt", 2)])
    signal.signal(signal.SIGUSR1, handler)
    real = writer.fence
    def interrupted():
        if not found:
            signal.raise_signal(signal.SIGUSR1)
        real()
    writer.fence = interrupted
    names = record(3)
    print(json.dumps([found, len(names), tap.dropped, tap.stats()["recorded"],
                      tap.stats()["labels_refused"], len(record(5)), tap.dropped]))
    tap.close(0)
    """,
        *([tmp_path / "rings"] if beside else []),
    )
    dropped = {"reentrant": 4, "corrupt": 2}
    assert said == [[[4, 0, None]], 3, dropped, 3, 1, 5, dropped]


def test_handlers_at_any_moment_lose_no_record_uncounted(tmp_path):
    """A timer interrupts every quarter of a millisecond, and records too."""
    said = run(
        """
    handed = []
    def handler(*_):
        handed.append(len(record(1)))
    signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.00025, 0.00025)
    for _ in range(4000):
        handed.append(len(record(2)))
    signal.setitimer(signal.ITIMER_REAL, 0)
    print(json.dumps([sum(handed), tap.stats()["recorded"], tap.dropped]))
    os._exit(0)
    """,
        tmp_path / "rings",
    )
    handed, recorded, dropped = said
    assert recorded + sum(dropped.values()) == handed
    assert recorded > 8000
    assert set(dropped) <= {"reentrant"}


class _StopError(BaseException):
    """As ``KeyboardInterrupt`` is."""


def once(number: int) -> Callable[[], None]:
    """Sends this process a signal, the first time."""
    sent: list[int] = []

    def send() -> None:
        if not sent:
            sent.append(number)
            signal.raise_signal(number)

    return send


@pytest.fixture
def raising() -> Iterator[None]:
    """SIGUSR1 raises in whatever its thread does."""

    def handler(*_: object) -> None:
        raise _StopError

    before = signal.signal(signal.SIGUSR1, handler)
    yield
    signal.signal(signal.SIGUSR1, before)


def test_a_slot_whose_reserving_was_interrupted_holds_nobody_up(raising, monkeypatch):
    """Such as by Ctrl-C, which the program then survives: the reader goes on behind it."""
    memory = Memory.private(64 * 1024)
    writer = Writer(memory, max_records=100, max_bytes=2**16)

    monkeypatch.setattr("vigil.ring.writer.fence", once(signal.SIGUSR1))
    with pytest.raises(_StopError):
        writer.reserve(layout.CALL, 100, 3)
    monkeypatch.undo()
    at = writer.reserve(layout.CALL, 100, 2)
    assert at is not None
    writer.commit(at)
    reader = Reader(memory)
    slot = reader.next()
    assert slot is not None
    assert (slot.records, writer.recorded, reader.torn) == (2, 2, 0)


def test_a_thread_that_was_interrupted_records_again(raising, monkeypatch):
    tap = Tap("reader", "v1", transport=MemoryTransport())
    outputs = np.full((2, 4), 0.25)

    monkeypatch.setattr("vigil.ring.writer.fence", once(signal.SIGUSR1))
    with pytest.raises(_StopError):
        tap.record(outputs=outputs)
    monkeypatch.undo()
    assert len(tap.record(outputs=outputs)) == 2
    assert tap.flush(10)
    assert (tap.stats()["recorded"], tap.dropped) == (2, {})
    tap.close()


def test_a_finaliser_that_records_in_the_middle_of_a_call_is_dropped_and_counted():
    """Python may collect garbage anywhere, here while the metadata is read."""
    tap = Tap("reader", "v1", transport=MemoryTransport())
    other = Tap("other", "v1", transport=MemoryTransport())
    outputs = np.full((2, 4), 0.25)

    class Last:
        def __init__(self) -> None:
            self.me = self

        def __del__(self) -> None:
            tap.record(outputs=outputs)
            other.record(outputs=outputs)

    class Site:
        def __str__(self) -> str:
            gc.collect()
            return "a"

    Last()
    assert len(tap.record(outputs=outputs, metadata={"site": Site()})) == 2
    assert tap.dropped == {"reentrant": 2}
    assert (tap.stats()["recorded"], other.stats()["recorded"], other.dropped) == (2, 2, {})
    tap.close()
    other.close()


class _Greedy:
    """Boxes as an array whose numbers must not be looked at."""

    shape = (100_000, 5)

    def tolist(self) -> None:
        raise AssertionError("looked at before its size")


class _Endless:
    """Ids without a number of them."""

    def __init__(self) -> None:
        self.taken = 0

    def __iter__(self) -> Iterator[str]:
        while True:
            self.taken += 1
            yield "a"


def test_labels_of_another_size_than_their_ids_are_refused_before_they_are_looked_at():
    tap = Tap("reader", "v1", transport=MemoryTransport())
    names = list(tap.record(outputs=np.full((2, 4), 0.25)))
    assert tap.label(names, _Greedy()) == 0
    assert tap.label(names[0], [_Greedy(), _Greedy()]) == 0
    assert tap.stats()["labels_refused"] == 3
    endless = _Endless()
    assert tap.label(endless, 1) == 0
    assert endless.taken <= 100_001
    assert tap.label(["a"] * 100_001, _Greedy()) == 0
    assert tap.label(names, np.array([1, 0])) == 2
    assert tap.label(names[0], np.int64(3)) == 1
    tap.close()
