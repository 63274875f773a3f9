"""Sidecars and inference processes for the tests: real ones, that can be killed."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent


class _Program:
    """A process that prints lines; ``said``: those that it printed so far."""

    def __init__(self, command: list[Any], **options: Any) -> None:
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            text=True,
            **options,
        )
        self.said: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                self.said.append(line)


class Host(_Program):
    """An inference process."""

    def __init__(self, folder: Path, *, version: str = "v1", batch: int = 5, **more: float) -> None:
        pause_s, window_s = more.get("pause_s", 0.005), more.get("window_s", 1.0)
        given = [folder, version, batch, pause_s, window_s]
        super().__init__(
            [sys.executable, HERE / "host_program.py", *map(str, given)], stdin=subprocess.PIPE
        )

    @property
    def handed(self) -> int:
        """Records that it handed over, as far as it said."""
        return int(self.said[-1].split()[0]) if self.said else 0

    @property
    def longest_s(self) -> float:
        return float(self.said[-1].split()[1])

    def kill(self) -> None:
        self.process.kill()
        self._end()

    def stop(self) -> None:
        """Let it say goodbye."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self._end()
        assert self.process.returncode == 0

    def _end(self) -> None:
        self.process.wait(20)
        self._reader.join(5)


class SidecarProcess(_Program):
    """``vigil sidecar``; ``port``: of its health and metrics."""

    def __init__(self, folder: Path, service: str, spool: Path, *more: str) -> None:
        super().__init__(
            [
                *(sys.executable, "-m", "monitor.cli", "sidecar", str(folder)),
                *("--service", service, "--spool", str(spool), "--listen", "127.0.0.1:0", *more),
            ],
            stderr=subprocess.STDOUT,
        )

    @property
    def port(self) -> int:
        until(lambda: any("on port" in line for line in self.said), self)
        line = next(line for line in self.said if "on port" in line)
        return int(line.rsplit(" ", 1)[1])

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def health(self) -> Any:
        return json.loads(self.get("/healthz")[1])

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)

    def terminate(self) -> str:
        """SIGTERM, and what it said in the end."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(40) == 0, self.said
        self._reader.join(5)
        return self.said[-1]


def until(done: Callable[[], bool], what: object = "", seconds: float = 30.0) -> None:
    """Wait for something that happens in another process."""
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, getattr(what, "said", what)
        time.sleep(0.02)


@contextlib.contextmanager
def ended(*processes: Any) -> Iterator[None]:
    """Whatever happens, no process stays behind."""
    try:
        yield
    finally:
        for one in processes:
            if one.process.poll() is None:
                one.process.kill()
                one.process.wait(10)
            if one.process.stdin is not None:
                one.process.stdin.close()
            one._reader.join(5)
