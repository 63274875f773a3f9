"""The process that decodes and records, as the proxy sees it."""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import subprocess
import sys
import threading
import time
from typing import Any

from monitor.proxy.spec import Plan

READY_S = 30.0
_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from monitor.proxy.recording import main; main(int(sys.argv[2]))"
)


class RecorderProcess:
    """A child at the other end of a socket: calls go there, what it says of itself comes back.

    Raises:
        OSError: it can't be started.
    """

    def __init__(self, plan: Plan) -> None:
        self.socket, theirs = socket.socketpair()
        self.said: dict[str, Any] = {}
        path = [os.path.abspath(entry) for entry in sys.path if entry]
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _START, json.dumps(path), str(theirs.fileno())],
                stdin=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError), self._process.stdin as pipe:
            pipe.write(plan.to_json().encode())
        self._ready = threading.Event()
        threading.Thread(target=self._listen, name="vigil-recorder-said", daemon=True).start()
        self._last_words = b""
        self._errors = threading.Thread(target=self._log_errors, daemon=True)
        self._errors.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_until_ready(self, timeout_s: float = READY_S) -> None:
        """Raises:
        ValueError: it ended at once; says why.
        """
        until = time.monotonic() + timeout_s
        while not self._ready.wait(0.02):
            if self._process.poll() is not None:
                self._errors.join(1.0)
                words = self._last_words.decode(errors="replace").strip()
                raise ValueError(words.rpartition("\n")[2] or "the recording process ended")
            if time.monotonic() > until:
                raise ValueError(f"the recording process did not start within {timeout_s:g} s")

    def close(self, timeout_s: float) -> None:
        """It ends when nothing more comes; after the time it is killed."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self.socket.close()
        if self._process.stderr is not None:
            self._errors.join(1.0)
            self._process.stderr.close()

    def _listen(self) -> None:
        buffer = b""
        while True:
            try:
                select.select([self.socket], [], [])
                data = self.socket.recv(65536)
            except (OSError, ValueError):
                return
            if not data:
                return
            *lines, buffer = (buffer + data).split(b"\n")
            for line in lines:
                with contextlib.suppress(ValueError):
                    self.said = json.loads(line)
                    self._ready.set()

    def _log_errors(self) -> None:
        """What it writes to standard error goes to ours, and its end is kept."""
        stream = self._process.stderr
        assert stream is not None
        for line in stream:
            self._last_words = (self._last_words + line)[-4000:]
            sys.stderr.write(line.decode(errors="replace"))
