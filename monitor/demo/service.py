"""The service under the demo: a process of its own, as in production, and a client of its API."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx

from vigil.errors import VigilError

START_LIMIT_S = 60.0
_BYTES = {"Content-Type": "application/octet-stream"}


class DemoError(VigilError):
    """The demo could not go on: something beneath it did not start or answer."""


class ServiceProcess:
    """``vigil serve`` as a child process. ``kill`` is kill -9: no goodbye."""

    def __init__(self, config: Path, log: Path) -> None:
        self._config, self._log = config, log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "monitor.cli", "serve", "--config", str(self._config)],
                stdout=log,
                stderr=log,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
                start_new_session=True,
            )

    def check(self) -> None:
        """Raises:
        DemoError: the service has ended; its log says why.
        """
        if self._process is not None and self._process.poll() is not None:
            tail = self._log.read_text(errors="replace")[-2000:]
            raise DemoError(f"the service ended with {self._process.returncode}: {tail}")

    def kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()

    def stop(self) -> None:
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.kill()


class ServiceClient:
    """What the story reads and says over the API; patient while the service is away."""

    def __init__(self, url: str, token: str, process: ServiceProcess) -> None:
        self._client = httpx.Client(
            base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=10.0
        )
        self._process = process

    def wait_ready(self) -> None:
        """Raises:
        DemoError: not ready within a minute.
        """
        limit = time.monotonic() + START_LIMIT_S
        while time.monotonic() < limit:
            self._process.check()
            try:
                if self._client.get("/healthz").status_code == 200:
                    return
            except httpx.HTTPError:
                pass
            time.sleep(0.1)
        raise DemoError("the service did not become ready within a minute")

    def get(self, path: str) -> Any:
        """JSON of a GET; None while the service is away."""
        try:
            reply = self._client.get(path)
        except httpx.HTTPError:
            return None
        return reply.json() if reply.status_code == 200 else None

    def post(self, path: str, body: dict[str, Any] | bytes) -> Any:
        """JSON of a POST of JSON or of bytes, repeated until the service takes it.

        Raises:
            DemoError: it refuses, or stays away for a minute.
        """
        limit = time.monotonic() + START_LIMIT_S
        while time.monotonic() < limit:
            try:
                if isinstance(body, bytes):
                    reply = self._client.post(path, content=body, headers=_BYTES)
                else:
                    reply = self._client.post(path, json=body)
            except httpx.HTTPError:
                time.sleep(0.2)
                continue
            if reply.status_code < 300:
                return reply.json()
            if reply.status_code < 500:
                raise DemoError(f"{path}: {reply.status_code} {reply.text[:300]}")
            time.sleep(0.2)
        raise DemoError(f"{path}: the service stays away")

    def close(self) -> None:
        self._client.close()
