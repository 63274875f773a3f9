"""``vigil incidents report``: the numbers held against Evidently's own, and what can go wrong."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reports_fleet as fleet
from scipy import stats
from scipy.spatial.distance import jensenshannon
from typer.testing import CliRunner

from detectors.effects import effects
from detectors.frame import Part
from detectors.streams import StreamKey
from monitor.cli.app import app
from monitor.reports import incident as incidents
from monitor.reports.distances import ks_distance
from vigil.catalogue import CATALOGUE
from vigil.types import SignalKind, Slice
from vigil.windows.sample import Sample
from vigil.windows.summary import Summary

_installed = pytest.mark.skipif(
    find_spec("evidently") is None,
    reason="Evidently is not installed: `pip install 'vigil-cv[reports]'`",
)


def needs_evidently(test: Callable[..., None]) -> Callable[..., None]:
    """`make test-servers` installs it."""
    marked: Callable[..., None] = pytest.mark.servers(_installed(test))
    return marked


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("reports")
    services = fleet.services_in(path)
    fleet.seed(services)
    services.close()
    return path


def call(folder: Path, *arguments: str, code: int = 0) -> Any:
    command = ["incidents", "report", *arguments, "--config", str(folder / "vigil.toml")]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == code, (result.output, result.exception)
    return result


@pytest.fixture(scope="module")
def made(folder: Path) -> tuple[dict[str, Any], str, str]:
    """One real run: what it printed, the page, and NumPy's global state before it."""
    state = repr(np.random.get_state())
    out = folder / "incident 1.html"
    printed = call(folder, "1", "--out", str(out), "--json").stdout
    return json.loads(printed), out.read_text(encoding="utf-8"), state


@pytest.fixture(scope="module")
def samples() -> tuple[Sample, Sample]:
    """All records of the slice, before and now, from where they were made."""
    reference = fleet.baseline().sample
    inside = [i for i, m in enumerate(reference.metadata) if m["camera"] == fleet.HOSTILE]
    now = Sample.merge([window.sample for window in fleet.windows()], 1000)
    return reference.take(inside), now


@needs_evidently
def test_evidently_finds_the_same_numbers(
    made: tuple[dict[str, Any], str, str], samples: tuple[Sample, Sample]
) -> None:
    """KS, Wasserstein and Jensen-Shannon by vigil, by Evidently, and by SciPy on the raw values."""
    printed, _, _ = made
    found = {(one["signal"], one["method"]): one for one in printed["numbers"]}
    assert len(found) == 23
    before, now = samples
    assert (printed["reference_records"], printed["records"]) == (len(before), len(now))
    for column, name in enumerate(now.signal_names):
        x, y = (s.signals[:, column].astype(np.float64) for s in samples)
        x, y = x[np.isfinite(x)], y[np.isfinite(y)]
        exact = stats.ks_2samp(x, y)
        assert ks_distance(x, y) == pytest.approx(exact.statistic, abs=1e-12)
        distance = stats.wasserstein_distance(x, y) / max(x.std(), 0.001)
        for method, oracle in (("ks", exact.pvalue), ("wasserstein", distance)):
            pair = found[name, method]
            assert pair["vigil"] == pytest.approx(oracle, rel=1e-6, abs=1e-12)
            assert pair["evidently"] == pytest.approx(pair["vigil"], rel=1e-6, abs=1e-12)
    shares = [np.bincount(s.prediction, minlength=4) / len(s) for s in samples]
    classes = found["predicted_class", "jensenshannon"]
    assert classes["vigil"] == pytest.approx(float(jensenshannon(*shares)))
    assert classes["evidently"] == pytest.approx(classes["vigil"])
    assert found["brightness", "ks"]["evidently"] < 1e-6


def test_the_detectors_distance_is_the_exact_one_within_a_bin(
    samples: tuple[Sample, Sample],
) -> None:
    """What pages is KS at the ruler's edges: below the exact distance by one bin's mass at most.

    Together with the test above, this holds the detectors' KS against Evidently's.
    """
    baseline = fleet.baseline()
    summary = Summary.total(w.summary for w in fleet.windows() if w.summary.total_records)
    piece = Slice((("camera", fleet.HOSTILE),))
    streams = [
        StreamKey(model="reader", deployment="production", slice=piece, signal=name)
        for name in baseline.ruler.layout.signals
        if CATALOGUE[name].kind is not SignalKind.SERVICE
    ]
    found = effects([Part(baseline=baseline, summary=summary, outcomes=None)], streams)
    assert len(found) == 10
    for stream, effect in found.items():
        column = baseline.ruler.layout.signals.index(stream.signal)
        x, y = (s.signals[:, column].astype(np.float64) for s in samples)
        edges = [-np.inf, *baseline.ruler.edges[column], np.inf]
        mass = max(float((np.histogram(v, edges)[0] / len(v)).max()) for v in (x, y))
        exact = ks_distance(x, y)
        assert exact - mass - 0.01 <= effect.value <= exact + 0.01, stream.signal


@needs_evidently
def test_the_page_says_what_it_compares(made: tuple[dict[str, Any], str, str]) -> None:
    """Title, slice, span, sizes and whether the numbers agree stand above Evidently's plots."""
    printed, html, _ = made
    top = html[html.index("<body>") :][:9000]
    assert "11:50:00 UTC to 2026-11-21 11:55:00 UTC" in top
    assert "450 sampled records now" in top
    assert "vigil and Evidently agree on all 23 numbers." in top
    assert printed["bytes"] == len(html.encode())
    assert html.count("Drift in column") >= 12


@needs_evidently
def test_hostile_text_stays_text(made: tuple[dict[str, Any], str, str]) -> None:
    """A slice, a title and class names that hold a script end up escaped or replaced, all of them.

    Evidently itself puts text into a script as it is.
    """
    _, html, _ = made
    assert "alert(1)</script>" not in html
    assert "<img src=x" not in html
    assert "camera=&lt;/script&gt;&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "1 __script__script_alert_1___script_" in html
    assert "Content-Security-Policy" in html[:2000]


@needs_evidently
def test_the_caller_is_left_alone(made: tuple[dict[str, Any], str, str], folder: Path) -> None:
    """NumPy's global state is what it was, Evidently is not imported, no scrap is left behind."""
    _, _, state = made
    assert repr(np.random.get_state()) == state
    assert "evidently" not in sys.modules
    assert [path.name for path in folder.glob("*.html*")] == ["incident 1.html"]
    assert list(folder.glob(".*tmp")) == []


def test_an_incident_without_samples_is_told(folder: Path, tmp_path: Path) -> None:
    """Which slice, version and span, and nothing is written."""
    out = tmp_path / "r.html"
    told = call(folder, "2", "--out", str(out), code=2).stderr
    assert re.match(
        r"vigil: incident 2: no sampled record of camera=c9 on v1 from 2026-11-21", told
    )
    assert not out.exists()


def test_a_version_without_a_baseline_is_told(folder: Path, tmp_path: Path) -> None:
    """There is nothing to compare with."""
    told = call(folder, "3", "--out", str(tmp_path / "r.html"), code=2).stderr
    assert "incident 3: reader v8 has no baseline" in told


def test_a_wrong_number_or_folder_is_told(folder: Path, tmp_path: Path) -> None:
    """Before anything is drawn."""
    assert "incident 9" in call(folder, "9", "--out", str(tmp_path / "r.html"), code=2).stderr
    told = call(folder, "1", "--out", str(tmp_path / "no" / "r.html"), code=2).stderr
    assert "there is no folder" in told


def test_without_evidently_the_command_names_the_extra(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line, exit code 2, no file."""
    (tmp_path / "evidently.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'evidently'\", name='evidently')"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    told = call(folder, "1", "--out", str(tmp_path / "r.html"), code=2).stderr
    expected = "evidently is not installed, and reports need it: pip install 'vigil-cv[reports]'"
    assert told == f"vigil: {expected}\n"
    assert list(tmp_path.glob("*.html")) == []


def test_a_file_is_replaced_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that fails on the way leaves the old page, and no scrap."""
    out = tmp_path / "r.html"
    assert incidents.save(out, "old é") == 6
    assert incidents.save(out, "older") == 5

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        incidents.save(out, "new")
    assert out.read_text() == "older"
    assert [path.name for path in tmp_path.iterdir()] == ["r.html"]
