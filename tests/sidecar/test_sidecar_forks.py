"""Processes that fork, and threads: each process has a ring of its own, and dies its own death."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from sidecar_rig import Rig, counted

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def rig(rings) -> Iterator[Rig]:
    one = Rig(rings)
    yield one
    one.close()


def run(program: str, folder: Path) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.split()


BEGIN = """
    import json, os, sys, threading, time, warnings
    import numpy as np
    from vigil import Tap
    warnings.simplefilter("ignore")
    def record(n):
        return tap.record(outputs=np.full((n, 2), 0.5))
    tap = Tap("reader", "v1", sidecar=sys.argv[1], queue_bytes=2**18)
"""


def test_a_child_has_a_ring_of_its_own_made_with_its_first_record(rig):
    """Parent, child and grandchild record 3, 4 and 5; a child that records nothing has no ring."""
    said = run(
        BEGIN
        + """
    record(3)
    child = os.fork()
    if not child:
        record(4)
        grandchild = os.fork()
        if not grandchild:
            record(5)
        else:
            os.waitpid(grandchild, 0)
        tap.close()
        os._exit(0)
    os.waitpid(child, 0)
    idle = os.fork()
    if not idle:
        os._exit(0)
    os.waitpid(idle, 0)
    print(len([name for name in os.listdir(sys.argv[1]) if name.endswith(".ring")]))
    """,
        rig.folder,
    )
    assert said == ["3"]
    sidecar = rig.sidecar()
    rig.step(sidecar)
    rig.ship(sidecar)
    found = counted(rig.windows())
    assert set(found.values()) == {1}
    sizes: dict[str, int] = {}
    for boot, _ in found:
        sizes[boot] = sizes.get(boot, 0) + 1
    assert sorted(sizes.values()) == [3, 4, 5]
    assert not list(rig.folder.glob("*.ring"))


def test_a_parent_that_dies_is_seen_though_its_child_lives(rig, tmp_path):
    """The child holds neither the parent's lock nor its memory."""
    stop = tmp_path / "stop"
    boot = _killed(rig.folder, stop)
    sidecar = rig.sidecar()
    rig.step(sidecar)
    stop.touch()
    rig.ship(sidecar)
    assert counted(rig.windows()) == {(boot, number): 1 for number in range(3)}
    assert not sidecar.lines


def _killed(folder: Path, stop: Path) -> str:
    program = textwrap.dedent(BEGIN) + textwrap.dedent(
        f"""
        record(3)
        if not os.fork():
            os.close(1); os.close(2)
            while not os.path.exists({str(stop)!r}):
                time.sleep(0.01)
            os._exit(0)
        print(tap.boot, flush=True)
        os.kill(os.getpid(), 9)
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(folder)],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == -9
    return done.stdout.strip()


def test_a_fork_in_the_middle_of_a_call_of_another_thread_harms_nobody(rig):
    """Threads record all the time while the process forks again and again."""
    said = run(
        BEGIN
        + """
    done = threading.Event()
    counts = [0] * 3
    def work(who):
        while not done.is_set():
            counts[who] += len(record(7))
            time.sleep(0.001)
    threads = [threading.Thread(target=work, args=(who,)) for who in range(3)]
    for one in threads:
        one.start()
    for _ in range(5):
        child = os.fork()
        if not child:
            record(2)
            tap.close()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
    done.set()
    for one in threads:
        one.join()
    print(json.dumps([sum(counts), tap.dropped]).replace(" ", ""))
    tap.close()
    """,
        rig.folder,
    )
    recorded, dropped = json.loads(said[0])
    sidecar = rig.sidecar()
    rig.step(sidecar)
    rig.ship(sidecar)
    found = counted(rig.windows())
    assert set(found.values()) == {1}
    assert sum(found.values()) == recorded - sum(dropped.values()) + 5 * 2
