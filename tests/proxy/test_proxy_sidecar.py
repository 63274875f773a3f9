"""A proxy that leaves measuring and shipping to a sidecar."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import httpx
from oip_server import OipServer
from proxy_room import Loop, a_proxy

from monitor.sidecar.sidecar import Sidecar
from vigil.shipping.safe_spool import SafeSpool
from vigil.shipping.transport import MemoryTransport
from vigil.windows.window import Window

CALL = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 3, 8, 8], "data": [0.5] * 192}]}


def test_a_killed_recording_process_loses_no_record_that_a_sidecar_reads(
    tmp_path: Path, event_loop_thread: Loop, server: OipServer
):
    """Its ring outlives it: calls that were recorded are in a window, with all their signals, as
    soon as the sidecar has seen that it is gone."""
    rings, transport = tmp_path / "rings", MemoryTransport()
    sidecar = Sidecar(
        rings,
        spool=SafeSpool(tmp_path / "spool"),
        transport=transport,
        rulers=tmp_path / "rulers",
        seed="s",
    )
    with (
        server.http() as http,
        a_proxy(
            event_loop_thread,
            "http://127.0.0.1:9",
            http=http,
            hardware_signals=True,
            version_name="v{version}",
            tap={"version": None, "sidecar": str(rings), "queue_bytes": 2**20},
        ) as proxy,
    ):
        for name in ("a", "b", "c"):
            path = f"{proxy.http}/v2/models/reader/infer"
            httpx.post(path, json={**CALL, "id": name}).raise_for_status()
        proxy.wait_for("recorded", 3)
        assert not transport.windows
        process = proxy.proxy.handover.process
        assert process is not None
        os.kill(process.pid, signal.SIGKILL)
        process.close(5.0)
        for _ in range(3):
            sidecar._look_s = float("-inf")
            sidecar.step()
        while sidecar.ship():
            pass
    (window,) = map(Window.from_bytes, transport.windows.values())
    assert (window.model.version, sorted(window.sample.ids)) == ("v3", ["a", "b", "c"])
    assert "host_memory" in window.sample.signal_names
