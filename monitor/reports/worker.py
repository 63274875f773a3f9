"""Runs Evidently in a separate Python process, with a time limit, and reads what it made."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monitor.reports import evidently_report
from monitor.reports.data import Tables
from monitor.reports.distances import Of
from vigil.errors import VigilError

LIMIT_S = 120.0
EXTRA = "pip install 'vigil-cv[reports]'"

# What libraries need to be found and to write text; no token and no password of the service.
_PASSED_ON = (
    "PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT", "LANG", "LC_ALL", "LC_CTYPE",
    "TMPDIR", "TZ", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS",
)  # fmt: skip

# The caller's path, so that its vigil is found; not the working folder's ``monitor.py``.
_START = (
    "import json, runpy, sys; sys.path[:] = json.loads(sys.argv.pop(1)); "
    f"runpy.run_module({evidently_report.__name__!r}, run_name='__main__')"
)


class ReportError(VigilError):
    """A report that can't be made: what is missing, or what went wrong."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rendered:
    """Evidently's page, its numbers, and its version."""

    page: str
    scores: dict[Of, float]
    version: str


def render(tables: Tables, *, limit_s: float = LIMIT_S) -> Rendered:
    """Have Evidently draw the tables.

    Raises:
        ReportError: there is nothing to compare, Evidently is not installed or fails, or it takes
            more than ``limit_s`` seconds.
    """
    if not tables.names and not tables.classes:
        raise ReportError(
            "nothing to compare: no signal was measured both in the baseline's sample and now"
        )
    with tempfile.TemporaryDirectory(prefix="vigil-report-") as name:
        folder = Path(name)
        (folder / evidently_report.TABLES).write_bytes(tables.to_bytes())
        _run(folder, limit_s)
        return _result(folder)


def _run(folder: Path, limit_s: float) -> None:
    path = [os.path.abspath(entry) for entry in sys.path if entry]
    said = folder / "said.txt"
    # A file, not a pipe: nothing that outlives the process can keep us waiting for its end.
    with said.open("wb") as output:
        try:
            code = subprocess.run(
                [sys.executable, "-c", _START, json.dumps(path), str(folder)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=folder,
                env=_environment(folder),
                timeout=limit_s,
                check=False,
            ).returncode
        except subprocess.TimeoutExpired:
            raise ReportError(
                f"Evidently took more than {limit_s:g} s and was stopped (--limit-s allows more)"
            ) from None
    if code < 0:
        raise ReportError(
            f"Evidently's process was killed by {_signal(-code)}; short of memory, perhaps"
        )
    if code:
        last = said.read_text(encoding="utf-8", errors="replace").strip().rpartition("\n")[2]
        raise ReportError(f"Evidently failed: {last[:300] or f'exit code {code}'}")


def _environment(folder: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return {**kept, "HOME": str(folder), "DO_NOT_TRACK": "1", "PYTHONUTF8": "1"}


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _result(folder: Path) -> Rendered:
    try:
        found: dict[str, Any] = json.loads((folder / evidently_report.SCORES).read_bytes())
    except (OSError, ValueError) as error:
        raise ReportError(f"Evidently ended without its numbers: {error}") from None
    if "missing" in found:
        raise ReportError(f"{found['missing']} is not installed, and reports need it: {EXTRA}")
    if "broken" in found:
        raise ReportError(f"Evidently can't be imported ({found['broken']}): {EXTRA}")
    try:
        page = (folder / evidently_report.PAGE).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ReportError(f"Evidently ended without a page: {error}") from None
    return Rendered(
        page=page,
        scores={Of(signal, method): value for signal, method, value in found["scores"]},
        version=found["evidently"],
    )
