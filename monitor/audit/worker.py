"""The scheduled audit in a process of its own, at low priority, so that no tick waits for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from contextlib import suppress
from typing import IO

from monitor.audit import kept
from monitor.audit.run import audit
from monitor.audit.words import document
from monitor.settings.schema import Settings
from monitor.settings.secrets import read_secret
from monitor.store.database import Sessions, open_engine
from vigil.clock import Clock, SystemClock
from vigil.errors import VigilError

# The caller's path, so that its vigil is found; not the working folder's ``monitor.py``.
_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv.pop(1)); "
    "from monitor.audit.worker import main; main()"
)
NICENESS = 10


class Worker:
    """One audit that runs elsewhere. Its outcome is in the database when it has ended."""

    def __init__(self, settings: Settings) -> None:
        path = [os.path.abspath(entry) for entry in sys.path if entry]
        self._said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (closed by ``stop``)
        self._process = subprocess.Popen(
            [sys.executable, "-c", _START, json.dumps(path)],
            stdin=subprocess.PIPE,
            stdout=self._said,
            stderr=self._said,
        )
        assert self._process.stdin is not None
        with suppress(BrokenPipeError), self._process.stdin as pipe:
            pipe.write(settings.model_dump_json().encode())

    def ended(self, *, wait_s: float = 0.0) -> bool:
        """Whether it is over; waits so long for it."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(wait_s)
        return self._process.poll() is not None

    @property
    def trouble(self) -> str:
        """Its last words where it died of an error of its own; else nothing."""
        if not self._process.returncode:
            return ""
        self._said.seek(0)
        last = self._said.read().decode(errors="replace").strip().rpartition("\n")[2]
        return f"the audit's process failed: {last[:300] or self._process.returncode}"

    def stop(self) -> None:
        """End it, if it has not ended, and let go of its files."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(5.0)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._said.close()


def run(settings: Settings, sessions: Sessions, clock: Clock) -> None:
    """Audit, and keep what came of it: a report, or why there is none."""
    try:
        found = document(audit(sessions, settings, now=clock.now()))
    except VigilError as error:
        with sessions.begin() as session:
            kept.failed(session, str(error), at=clock.now())
        return
    with sessions.begin() as session:
        kept.succeeded(session, found, at=clock.now())


def main() -> None:
    """What the process does: settings as JSON from standard input."""
    with suppress(OSError):
        os.nice(NICENESS)
    settings = Settings.model_validate_json(sys.stdin.buffer.read())
    ref = settings.service.database_password
    password = read_secret(ref, key="service.database_password").reveal() if ref else None
    engine = open_engine(settings.service.database, password=password)
    try:
        run(settings, Sessions(engine), SystemClock())
    finally:
        engine.dispose()
