"""A sidecar may be killed between any two steps: nothing is lost, nothing is counted twice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sidecar_rig import Rig, counted, record, told

from monitor.sidecar.line import Line
from vigil.pipeline.journal import Journal
from vigil.ring.reader import Reader
from vigil.shipping.spool import DiskSpool


class Killed(BaseException):
    """The process ends here."""


POINTS = (
    (Journal, "write"),
    (DiskSpool, "write"),
    (DiskSpool, "remove"),
    (Reader, "release"),
    (Line, "remove"),
)


@pytest.fixture
def killer(monkeypatch) -> Callable[[int], list[int]]:
    """Ends the process at the n-th write that another process could see: before it, or after."""

    def arm(at: int) -> list[int]:
        seen = [0]

        def wrapped(original: Callable[..., Any]) -> Callable[..., Any]:
            def call(*args: Any, **kwargs: Any) -> Any:
                seen[0] += 1
                if seen[0] == at:
                    raise Killed
                result = original(*args, **kwargs)
                seen[0] += 1
                if seen[0] == at:
                    raise Killed
                return result

            return call

        monkeypatch.undo()
        for where, name in POINTS:
            monkeypatch.setattr(where, name, wrapped(getattr(where, name)))
        return seen

    return arm


def story(rig: Rig, minutes: int) -> int:
    """Records, labels and minutes that pass; the sidecar is replaced whenever it was killed."""
    tap = rig.tap(sample_size=2)
    sidecar, kills = rig.sidecar(), 0
    for minute in range(minutes + 2):
        if minute < minutes:
            ids = record(tap, 3 + minute)
            tap.label(ids[0], minute)
            tap.record(outputs=7)  # no length: one error
        if minute == minutes:
            tap.close()
        for _ in range(2):
            try:
                rig.step(sidecar)
                rig.ship(sidecar)
            except Killed:
                sidecar, kills = rig.sidecar(), kills + 1
        rig.clock.advance(37)
    return kills


@pytest.mark.parametrize("first", range(12))
def test_wherever_it_is_killed_every_record_is_counted_once(rings: Path, killer, first):
    """A twelfth of the places at a time."""
    at = first + 1
    while True:
        rig = Rig(rings / str(at) / "rings")
        rig.folder.parent.mkdir(parents=True)
        seen = killer(at)
        kills = story(rig, 4)
        windows = rig.windows()
        boot = rig.taps[0].boot
        expected = {(boot, number): 1 for number in range(3 + 4 + 5 + 6)}
        assert counted(windows) == expected, f"killed at {at}"
        assert told(windows) == {"error": 4}, f"killed at {at}"
        labels = {(row["id"], row["label"]) for row in rig.transport.labels}
        assert len(labels) == 4
        assert [w.final for w in windows].count(True) >= 1
        assert len({w.key for w in windows}) == len(windows)
        assert not [path for path in rig.folder.iterdir() if path.suffix in (".ring", ".journal")]
        if not kills:
            assert seen[0] < at
            return
        at += 12


def test_a_disk_that_is_full_loses_nothing_even_where_the_sidecar_is_killed(rings: Path):
    """Sealed windows stay in memory and in the journal; the disk and the service get them later."""
    rig = Rig(rings)
    rig.folder.mkdir(parents=True)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    tap = rig.tap()
    for _ in range(2):
        sidecar = rig.sidecar(sync=full)
        for _ in range(3):
            record(tap, 4)
            rig.step(sidecar)
            rig.clock.advance(60)
    rig.clock.advance(1)
    rig.step(sidecar)
    assert len(sidecar.spool.unsaved()) == 6
    assert not list(rig.spool.glob("*.vgl"))
    tap.close()
    rig.step(sidecar)
    assert sidecar.lines  # the ring and its journal stay until the disk takes the windows
    last = rig.sidecar()
    rig.step(last)
    assert not last.spool.unsaved()
    rig.ship(last)
    assert counted(rig.windows()) == {(tap.boot, number): 1 for number in range(24)}
    rig.step(last)
    assert not last.lines


def test_windows_that_wait_in_memory_are_shipped_from_there(rings: Path):
    rig = Rig(rings)
    tap = rig.tap()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    sidecar = rig.sidecar(sync=full)
    record(tap, 4)
    rig.step(sidecar)
    rig.clock.advance(61)
    rig.step(sidecar)
    rig.ship(sidecar)
    assert sum(counted(rig.windows()).values()) == 4
    assert not sidecar.spool.unsaved()
    tap.close()


def test_a_journal_that_can_not_be_written_costs_safety_and_no_records(rings: Path, monkeypatch):
    """The ring's own folder is full: windows end early instead of being written down."""
    rig = Rig(rings)
    tap, sidecar = rig.tap(), rig.sidecar()
    monkeypatch.setattr(
        "vigil.pipeline.journal.for_us", lambda *_: (_ for _ in ()).throw(OSError(28, "full"))
    )
    for _ in range(3):
        record(tap, 4)
        for line in sidecar.lines.values():
            line.pipeline._next_s = 0.0
        rig.step(sidecar)
        rig.clock.advance(60)
    (line,) = sidecar.lines.values()
    assert line._journal.failures > 0
    replaced = rig.sidecar()
    record(tap, 5)
    tap.close()
    rig.step(replaced)
    rig.ship(replaced)
    assert counted(rig.windows()) == {(tap.boot, number): 1 for number in range(17)}
