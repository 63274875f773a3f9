"""What was stored before signals followed the task is read and judged as it was then."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from detectors.effects import effects
from detectors.frame import Part
from detectors.scores import score
from vigil.catalogue import SCALAR_NAMES
from vigil.windows import wire
from vigil.windows.baseline import Baseline
from vigil.windows.window import Window

FOLDER = Path(__file__).parents[1] / "vigil" / "before"


@cache
def stored() -> tuple[Baseline, list[Window], dict[str, Any]]:
    """A baseline and two windows of a classifier, with their scores and effects of that time."""
    baseline, *windows = wire.split((FOLDER / "classification.vgl").read_bytes())
    told = json.loads((FOLDER / "classification.json").read_text())
    return Baseline.from_bytes(baseline), [Window.from_bytes(one) for one in windows], told


def test_a_baseline_keeps_its_hash_and_its_ruler_its_id() -> None:
    baseline, windows, told = stored()
    assert baseline.sha256 == told["sha256"]
    assert baseline.ruler.id == told["ruler"] == windows[0].ruler
    assert baseline.ruler.layout.signals == SCALAR_NAMES
    assert baseline.ruler.layout.task == "classification"


def test_its_windows_are_scored_and_measured_as_before() -> None:
    """To the last digits, for every slice and signal; a stream came since (decision 0020)."""
    baseline, windows, told = stored()
    for row, window in enumerate(windows):
        part = Part(baseline=baseline, summary=window.summary)
        scores = score([part], "reader", "production")
        was = told["judged"][str(row)]
        then = np.array([one.signal != "lost_class" for one in scores.streams])
        streams = [one for one in scores.streams if one.signal != "lost_class"]
        assert [[str(s.slice), s.signal] for s in streams] == [x[:2] for x in was["scores"]]
        np.testing.assert_allclose(scores.score[then], [x[2] for x in was["scores"]], rtol=1e-9)
        np.testing.assert_allclose(scores.noise[then], [x[3] for x in was["scores"]], rtol=1e-9)
        found = effects([part], streams)
        numbers = [(one.value, one.low, one.high, one.records) for one in found.values()]
        np.testing.assert_allclose(numbers, [x[2:] for x in was["effects"]], rtol=1e-9, atol=1e-12)


def test_they_are_written_as_before() -> None:
    """A service of the time can read what is written now."""
    baseline, windows, _ = stored()
    blobs = wire.split((FOLDER / "classification.vgl").read_bytes())
    assert wire.unpack(baseline.to_bytes())[0] == wire.unpack(blobs[0])[0]
    for window, blob in zip(windows, blobs[1:], strict=True):
        assert wire.unpack(window.to_bytes())[0] == wire.unpack(blob)[0]
