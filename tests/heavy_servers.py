"""Servers of other projects, each in an environment of its own that `make test-servers` makes."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

STARTS_IN_S = 300.0


def home(name: str) -> Path:
    """The environment of a server; without it the test is skipped."""
    folder = Path(__file__).parents[1] / ".make" / "servers" / name
    if not (folder / ".installed").exists():
        pytest.skip("`make test-servers` installs it")
    return folder


@contextmanager
def started(
    folder: Path,
    command: Callable[[str], list[str | Path]],
    *,
    health: str = "/health",
    environment: Mapping[str, str],
) -> Iterator[str]:
    """The address of a server that answers; ended with its workers afterwards.

    Args:
        folder: where it runs and writes its log.
        command: made from the port.
        health: the path that answers 200 when it is ready.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            command(str(port)),
            cwd=folder,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment},
            start_new_session=True,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_for(f"{url}{health}", process, folder / "log")
        yield url
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    ends = time.monotonic() + STARTS_IN_S
    while time.monotonic() < ends:
        assert process.poll() is None, log.read_text()[-2000:]
        try:
            if httpx.get(url, timeout=5.0).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.5)
    raise AssertionError(log.read_text()[-2000:])
