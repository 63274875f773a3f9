"""One incident's report in a process of its own, at low priority, so that no tick waits for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from contextlib import suppress
from typing import IO

from monitor.reports.incident import report
from monitor.reports.kept import put_page
from monitor.services import open_services
from monitor.settings.schema import Settings
from vigil.errors import VigilError

NICENESS = 10
_SAID = "size "
# The caller's path, so that its vigil is found; not the working folder's ``monitor.py``.
_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from monitor.reports.process import main; main(int(sys.argv[2]))"
)


class Process:
    """Draws the report of one incident and keeps its page beside the samples."""

    def __init__(self, settings: Settings, number: int) -> None:
        path = [os.path.abspath(entry) for entry in sys.path if entry]
        self._said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (closed by ``stop``)
        self._process = subprocess.Popen(
            [sys.executable, "-c", _START, json.dumps(path), str(number)],
            stdin=subprocess.PIPE,
            stdout=self._said,
            stderr=self._said,
            # Evidently runs in a process of this one's own: both end together.
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
    def result(self) -> tuple[int, str]:
        """The size of the page, or 0 and why there is none. Only once it has ended."""
        self._said.seek(0)
        last = self._said.read().decode(errors="replace").strip().rpartition("\n")[2]
        if self._process.returncode == 0 and last.startswith(_SAID):
            return int(last.removeprefix(_SAID)), ""
        return 0, last[:300] or f"the report's process ended with {self._process.returncode}"

    def stop(self) -> None:
        """End it, if it has not ended, and let go of its files."""
        if self._process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, 15)
            try:
                self._process.wait(5.0)
            except subprocess.TimeoutExpired:
                with suppress(ProcessLookupError):
                    os.killpg(self._process.pid, 9)
                self._process.wait()
        self._said.close()


def main(number: int) -> None:
    """What the process does: settings as JSON from standard input."""
    with suppress(OSError):
        os.nice(NICENESS)
    services = open_services(Settings.model_validate_json(sys.stdin.buffer.read()))
    try:
        size = put_page(services.samples, number, report(services, number).html)
    except VigilError as error:
        sys.stdout.write(f"{error}\n")
        raise SystemExit(1) from None
    finally:
        services.close()
    sys.stdout.write(f"{_SAID}{size}\n")
