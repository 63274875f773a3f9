"""A sidecar under load: records a second of its core, end to end, and its memory.

An inference process records batches of 64 as fast as the sidecar reads them, held at most of its
ring full, for a minute; windows of five seconds go to a service in this process, which counts them.
Then the same with a pause that leaves room, which must not drop a record.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from vigil.windows import wire
from vigil.windows.window import Window

ROOT = Path(__file__).parents[2]
TICKS = os.sysconf("SC_CLK_TCK")

HOST = """
import sys, time
import numpy as np
from bench.collector.load import a_load
from vigil import Tap
folder, seconds, pace = sys.argv[1], float(sys.argv[2]), float(sys.argv[4])
load = a_load()
keys = ("site", "camera")
tap = Tap("bench", "v1", sidecar=folder, keys=keys, window_s=5.0, queue_bytes=64 * 2**20)
given = {
    "embeddings": load.embeddings, "outputs": load.outputs,
    "latency_s": 0.01, "metadata": load.metadata,
}
if sys.argv[3] == "1":
    given["images"] = load.images[0]
end, calls, began = time.monotonic() + seconds, 0, time.monotonic()
while time.monotonic() < end:
    queued = tap.stats()["queued"]
    if (pace and calls * 64 >= pace * (time.monotonic() - began)) or queued > 8000:
        time.sleep(0.001)
        continue
    tap.record(**given)
    calls += 1
tap.flush(60)
print(calls * 64, sum(tap.dropped.values()), flush=True)
tap.close()
"""


class _Service:
    """Counts the records of the windows that arrive."""

    def __init__(self) -> None:
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                rows = []
                for blob in wire.split(body):
                    window = Window.from_bytes(blob)
                    service.records += window.summary.total_records
                    rows.append((window.source, window.boot, window.sequence))
                self._answer(
                    200,
                    b'{"receipts": ['
                    + b",".join(
                        b'{"source": "%s", "boot": "%s", "sequence": %d, "status": "accepted"}'
                        % (source.encode(), boot.encode(), sequence)
                        for source, boot, sequence in rows
                    )
                    + b"]}",
                )

            def do_GET(self) -> None:
                self._answer(404, b"{}")

            def _answer(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.records = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def sustained(seconds: float) -> dict[str, Any]:
    """Figures without and with images of 224x224x3."""
    plain = _run(seconds, with_images=False, pace=0.0)
    pictures = _run(seconds / 3, with_images=True, pace=0.0)
    steady = _run(seconds, with_images=False, pace=0.6 * plain["records_s"])
    return {
        "sidecar_records_s": round(plain["records_s"]),
        "sidecar_records_s_core": round(plain["records_s_core"]),
        "sidecar_images_s_core": round(pictures["records_s_core"]),
        "sidecar_steady_seconds": seconds,
        "sidecar_steady_records_s": round(steady["records_s"]),
        "sidecar_steady_dropped": steady["dropped"],
        "sidecar_steady_missing": steady["missing"],
        "sidecar_resident_mib": round(steady["resident_mib"], 1),
        "sidecar_growth_mib": round(steady["growth_mib"], 1),
    }


def _run(seconds: float, *, with_images: bool, pace: float) -> dict[str, Any]:
    service = _Service()
    with _folder() as folder, tempfile.TemporaryDirectory() as spool:
        sidecar = _started(folder, service.url, spool)
        program = [sys.executable, "-c", HOST, str(folder), str(seconds)]
        host = subprocess.Popen(
            [*program, "1" if with_images else "0", str(pace)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        time.sleep(seconds / 6)
        used, began, early = _cpu_s(sidecar.pid), time.monotonic(), _resident_mib(sidecar.pid)
        measured = service.records
        time.sleep(seconds * 4 / 6)
        used, spent = _cpu_s(sidecar.pid) - used, time.monotonic() - began
        late, measured = _resident_mib(sidecar.pid), service.records - measured
        said, _ = host.communicate(timeout=120)
        recorded, dropped = map(int, said.split())
        sidecar.terminate()
        sidecar.wait(60)
    service.close()
    return {
        "records_s": measured / spent,
        "records_s_core": measured / used,
        "dropped": dropped,
        "missing": recorded - dropped - service.records,
        "resident_mib": late,
        "growth_mib": late - early,
    }


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    room = Path("/dev/shm") if Path("/dev/shm").is_dir() else None
    folder = Path(tempfile.mkdtemp(prefix="vigil-bench-", dir=room))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _started(folder: Path, url: str, spool: str) -> subprocess.Popen[str]:
    sidecar = subprocess.Popen(
        [
            *(sys.executable, "-m", "monitor.cli", "sidecar", str(folder), "--service", url),
            *("--spool", spool, "--listen", "127.0.0.1:0", "--drain-s", "30"),
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert sidecar.stdout is not None
    sidecar.stdout.readline()
    return sidecar


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def _resident_mib(pid: int) -> float:
    """Without the ring, which the host has in memory too."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) / 1024
    return 0.0
