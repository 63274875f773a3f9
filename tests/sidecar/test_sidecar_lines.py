"""What a sidecar makes of the rings beside it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from sidecar_rig import RING_BYTES, START, Rig, counted, record, told

from vigil.errors import TransportError
from vigil.ring import layout
from vigil.shipping.transport import MemoryTransport


@pytest.fixture
def rig(rings) -> Iterator[Rig]:
    one = Rig(rings)
    yield one
    one.close()


def test_what_a_tap_records_arrives_as_if_there_were_no_sidecar(rig):
    """Samples, labels, metadata, versions and the goodbye; then the ring is gone."""
    tap, sidecar = rig.tap(keys=("site",), hardware="L4", sample_size=4), rig.sidecar()
    ids = record(tap, 6, metadata={"site": ["a", "b"] * 3}, latency_s=0.5)
    record(tap, 2, version="v2")
    assert tap.label(ids[:2], [1, 0]) == 2
    assert not tap.flush(0.05)
    rig.step(sidecar)
    rig.clock.advance(61)
    rig.step(sidecar)
    assert tap.flush(1)
    rig.ship(sidecar)
    first, second = rig.windows()
    assert (first.model.version, second.model.version) == ("v1", "v2")
    assert sorted(first.summary.cells) == [("a",), ("b",)]
    assert (len(first.sample), first.build.hardware) == (4, "L4")
    assert {w.source for w in (first, second)} == {tap.source}
    assert rig.transport.labels == [{"id": ids[0], "label": 1}, {"id": ids[1], "label": 0}]
    record(tap, 3)
    tap.close()
    rig.step(sidecar)
    rig.ship(sidecar)
    assert sum(counted(rig.windows()).values()) == 11
    assert rig.windows()[-1].final
    assert not list(rig.folder.glob("*.*ring*"))
    assert not sidecar.lines
    assert sidecar.totals()[0] == {("reader", "production", tap.source): 11}


def test_rings_of_several_models_and_processes_do_not_mix(rig):
    taps = [rig.tap("reader", "v1", source="a"), rig.tap("other", "v9", source="b")]
    for n, tap in enumerate(taps, 2):
        record(tap, n)
    sidecar = rig.sidecar()
    rig.step(sidecar)
    assert len(sidecar.lines) == 2
    rig.close()
    rig.step(sidecar)
    rig.ship(sidecar)
    found = {
        (w.model.name, w.source): w.summary.total_records for w in rig.windows() if not w.final
    }
    assert found == {("reader", "a"): 2, ("other", "b"): 3}


def test_a_ring_whose_version_only_calls_know_is_silent_until_one_says_it(rig):
    """As a proxy's is: it does not know what the server will say."""
    tap, sidecar = rig.tap(version=None), rig.sidecar()
    rig.step(sidecar)
    rig.clock.advance(180)
    rig.step(sidecar)
    record(tap, 2, version="v7")
    rig.step(sidecar)
    tap.close()
    rig.step(sidecar)
    rig.ship(sidecar)
    found = [(w.model.version, w.summary.total_records) for w in rig.windows()]
    assert found == [("v7", 2), ("v7", 0)]
    assert rig.windows()[-1].final


def test_a_ring_that_nobody_reads_fills_up_and_says_so(rig):
    """The host goes on; what was dropped is in its own counts, and later in a window."""
    tap = rig.tap()
    for _ in range(400):
        assert len(record(tap, 200)) == 200
    dropped = tap.dropped["queue_full"]
    assert dropped > 0
    sidecar = rig.sidecar()
    rig.step(sidecar)
    tap.close()
    rig.step(sidecar)
    rig.ship(sidecar)
    assert told(rig.windows()) == {"queue_full": dropped}
    assert sum(counted(rig.windows()).values()) == 400 * 200 - dropped
    assert tap.dropped == {"queue_full": dropped}


def test_what_the_sidecar_drops_the_tap_knows(rig):
    tap, sidecar = rig.tap(), rig.sidecar()
    tap.record(outputs=np.full((3, 4), 0.25), metadata={"site": ["one too few"]})
    record(tap, 2)
    rig.step(sidecar)
    rig.clock.advance(61)
    rig.step(sidecar)
    assert tap.dropped == {"bad_shape": 3}
    tap.record(outputs="words")
    assert tap.dropped == {"bad_shape": 8}
    rig.clock.advance(61)
    rig.step(sidecar)
    assert tap.dropped == {"bad_shape": 8}


def test_a_service_that_is_away_is_waited_for(rig):
    """An hour without it: windows pile up on the disk, keep their own time, and arrive once."""
    tap, sidecar = rig.tap(), rig.sidecar()
    rig.transport.failures = [TransportError("away")] * 10_000
    for _ in range(60):
        record(tap, 3)
        rig.step(sidecar)
        sidecar.shipper.next_s = 0.0
        rig.ship(sidecar)
        rig.clock.advance(60)
    rig.clock.advance(1)
    rig.step(sidecar)
    assert len(list(rig.spool.glob("*.vgl"))) == 60
    rig.transport.failures = []
    sidecar.shipper.next_s = 0.0
    rig.ship(sidecar)
    windows = rig.windows()
    assert [w.start.timestamp() for w in windows] == [START + 60 * i for i in range(60)]
    assert counted(windows) == {(tap.boot, i): 1 for i in range(180)}


@pytest.mark.parametrize("jump_s", [-7200.0, 86_400.0 * 3])
def test_a_clock_that_jumps_loses_nothing_for_long(rig, jump_s):
    """Forward by days or back by hours, and back to the truth: what came before and after is
    counted; of the time in between, what is too late for its window is told."""
    tap, sidecar = rig.tap(), rig.sidecar()
    sent = 0
    for jump in (0.0, jump_s, -jump_s, 0.0):
        rig.clock.advance(jump)
        for _ in range(3):
            record(tap, 5)
            sent += 5
            rig.step(sidecar)
            rig.clock.advance(60)
    tap.close()
    rig.step(sidecar)
    rig.ship(sidecar)
    found = counted(rig.windows())
    late = told(rig.windows()).get("late", 0)
    assert set(found.values()) == {1}
    assert sum(found.values()) + late == sent
    assert late <= 5
    assert {(tap.boot, i) for i in range(sent - 15, sent)} <= set(found)
    heartbeats = [w for w in rig.windows() if not w.summary.total_records]
    assert len(heartbeats) < 30


def test_files_that_are_no_rings_are_told_and_left(rig):
    rig.folder.mkdir()
    (rig.folder / "x.ring").write_bytes(b"hello")
    newer = rig.tap()
    record(newer, 1)
    newer._home._intake.memory.words[layout.FORMAT_AT] = 99
    sidecar = rig.sidecar()
    rig.step(sidecar)
    expected = {"x.ring": "damaged", f"{newer.boot}.ring": "other_format"}
    assert sidecar.unreadable.reasons == expected
    assert (rig.folder / "x.ring").exists()


def test_a_tap_without_a_folder_counts_and_tries_again(rig, monkeypatch):
    """A file where the folder should be, or no room: the host does not notice."""
    rig.folder.write_text("in the way")
    tap = rig.tap()
    assert len(record(tap, 3)) == 3
    assert tap.label("a", 1) == 0
    assert tap.dropped == {"no_ring": 3}
    assert "Error" in tap.stats()["last_error"]
    rig.folder.unlink()
    record(tap, 4)
    assert tap.dropped == {"no_ring": 7}
    tap._home._next_s = 0.0
    record(tap, 2)
    assert (tap.dropped, tap.stats()["recorded"]) == ({"no_ring": 7}, 2)


def test_the_memory_of_a_ring_is_taken_at_once(rig):
    """A hole in the file would be a SIGBUS on the day the file system is full."""
    tap = rig.tap()
    record(tap, 1)
    (ring,) = rig.folder.glob("*.ring")
    assert ring.stat().st_blocks * 512 >= RING_BYTES + layout.HEADER_BYTES


def test_rulers_are_asked_for_once_and_kept(rig, tmp_path):
    """A new reader of the same version measures with the same ruler, service or no service."""
    from vigil_records import CLASSES, a_ruler

    rig.transport = MemoryTransport({("reader", "v1"): a_ruler().to_bytes()})
    tap = rig.tap()
    tap.record(outputs=np.full((2, CLASSES), 0.25))
    rig.step(rig.sidecar())
    rig.transport.rulers.clear()
    tap.record(outputs=np.full((2, CLASSES), 0.25))
    tap.close()
    last = rig.sidecar()
    rig.step(last)
    rig.ship(last)
    assert {w.ruler for w in rig.windows()} == {a_ruler().id}


def test_a_ring_that_nobody_saw_yet_is_drained_too(rig):
    """A process that came and was gone just before the sidecar had to stop."""
    sidecar = rig.sidecar()
    sidecar.step()
    tap = rig.tap()
    record(tap, 3)
    tap.close()
    assert sidecar.drain(2.0, pause=lambda _: None)
    assert counted(rig.windows()) == {(tap.boot, number): 1 for number in range(3)}


def test_what_is_open_when_the_sidecar_stops_is_sealed_and_its_process_is_not_missed(rig):
    tap, sidecar = rig.tap(), rig.sidecar()
    record(tap, 3)
    assert sidecar.drain(0.0, pause=lambda _: None) is False
    last = rig.sidecar()
    record(tap, 2)
    rig.step(last)
    rig.clock.advance(61)
    rig.step(last)
    rig.ship(last)
    assert counted(rig.windows()) == {(tap.boot, number): 1 for number in range(5)}
    assert not any(window.final for window in rig.windows())


def test_two_sidecars_of_one_folder_count_nothing_twice(rig):
    """As when a cleaner took away the lock that keeps the second waiting: the later one goes on
    from the journal and the ring, and the earlier one lets go of them."""
    tap = rig.tap()
    record(tap, 3)
    first = rig.sidecar()
    rig.step(first)
    record(tap, 4)
    first.step()
    second = rig.sidecar()
    rig.step(second)
    record(tap, 5)
    rig.step(first)
    assert not first.lines
    assert first.unreadable.reasons == {f"{tap.boot}.ring": "taken"}
    rig.step(second)
    rig.step(first)
    rig.ship(first)
    tap.close()
    rig.step(second)
    rig.ship(second)
    assert counted(rig.windows()) == {(tap.boot, number): 1 for number in range(12)}
