"""The process that runs Evidently, with stand-ins for it that fail in each way."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from monitor.reports.data import Tables
from monitor.reports.worker import ReportError, render

MISSING_PANDAS = """
import sys

class NoPandas:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "pandas":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, NoPandas())
"""


@pytest.fixture
def tables() -> Tables:
    return Tables(
        names=("brightness",),
        reference=np.linspace(0, 1, 20)[:, None],
        current=np.linspace(0, 1, 20)[:, None],
        classes=(),
        reference_classes=np.full(20, -1, np.int32),
        current_classes=np.full(20, -1, np.int32),
    )


@pytest.fixture
def evidently(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The source of a package ``evidently`` that the process finds first."""
    package = tmp_path / "evidently"
    package.mkdir()
    (package / "metrics.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    return package / "__init__.py"


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (
            "raise ModuleNotFoundError(\"No module named 'evidently'\", name='evidently')",
            "evidently is not installed, and reports need it: pip install 'vigil-cv[reports]'",
        ),
        (
            MISSING_PANDAS,
            "pandas is not installed, and reports need it: pip install 'vigil-cv[reports]'",
        ),
        (
            "raise AttributeError('pandas 3.1 is too new')",
            "Evidently can't be imported (AttributeError: pandas 3.1 is too new): "
            "pip install 'vigil-cv[reports]'",
        ),
        (
            "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
            "Evidently's process was killed by SIGKILL; short of memory, perhaps",
        ),
        ("import os; os._exit(3)", "Evidently failed: exit code 3"),
        ("import os; os._exit(0)", "Evidently ended without its numbers"),
        ("raise KeyboardInterrupt('stop')", "SIGINT"),
    ],
    ids=["missing", "no pandas", "broken", "killed", "exit", "silent", "interrupted"],
)
def test_a_failure_is_one_clear_line(
    tables: Tables, evidently: Path, source: str, told: str
) -> None:
    """What went wrong, and which extra to install where that is the cure."""
    evidently.write_text(source)
    with pytest.raises(ReportError) as caught:
        render(tables)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_it_is_stopped_when_it_takes_too_long(tables: Tables, evidently: Path) -> None:
    """The limit holds, children that keep its output open or not."""
    evidently.write_text(
        "import subprocess, time\nsubprocess.Popen(['sleep', '15'])\ntime.sleep(60)"
    )
    started = time.monotonic()
    with pytest.raises(ReportError, match=r"more than 3 s and was stopped \(--limit-s"):
        render(tables, limit_s=3.0)
    assert time.monotonic() - started < 12


def test_no_secret_reaches_it_and_a_monitor_py_does_not_mislead_it(
    tables: Tables, evidently: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its environment has no token and asks not to be tracked; the working folder is no path."""
    monkeypatch.setenv("VIGIL_TOKEN", "s3cret")
    work = tmp_path / "work"
    work.mkdir()
    (work / "monitor.py").write_text("raise SystemExit('the wrong monitor')")
    monkeypatch.chdir(work)
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    evidently.write_text(
        "import os; raise RuntimeError(f\"{os.environ.get('VIGIL_TOKEN')} \"\n"
        "  f\"{os.environ.get('DO_NOT_TRACK')} {os.path.realpath(os.environ['HOME'])}\")"
    )
    with pytest.raises(ReportError, match=r"RuntimeError: None 1 .*vigil-report-"):
        render(tables)
    assert os.environ["VIGIL_TOKEN"] == "s3cret"


def test_nothing_to_compare_is_told_before_anything_runs(tables: Tables) -> None:
    """No signal in common and no class: no process is started."""
    nothing = Tables(
        names=(),
        reference=np.zeros((3, 0)),
        current=np.zeros((3, 0)),
        classes=(),
        reference_classes=tables.reference_classes[:3],
        current_classes=tables.current_classes[:3],
    )
    with pytest.raises(ReportError, match="nothing to compare"):
        render(nothing)
