"""What is spooled survives a crash; what can't be kept is counted, never raised."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from vigil.shipping.spool import DiskSpool, Entry, MemorySpool
from vigil.windows import wire

ROOT = Path(__file__).resolve().parents[2]


def blob(size: int = 0) -> bytes:
    return wire.pack({"size": "x" * size}, {}, level=0)


def entry(order: int, records: int = 5) -> Entry:
    return Entry(order, "window", "boot", order, records)


@pytest.fixture(params=["disk", "memory"])
def spool_of(request, tmp_path):
    def make(max_bytes: int = 10**6):
        return DiskSpool(tmp_path, max_bytes) if request.param == "disk" else MemorySpool(max_bytes)

    return make


def test_entries_come_back_in_order_of_age(spool_of):
    spool = spool_of()
    for order in (3, 1, 2):
        assert spool.put(entry(order), blob(order))
    assert spool.read(entry(3)) == blob(3)
    spool.remove(entry(1))
    assert sorted(one.order for one in spool.entries()) == [2, 3]
    spool.remove(entry(1))


def test_a_full_spool_drops_the_oldest_and_counts_its_records(spool_of):
    spool = spool_of(3 * len(blob(100)))
    for order in range(5):
        assert spool.put(entry(order), blob(100))
    assert [one.order for one in spool.entries()] == [2, 3, 4]
    assert spool.counts["spool_full"] == 10


def test_an_entry_larger_than_the_spool_is_refused_and_pushes_nothing_out(spool_of):
    spool = spool_of(2 * len(blob(100)))
    spool.put(entry(1), blob(100))
    assert not spool.put(entry(2), blob(1000))
    assert [one.order for one in spool.entries()] == [1]
    assert spool.counts["spool_full"] == 5


def test_a_rejected_entry_leaves_the_line_and_is_counted(spool_of):
    spool = spool_of()
    spool.put(entry(1), blob())
    spool.set_aside(entry(1), "rejected")
    assert spool.entries() == []
    assert spool.counts["rejected"] == 1


def test_a_damaged_file_is_set_aside_and_the_next_is_read(tmp_path):
    spool = DiskSpool(tmp_path)
    for order in (1, 2):
        spool.put(entry(order), blob(order))
    path = tmp_path / entry(1).name
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert spool.read(entry(1)) is None
    assert spool.read(entry(2)) == blob(2)
    assert spool.counts["damaged"] == 1
    assert [p.name for p in (tmp_path / "set_aside").iterdir()] == [f"{entry(1).name}.damaged"]


def test_a_full_disk_is_counted_and_leaves_no_half_file(tmp_path):
    def no_space(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    spool = DiskSpool(tmp_path, sync=no_space)
    assert not spool.put(entry(1), blob())
    assert spool.counts["spool_failed"] == 5
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_can_not_be_made_is_counted(tmp_path):
    (tmp_path / "file").write_text("in the way")
    spool = DiskSpool(tmp_path / "file" / "spool")
    assert not spool.put(entry(1), blob())
    assert spool.entries() == []
    assert spool.counts["spool_failed"] == 5


def test_foreign_files_are_left_alone_and_old_leftovers_removed(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "1_2_3.vgl").write_text("not an entry")
    fresh, stale = tmp_path / "a.vgl.tmp", tmp_path / "b.vgl.tmp"
    fresh.write_bytes(b"")
    stale.write_bytes(b"")
    os.utime(stale, (time.time() - 3600,) * 2)
    assert DiskSpool(tmp_path).entries() == []
    assert sorted(p.name for p in tmp_path.iterdir()) == ["1_2_3.vgl", "a.vgl.tmp", "notes.txt"]


def test_kill_9_leaves_whole_entries_only(tmp_path):
    """A process killed while it spools leaves entries that all can be read."""
    program = """
        import sys
        from pathlib import Path
        from vigil.windows import wire
        from vigil.shipping.spool import DiskSpool, Entry
        spool = DiskSpool(Path(sys.argv[1]))
        for i in range(10**6):
            spool.put(Entry(i, "window", "boot", i, 1), wire.pack({"x": "y" * 50000}, {}, level=0))
            if i == 20:
                print("going", flush=True)
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program), str(tmp_path)],
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"going\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    spool = DiskSpool(tmp_path)
    entries = spool.entries()
    assert len(entries) > 20
    assert all(spool.read(one) is not None for one in entries)
    assert spool.counts["damaged"] == 0
