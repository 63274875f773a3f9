"""Our detectors held against Evidently 0.7.23, and the settings under which they agree.

* ks: the same p-value, up to 10 000 rows a side (exact in both).
* wasserstein: the same distance, both in standard deviations (ddof 0) of the reference.
* jensen_shannon_category: the same distance on the same cells; ours in bits, theirs in nats, a
  factor sqrt(log 2).
* psi_category: on the same cells apart by no more than the pseudo-counts explain: ours adds 1/2 to
  each cell, theirs makes an empty share 0.0001.
* jensen_shannon, psi: other bins, ours the reference's quantiles, theirs even ones (Sturges' rule
  over both samples). On *their* bins they are as the two above; on its own each is between half
  and one and a half of the other.

For 20 different values or fewer Evidently makes each a cell of its own, for psi and jensenshannon.
"""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import detectors
from detectors.detector import Comparison

pytestmark = [
    pytest.mark.servers,
    pytest.mark.skipif(find_spec("evidently") is None, reason="Evidently is not installed"),
]

_THEIRS = """
import json, sys
import numpy as np, pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.metrics import ValueDrift
found = np.load(sys.argv[1])
numbers, labels = ["shifted", "wide", "gamma", "ties"], ["label"]
definition = DataDefinition(numerical_columns=numbers, categorical_columns=labels)
sides = []
for side in ("now", "before"):
    frame = pd.DataFrame({name: found[f"{name}_{side}"] for name in numbers + labels})
    frame["label"] = frame["label"].astype(str)
    sides.append(Dataset.from_pandas(frame, data_definition=definition))
wanted = [(name, m) for name in numbers for m in ("ks", "wasserstein", "jensenshannon", "psi")]
wanted += [("label", m) for m in ("jensenshannon", "psi")]
report = Report([ValueDrift(column=c, method=m) for c, m in wanted]).run(*sides)
print(json.dumps([
    [one["config"]["column"], one["config"]["method"], float(one["value"])]
    for one in report.dict()["metrics"]
]))
"""
NUMBERS = ("shifted", "wide", "gamma", "ties")
Floats = NDArray[np.float64]


def samples() -> dict[str, tuple[NDArray[np.generic], NDArray[np.generic]]]:
    rng = np.random.default_rng(11)
    return {
        "shifted": (rng.normal(size=3000), rng.normal(0.3, 1.0, 2000)),
        "wide": (rng.normal(size=3000), rng.normal(0.0, 1.5, 2000)),
        "gamma": (rng.gamma(2.0, 1.0, 3000), rng.gamma(2.2, 1.0, 2000)),
        "ties": (rng.integers(0, 60, 3000) / 1.0, rng.integers(5, 60, 2000) / 1.0),
        "label": (rng.choice(5, 3000), rng.choice(5, 2000, p=[0.3, 0.25, 0.2, 0.15, 0.1])),
    }


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], float]:
    """Evidently's numbers, from a process of its own: its imports warn and take seconds."""
    path: Path = tmp_path_factory.mktemp("crosscheck") / "samples.npz"
    arrays = {
        f"{name}_{side}": values
        for name, pair in samples().items()
        for side, values in zip(("before", "now"), pair, strict=True)
    }
    np.savez(path, **arrays)  # type: ignore[arg-type]
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _THEIRS, str(path)],
        capture_output=True, text=True, check=False, timeout=110,
        env={"DO_NOT_TRACK": "1", "PATH": "/usr/bin:/bin", "HOME": str(path.parent)},
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return {(c, m): value for c, m, value in json.loads(run.stdout.splitlines()[-1])}


def ours(name: str, column: str) -> Comparison:
    before, now = samples()[column]
    return detectors.get(name).compare(before, now)


def their_cells(column: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The cell of each value, in Evidently's even bins over both samples."""
    before, now = (np.asarray(side, float) for side in samples()[column])
    edges = np.histogram_bin_edges(np.concatenate([before, now]), bins="sturges")
    codes = [np.searchsorted(edges[1:-1], side, side="right") for side in (before, now)]
    return codes[0], codes[1]


def pseudo_bound(before: NDArray[np.int64], now: NDArray[np.int64]) -> float:
    """How far apart 1/2 a cell and 0.0001 an empty share can put PSI: cell by cell, exactly."""
    cells = int(max(before.max(), now.max())) + 1
    counts = [np.bincount(side, minlength=cells) for side in (before, now)]
    kept = counts[0] + counts[1] > 0
    shares = [one[kept] / one.sum() for one in counts]
    smooth = [(one[kept] + 0.5) / (one.sum() + 0.5 * kept.sum()) for one in counts]
    shares = [np.where(one == 0, 1e-4, one) for one in shares]

    def terms(p: Floats, q: Floats) -> Floats:
        return np.asarray((q - p) * np.log(q / p))

    return float(np.abs(terms(shares[0], shares[1]) - terms(smooth[0], smooth[1])).sum())


@pytest.mark.parametrize("column", NUMBERS)
def test_ks_gives_their_p_value(theirs: dict[tuple[str, str], float], column: str) -> None:
    assert ours("ks", column).p_value == pytest.approx(theirs[column, "ks"], rel=1e-6, abs=1e-300)


@pytest.mark.parametrize("column", NUMBERS)
def test_wasserstein_gives_their_distance(
    theirs: dict[tuple[str, str], float], column: str
) -> None:
    assert ours("wasserstein", column).effect.value == pytest.approx(
        theirs[column, "wasserstein"], rel=1e-9
    )


@pytest.mark.parametrize("column", ["label", *NUMBERS])
def test_jensen_shannon_gives_their_distance_on_their_cells(
    theirs: dict[tuple[str, str], float], column: str
) -> None:
    pair = samples()["label"] if column == "label" else their_cells(column)
    found = detectors.get("jensen_shannon_category").compare(*pair)
    assert found.statistic * np.sqrt(np.log(2.0)) == pytest.approx(
        theirs[column, "jensenshannon"], rel=1e-9
    )


@pytest.mark.parametrize("column", ["label", *NUMBERS])
def test_psi_differs_by_the_pseudo_counts_alone(
    theirs: dict[tuple[str, str], float], column: str
) -> None:
    """And by little: under 2 % of it, but for the cells that one side leaves empty."""
    before, now = samples()["label"] if column == "label" else their_cells(column)
    found = detectors.get("psi_category").compare(before, now)
    bound = pseudo_bound(np.asarray(before, np.int64), np.asarray(now, np.int64))
    assert abs(found.statistic - theirs[column, "psi"]) <= bound * (1 + 1e-9) + 1e-12
    if column == "label":
        assert bound < 0.02 * theirs[column, "psi"]


@pytest.mark.parametrize("column", ["shifted", "wide", "gamma"])
@pytest.mark.parametrize(("name", "method"), [("psi", "psi"), ("jensen_shannon", "jensenshannon")])
def test_other_bins_tell_the_same_story(
    theirs: dict[tuple[str, str], float], column: str, name: str, method: str
) -> None:
    """Quantile bins against even ones: not the same number, but the same size of it."""
    factor = 1.0 if name == "psi" else np.sqrt(np.log(2.0))
    ratio = ours(name, column).statistic * factor / theirs[column, method]
    assert 0.5 < ratio < 1.5
