"""What lies in the folder of rings is not trusted, and one ring never costs another."""

from __future__ import annotations

import gc
import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sidecar_rig import Rig, counted, record

from vigil.ring import layout
from vigil.ring.memory import Memory
from vigil.windows import wire

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def rig(rings) -> Iterator[Rig]:
    one = Rig(rings)
    yield one
    one.close()


def ring_of(rig: Rig) -> Path:
    (path,) = rig.folder.glob("*.ring")
    return path


def poke(path: Path, change) -> None:
    memory, _ = Memory.open(path)
    change(memory)
    memory.let_go()


def first_slot(memory: Memory) -> int:
    return layout.HEADER_BYTES


def head_becomes(old: bytes, new: bytes):
    """Exchanges some bytes of the description in the first slot."""

    def change(memory: Memory) -> None:
        at = first_slot(memory)
        length = memory.words[(at >> 3) + layout.LENGTHS] >> 32
        start = at + layout.SLOT_HEADER
        head = bytes(memory.bytes[start : start + length])
        assert old in head
        memory.bytes[start : start + length] = head.replace(old, new)

    return change


def test_an_array_of_objects_in_a_ring_is_not_looked_at(rig):
    """Its bytes would be taken for addresses, and the sidecar would die with it."""
    tap = rig.tap()
    record(tap, 3)
    record(tap, 4)
    poke(ring_of(rig), head_becomes(b'"<f4"', b'"|O" '))
    program = (
        "import sys; sys.path.insert(0, 'tests/sidecar')\n"
        "from pathlib import Path\nfrom sidecar_rig import Rig\n"
        "rig = Rig(Path(sys.argv[1])); sidecar = rig.sidecar(); sidecar.step()\n"
        "(line,) = sidecar.lines.values()\n"
        "print(line.pipeline.records, dict(line.pipeline.dropped()))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(rig.folder)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "4 {'error': 3}"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'["outputs"],"a"', b'["outputs"],"t"'),  # more texts than there are
        (b'"parts":[', b'"parts":{'),
        (b'["outputs"]', b"[[[[[[[[[[]"),
    ],
)
def test_a_description_that_lies_costs_its_own_records_and_is_counted(rig, old, new):
    tap = rig.tap()
    record(tap, 3)
    record(tap, 4)
    poke(ring_of(rig), head_becomes(old, new))
    sidecar = rig.sidecar()
    rig.step(sidecar)
    (line,) = sidecar.lines.values()
    assert line.pipeline.records == 4
    assert line.pipeline.dropped() == {"error": 3}
    assert sidecar.failures == 0


@pytest.mark.parametrize(("stated", "lost"), [(2**62, {"torn": 1}), (100_000, {"error": 100_000})])
def test_a_slot_of_more_records_than_bytes_is_no_slot(rig, stated, lost):
    record(rig.tap(), 3)

    def change(memory: Memory) -> None:
        memory.words[(first_slot(memory) >> 3) + layout.RECORDS] = stated

    poke(ring_of(rig), change)
    sidecar = rig.sidecar()
    rig.step(sidecar)
    (line,) = sidecar.lines.values()
    assert line.pipeline.dropped() == lost
    assert sidecar.failures == 0


def test_a_head_beyond_the_ring_ends_in_a_count_and_not_in_a_circle(rig):
    record(rig.tap("a"), 3)

    def change(memory: Memory) -> None:
        memory.words[layout.HEAD] = 2**62

    poke(ring_of(rig), change)
    record(rig.tap("b"), 5)
    sidecar = rig.sidecar()
    rig.step(sidecar)
    found = {line.identity.model: line.pipeline for line in sidecar.lines.values()}
    assert found["b"].records == 5
    assert found["a"].dropped()["torn"] == 1


def test_a_ring_of_no_slots_is_not_read(rig):
    record(rig.tap(), 3)
    path = ring_of(rig)
    blob = bytearray(path.read_bytes()[: layout.HEADER_BYTES])
    blob[layout.CAPACITY_AT * 8 : layout.CAPACITY_AT * 8 + 8] = bytes(8)
    (rig.folder / "empty.ring").write_bytes(blob)
    sidecar = rig.sidecar()
    rig.step(sidecar)
    assert sidecar.unreadable.reasons == {"empty.ring": "damaged"}
    assert sidecar.failures == 0


def test_labels_that_are_none_cost_nobody_else(rig):
    tap = rig.tap()
    tap._home.label([{"id": "a", "label": 1}], 0.0)
    record(tap, 3)
    at = layout.HEADER_BYTES + layout.SLOT_HEADER

    def change(memory: Memory) -> None:
        length = memory.words[(layout.HEADER_BYTES >> 3) + layout.LENGTHS] >> 32
        memory.bytes[at : at + length] = json.dumps(["b"]).encode().ljust(length)

    poke(ring_of(rig), change)
    sidecar = rig.sidecar()
    rig.step(sidecar)
    (line,) = sidecar.lines.values()
    assert line.pipeline.records == 3
    assert sidecar.failures == 0


def test_a_journal_that_lies_does_not_stop_the_sidecar(rig):
    record(rig.tap("a"), 3)
    path = ring_of(rig)
    record(rig.tap("b"), 5)
    header = {
        "what": "journal",
        **dict.fromkeys(
            ("position", "sequence", "label_sequence", "order", "windows", "labels_refused"), 0
        ),
        **{"version": None, "forgotten": [], "labels": [], "sealed": [], "open": []},
        "dropped": ["late"],
        "totals": [],
    }
    path.with_suffix(".journal").write_bytes(wire.pack(header, {}))
    sidecar = rig.sidecar()
    rig.step(sidecar)
    assert "b" in {line.identity.model for line in sidecar.lines.values()}


def test_a_ring_that_is_written_faster_than_it_is_read_does_not_starve_the_others(rig):
    """Here each record that is read makes another."""
    busy, quiet = rig.tap("busy"), rig.tap("quiet")
    record(busy, 1)
    record(quiet, 5)
    sidecar = rig.sidecar()
    sidecar._look()
    (line,) = [one for one in sidecar.lines.values() if one.identity.model == "busy"]
    take, taken = line.pipeline.drain.take, []

    def take_and_record(**how):
        call = take(**how)
        if call is not None and len(taken) < 500:
            taken.append(call)
            record(busy, 1)
        return call

    line.pipeline.drain.take = take_and_record
    sidecar.step()
    assert len(taken) < 5
    assert sum(one.pipeline.records for one in sidecar.lines.values()) == len(taken) + 5


def test_a_ring_whose_file_was_taken_away_is_counted_once(rig):
    """Its journal is not that of a process that is gone while the ring is still read."""
    tap = rig.tap()
    record(tap, 3)
    sidecar = rig.sidecar()
    rig.step(sidecar)
    record(tap, 4)
    line = next(iter(sidecar.lines.values()))
    line.pipeline.collect(rig.clock.now().timestamp())
    line.pipeline._commit(now=True)
    record(tap, 2)
    ring_of(rig).unlink()
    rig.step(sidecar)
    assert list(sidecar.lines.values()) == [line]
    tap.close()
    rig.step(sidecar)
    rig.ship(sidecar)
    assert sum(counted(rig.windows()).values()) == 9
    assert not sidecar.lines


def test_a_writer_is_not_taken_for_dead_where_no_file_can_be_opened(rig, monkeypatch):
    record(rig.tap(), 3)
    memory, _ = Memory.open(ring_of(rig))

    def refuses(*_args, **_how):
        raise OSError(24, "Too many open files")

    monkeypatch.setattr("vigil.ring.memory.os.open", refuses)
    assert memory.writer_lives
    monkeypatch.undo()
    memory.let_go()


def test_a_tap_that_nobody_closed_leaves_no_lock_behind(rig):
    for _ in range(3):
        tap = rig.tap()
        record(tap, 2)
        rig.taps.clear()
        del tap
    gc.collect()
    sidecar = rig.sidecar()
    rig.step(sidecar)
    rig.ship(sidecar)
    assert sum(counted(rig.windows()).values()) == 6
    assert not list(rig.folder.glob("*.ring"))


def test_what_holds_samples_is_for_this_user_alone(rig):
    tap = rig.tap(thumbnails=True)
    record(tap, 3, images=np.zeros((3, 16, 16, 3), np.uint8))
    sidecar = rig.sidecar()
    before = os.umask(0o022)
    try:
        rig.step(sidecar)
        (journal,) = rig.folder.glob("*.journal")
        assert stat.S_IMODE(journal.stat().st_mode) == 0o600
        for one in sidecar.lines.values():
            one.seal(rig.clock.now().timestamp())
        (window,) = [p for p in rig.spool.iterdir() if p.is_file()]
        assert stat.S_IMODE(window.stat().st_mode) == 0o600
    finally:
        os.umask(before)


def test_a_tap_takes_ids_as_an_array(rig):
    tap = rig.tap()
    assert record(tap, 2, ids=np.array(["a", "b"])) == ["a", "b"]
    assert not tap.dropped
