"""A process of its own at low priority, so that no tick waits for what it does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from typing import IO

from monitor.settings.schema import Settings

NICENESS = 10


class Child:
    """Runs ``main(*arguments)`` of a module elsewhere, with the settings on standard input.

    The process is the first of a group: what it starts ends with it.
    """

    def __init__(self, settings: Settings, module: str, *arguments: str) -> None:
        # The caller's path, so that its vigil is found; not the working folder's ``monitor.py``.
        start = (
            "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
            f"from {module} import main; main(*sys.argv[2:])"
        )
        path = [os.path.abspath(entry) for entry in sys.path if entry]
        self._said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (closed by ``stop``)
        self._process = subprocess.Popen(
            [sys.executable, "-c", start, json.dumps(path), *arguments],
            stdin=subprocess.PIPE,
            stdout=self._said,
            stderr=self._said,
            start_new_session=True,
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
    def returned(self) -> int | None:
        """Its exit status; None while it runs."""
        return self._process.returncode

    @property
    def last_words(self) -> str:
        """The last line that it wrote. Only once it has ended."""
        self._said.seek(0)
        return self._said.read().decode(errors="replace").strip().rpartition("\n")[2]

    def stop(self) -> None:
        """End it, if it has not ended, and let go of its files."""
        if self._process.poll() is None:
            self._kill(signal.SIGTERM)
            try:
                self._process.wait(5.0)
            except subprocess.TimeoutExpired:
                self._kill(signal.SIGKILL)
                self._process.wait()
        self._said.close()

    def _kill(self, how: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, how)


def settings_given() -> Settings:
    """In the process: be nice, and read the settings."""
    with suppress(OSError):
        os.nice(NICENESS)
    return Settings.model_validate_json(sys.stdin.buffer.read())
