"""Rings whose file is cut, taken away or damaged while both sides live."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sidecar_rig import Rig, counted, record, told

from monitor.sidecar import sidecar as sidecar_module
from monitor.sidecar.sidecar_metrics import exposition, health
from vigil.errors import TransportError
from vigil.ring import layout
from vigil.ring.memory import Memory

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def rig(rings) -> Iterator[Rig]:
    one = Rig(rings)
    yield one
    one.close()


def ring_of(rig: Rig, tap) -> Path:
    return rig.folder / f"{tap.boot}.ring"


def ended(rig: Rig, sidecar) -> int:
    """Everything is closed, read and sent: how many records arrived, each of them once."""
    rig.close()
    rig.step(sidecar)
    rig.ship(sidecar)
    found = counted(rig.windows())
    assert set(found.values()) <= {1}
    return sum(found.values())


CUT = """
import os, sys; sys.path.insert(0, "tests/sidecar")
from pathlib import Path
from sidecar_rig import Rig, record, counted, told
from monitor.sidecar.sidecar_metrics import exposition, health
rig = Rig(Path(sys.argv[1]))
bad, good = rig.tap("bad"), rig.tap("good")
sidecar = rig.sidecar()
record(bad, 3)
record(good, 5)
rig.step(sidecar)
record(bad, 4)
record(good, 6)
os.truncate(rig.folder / f"{bad.boot}.ring", int(sys.argv[2]))
exposition(sidecar), health(sidecar)
rig.step(sidecar)
record(good, 7)
rig.clock.advance(61)
rig.step(sidecar)
rig.ship(sidecar)
bad._home._intake = None  # as a process that died of it
good.close()
rig.step(sidecar)
rig.ship(sidecar)
print(len(counted(rig.windows())), told(rig.windows()), sidecar.unreadable.reasons.values())
print([line for line in exposition(sidecar).decode().splitlines() if "lost_rings_total{" in line])
os._exit(0)
"""


@pytest.mark.parametrize("size", [0, 4096, layout.HEADER_BYTES + 64])
def test_a_ring_that_is_cut_while_it_is_read_costs_no_other(rings, size):
    """To touch what is missing would be a SIGBUS. What was measured of it before is kept."""
    done = subprocess.run(
        [sys.executable, "-c", CUT, str(rings), str(size)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "21 Counter({'torn': 1}) dict_values(['cut'])",
        "['vigil_sidecar_lost_rings_total{reason=\"cut\"} 1.0']",
    ]


def test_a_ring_that_is_cut_in_the_middle_of_a_turn_ends_there(rig):
    """What was not measured yet is counted as torn, and no window is sent twice."""
    tap, sidecar = rig.tap(), rig.sidecar()
    record(tap, 3)
    rig.step(sidecar)
    for n in (4, 5, 6):
        record(tap, n)
    (line,) = sidecar.lines.values()
    take = line.pipeline.drain.take

    def cut_after_one(**how):
        if line.pipeline.drain.mark.records == 7:
            os.truncate(ring_of(rig, tap), layout.HEADER_BYTES)
        return take(**how)

    line.pipeline.drain.take = cut_after_one
    rig.step(sidecar)
    tap._home._intake = None
    rig.ship(sidecar)
    assert not sidecar.lines
    assert ended(rig, sidecar) + told(rig.windows())["torn"] == 18


def test_a_ring_that_is_taken_away_from_a_living_process_is_made_anew(rig):
    """A cleaner of temporary files: what was written before anybody noticed is still read."""
    tap, sidecar = rig.tap(), rig.sidecar()
    ids = [*record(tap, 3)]
    rig.step(sidecar)
    ring_of(rig, tap).unlink()
    rig.clock.advance(1)
    ids += record(tap, 4)
    rig.clock.advance(1.5)
    ids += record(tap, 5)
    assert (rig.folder / f"{tap.boot}-1.ring").exists()
    rig.step(sidecar)
    assert len(sidecar.lines) == 2
    assert b"vigil_sidecar_rings 2.0" in exposition(sidecar)
    assert tap.label(ids, [1] * 12) == 12
    rig.clock.advance(61)
    rig.step(sidecar)
    ids += record(tap, 6)
    rig.step(sidecar)
    assert len(sidecar.lines) == 1
    assert tap.stats()["recorded"] == 18
    assert ended(rig, sidecar) == 18
    assert tap.dropped == {}
    assert {row["id"] for row in rig.transport.labels} == set(ids[:12])
    numbers = [(window.boot, window.sequence) for window in rig.windows()]
    assert len(set(numbers)) == len(numbers)
    assert not list(rig.folder.glob("*.*ring*"))


def test_what_nobody_read_of_a_ring_that_was_taken_away_is_counted(rig, monkeypatch):
    """No sidecar had it open: its records are lost, and the next windows tell it."""
    monkeypatch.setattr("vigil.recording.gone.PATIENCE_S", 0.0)
    tap = rig.tap()
    record(tap, 3)
    ring_of(rig, tap).unlink()
    rig.clock.advance(2.5)
    record(tap, 4)
    rig.clock.advance(2.5)
    record(tap, 5)
    assert tap.dropped == {"ring_gone": 3}
    sidecar = rig.sidecar()
    rig.step(sidecar)
    assert ended(rig, sidecar) == 9
    assert told(rig.windows()) == {"ring_gone": 3}


def test_a_ring_that_was_cut_is_left_by_its_own_process_too(rig):
    tap, sidecar = rig.tap(), rig.sidecar()
    record(tap, 3)
    rig.clock.advance(2.5)
    record(tap, 4)
    os.truncate(ring_of(rig, tap), 4096)
    rig.clock.advance(2.5)
    record(tap, 5)
    rig.clock.advance(2.5)
    record(tap, 6)
    assert tap.dropped == {"ring_gone": 3}  # as many as it knew of when the ring was whole
    rig.step(sidecar)
    assert ended(rig, sidecar) == 11


def test_records_without_a_ring_are_told_to_the_service_once_there_is_one(rig):
    rig.folder.write_text("in the way")
    tap = rig.tap()
    record(tap, 3)
    rig.folder.unlink()
    tap._home._next_s = 0.0
    record(tap, 2)
    sidecar = rig.sidecar()
    rig.step(sidecar)
    assert ended(rig, sidecar) == 2
    assert told(rig.windows()) == {"no_ring": 3}
    assert tap.dropped == {"no_ring": 3}


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def damaged(rig: Rig, name: str, *, at: int = layout.MAGIC_AT) -> Path:
    """A ring of a process that is gone, with one word of its header spoilt."""
    tap = rig.tap("damaged")
    record(tap, 1)
    path = ring_of(rig, tap)
    memory, _ = Memory.open(path)
    memory.words[at] += 1
    memory.let_go()
    tap._home._intake.memory.let_go()
    tap._home._intake = None
    return path.rename(rig.folder / name) if name else path


def test_a_damaged_ring_of_a_dead_process_is_removed_after_a_while(rig, caplog):
    """Not at once, not what another vigil may read soon, and nothing that may not be ours."""
    clock = Clock()
    sidecar = rig.sidecar(monotonic=clock)
    gone, newer = damaged(rig, ""), damaged(rig, "", at=layout.FORMAT_AT)
    other = damaged(rig, "notes.ring")
    link = rig.folder / "0123456789ab.ring"
    link.symlink_to(other)
    caplog.set_level(logging.WARNING, "vigil.sidecar")
    for _ in range(12):
        rig.step(sidecar)
        assert gone.exists()
        clock.now_s += 25
    for _ in range(4):
        rig.step(sidecar)
        clock.now_s += 25
    assert not gone.exists()
    assert len([r for r in caplog.records if gone.name in r.getMessage()]) == 2
    assert (newer.exists(), other.exists(), link.is_symlink()) == (True, True, True)
    clock.now_s += 3600
    rig.step(sidecar)
    assert (newer.exists(), other.exists(), link.is_symlink()) == (False, True, True)
    page = exposition(sidecar).decode()
    assert 'vigil_sidecar_lost_rings_total{reason="damaged"} 1.0' in page
    assert 'vigil_sidecar_lost_rings_total{reason="other_format"} 1.0' in page


def test_a_damaged_ring_of_a_living_process_stays(rig):
    clock = Clock()
    tap, sidecar = rig.tap(), rig.sidecar(monotonic=clock)
    record(tap, 2)
    memory = tap._home._intake.memory
    memory.words[layout.MAGIC_AT] += 1
    for _ in range(20):
        rig.step(sidecar)
        clock.now_s += 31
    assert ring_of(rig, tap).exists()
    memory.words[layout.MAGIC_AT] -= 1
    rig.step(sidecar)
    assert ended(rig, sidecar) == 2
    assert not len(sidecar.unreadable)


def test_too_many_rings_are_told_until_they_are_fewer(rig, monkeypatch):
    monkeypatch.setattr(sidecar_module, "MOST_RINGS", 2)
    taps = [rig.tap() for _ in range(4)]
    for tap in taps:
        record(tap, 2)
    sidecar = rig.sidecar()
    sidecar.step()
    assert sidecar.problems == ["too_many_rings"]
    assert b"vigil_sidecar_waiting_rings 2.0" in exposition(sidecar)
    for line in list(sidecar.lines):
        next(tap for tap in taps if line.startswith(tap.boot)).close()
    rig.step(sidecar)
    rig.step(sidecar)
    assert sidecar.problems == []
    assert b"vigil_sidecar_waiting_rings 0.0" in exposition(sidecar)
    assert ended(rig, sidecar) == 8


def test_the_health_page_names_what_is_wrong_and_the_log_has_the_rest(rig, caplog):
    """No path, address or text of an error: anyone may ask."""
    caplog.set_level(logging.WARNING, "vigil.sidecar")
    damaged(rig, "")
    sidecar = rig.sidecar()
    tap = rig.tap()
    record(tap, 1)
    tap.close()
    text = "POST http://me:secret@vigil/v1/windows: refused at /var/spool"
    rig.transport.failures = [TransportError(text, reason="unreachable")] * 10
    rig.step(sidecar)
    (rig.folder).rename(rig.folder.with_name("elsewhere"))
    rig.step(sidecar)
    sidecar.ship()
    body = health(sidecar)[1].decode()
    said = json.loads(body)
    assert said["problems"] == ["folder_unreadable", "service"]
    assert said["service"] == "unreachable"
    assert set(said["unreadable"].values()) == {"damaged"}
    assert "secret" not in body
    assert "/" not in body
    assert text in caplog.text
