"""``vigil sidecar`` as a process: what it says of itself, and how it stops."""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sidecar_processes import Host, SidecarProcess, ended, until
from sidecar_rig import counted
from typer.testing import CliRunner

from monitor.cli.app import app
from monitor.sidecar.sidecar_metrics import HELP
from vigil.windows.window import Window


def arrived(service) -> list[Window]:
    return [Window.from_bytes(blob) for blob in list(service.windows.values())]


def test_it_reads_ships_tells_and_drains(rings: Path, tmp_path: Path, service):
    """A second sidecar of the same folder waits until the first has stopped, and goes on."""
    host = Host(rings, window_s=60)
    first = SidecarProcess(rings, service.url, tmp_path / "spool", "--drain-s", "0.6")
    until(lambda: first.port > 0, first)
    second = SidecarProcess(rings, service.url, tmp_path / "spool", "--drain-s", "6")
    with ended(host, first, second):
        until(lambda: bool(first.health()["rings"]), first)
        until(lambda: first.health()["rings"][0]["records"] > 20, first)
        status, page = first.get("/metrics")
        families = {one.name: one for one in text_string_to_metric_families(page)}
        assert status == 200
        assert {name.removesuffix("_total") for name in HELP} == set(families)
        (sample,) = families["vigil_sidecar_records"].samples
        assert sample.labels["model"] == "reader"
        assert sample.value > 20
        assert first.get("/nothing")[0] == 404
        until(lambda: any("another sidecar" in line for line in second.said), second)
        assert "the service has everything" in first.terminate()
        assert sum(counted(arrived(service)).values()) > 20
        until(lambda: bool(second.health()["rings"]), second)
        host.stop()
        assert "the service has everything" in second.terminate()
    found = counted(arrived(service))
    assert set(found.values()) == {1}
    assert sum(found.values()) == host.handed
    assert any(window.final for window in arrived(service))


def test_a_host_that_is_killed_loses_nothing_it_handed_over(rings: Path, tmp_path: Path, service):
    """Two versions side by side, as in a rollout; the old one is killed, and is missed."""
    old, new = Host(rings, version="v1"), Host(rings, version="v2")
    sidecar = SidecarProcess(rings, service.url, tmp_path / "spool", "--drain-s", "6")
    with ended(old, new, sidecar):
        until(lambda: len(sidecar.health()["rings"]) == 2, sidecar)
        until(lambda: min(old.handed, new.handed) > 100)
        old.kill()
        until(lambda: len(sidecar.health()["rings"]) == 1, sidecar)
        new.stop()
        assert "the service has everything" in sidecar.terminate()
    windows = arrived(service)
    found = counted(windows)
    assert set(found.values()) == {1}
    for host, version in ((old, "v1"), (new, "v2")):
        mine = [window for window in windows if window.model.version == version]
        here = sum(counted(mine).values())
        # It was killed before it could say that a batch was handed over, at most.
        assert host.handed <= here <= host.handed + 5
        assert any(window.final for window in mine) is (host is new)
    assert not list(rings.glob("*.ring"))


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["--listen", "nowhere"], "--listen"),
        (["--service", "ftp://x"], "--service"),
        (["--plugin", "no_such_module"], "--plugin"),
        (["--spool", "/dev/null/x"], "--spool"),
    ],
)
def test_what_can_not_be_used_is_told(tmp_path, arguments, found):
    result = CliRunner().invoke(app, ["sidecar", str(tmp_path), *arguments])
    assert result.exit_code != 0
    assert found in result.output + str(result.exception)
