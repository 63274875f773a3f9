"""Everything is killed, filled up or away, for real: what was handed over is counted once."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sidecar_processes import Host, SidecarProcess, ended, until
from sidecar_rig import counted
from vigil_service import answers

from vigil.windows.window import Window

pytestmark = pytest.mark.servers
KILLS = 8


def arrived(service) -> list[Window]:
    return [Window.from_bytes(blob) for blob in list(service.windows.values())]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = (
        os.geteuid() == 0
        and not subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)],
            check=False,
            capture_output=True,
        ).returncode
    )
    if not mounted:
        pytest.skip("needs to mount a small file system")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def finish(sidecar: SidecarProcess, host: Host, service) -> None:
    host.stop()
    assert "the service has everything" in sidecar.terminate()
    found = counted(arrived(service))
    assert set(found.values()) == {1}
    assert sum(found.values()) == host.handed


def test_a_sidecar_that_is_killed_again_and_again(rings, tmp_path, service):
    host = Host(rings, batch=16, pause_s=0.002, window_s=0.5)
    with ended(host):
        for _ in range(KILLS):
            before = len(service.windows)
            sidecar = SidecarProcess(rings, service.url, tmp_path / "spool")
            with ended(sidecar):
                until(lambda before=before: len(service.windows) > before, sidecar)
                time.sleep(0.15)
                sidecar.kill()
        last = SidecarProcess(rings, service.url, tmp_path / "spool", "--drain-s", "20")
        with ended(last):
            until(lambda: bool(last.health()["rings"]), last)
            finish(last, host, service)


def test_hosts_that_are_killed_while_they_write(rings, tmp_path, service):
    sidecar = SidecarProcess(rings, service.url, tmp_path / "spool", "--drain-s", "20")
    handed = 0
    with ended(sidecar):
        until(lambda: sidecar.port > 0, sidecar)
        for _ in range(KILLS):
            host = Host(rings, batch=64, pause_s=0.0)
            with ended(host):
                until(lambda host=host: host.handed > 1000)
                host.kill()
                handed += host.handed
        until(lambda: not sidecar.health()["rings"], sidecar)
        assert "the service has everything" in sidecar.terminate()
    found = counted(arrived(service))
    assert set(found.values()) == {1}
    assert handed <= sum(found.values()) <= handed + KILLS * 64
    assert len({boot for boot, _ in found}) == KILLS


def test_a_spool_on_a_full_disk(rings, small_disk, service):
    """The disk fills up while the service is away, and the sidecar is killed on top of it."""
    (small_disk / "filler").write_bytes(bytes(2**20 - 64 * 1024))
    spool = small_disk / "spool"
    service.faults = [answers(503)] * 10_000
    host = Host(rings, batch=16, window_s=0.5)
    first = SidecarProcess(rings, service.url, spool)
    with ended(host, first):
        until(lambda: first.health()["unsaved"] > 5, first)
        first.kill()
        second = SidecarProcess(rings, service.url, spool, "--drain-s", "20")
        with ended(second):
            until(lambda: second.health()["unsaved"] > 5, second)
            service.faults = []
            (small_disk / "filler").unlink()
            until(lambda: second.health()["unsaved"] == 0, second)
            finish(second, host, service)


def test_a_ring_for_which_there_is_no_room(small_disk):
    """The host does not notice, and records once there is room."""
    host = Host(small_disk)
    with ended(host):
        until(lambda: len(host.said) > 50)
        assert host.handed == 0
        host.stop()


def test_a_service_that_is_away_for_a_while(rings, tmp_path, service):
    service.faults = [answers(503)] * 10_000
    host = Host(rings, window_s=0.5)
    sidecar = SidecarProcess(rings, service.url, tmp_path / "spool", "--drain-s", "30")
    with ended(host, sidecar):
        until(lambda: sidecar.health()["waiting"] > 8, sidecar)
        assert sidecar.health()["service"] == "http_503"
        service.faults = []
        finish(sidecar, host, service)
