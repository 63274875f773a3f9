"""Baselines from the command line, on real arrays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitor.baselines.compare import compare
from vigil.windows.baseline import Baseline


def _data(path: Path, *, seed: int, shift: float = 0.0, n: int = 1500) -> Path:
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(n, 4))
    logits[np.arange(n), rng.integers(0, 4, n)] += 4.0
    exponent = np.exp(logits * (1.0 - shift))
    np.savez(
        path,
        embedding=rng.normal(size=(n, 8)).astype(np.float32),
        probabilities=(exponent / exponent.sum(axis=1, keepdims=True)).astype(np.float32),
        label=logits.argmax(axis=1),
        site=np.array(["north", "south"])[rng.integers(0, 2, n)],
    )
    return path


def _build(run: Any, version: str, path: Path, *extra: str) -> dict[str, Any]:
    arguments = ("--model", "reader", "--version", version, "--from", str(path), "--json", *extra)
    found: dict[str, Any] = json.loads(run("baseline", "build", *arguments).stdout)
    return found


def test_a_baseline_is_built_stored_and_judges(run: Any, tmp_path: Path) -> None:
    """The new baseline is active, described as it was built, and retires the one before."""
    first = _build(run, "v1", _data(tmp_path / "a.npz", seed=1))
    assert (first["records"], first["labels"], first["cells"]) == (1500, 1500, 2)
    second = _build(run, "v1", _data(tmp_path / "b.npz", seed=2))
    listed = json.loads(run("baseline", "list", "--model", "reader", "--json").stdout)
    assert {row["sha256"]: row["state"] for row in listed} == {
        first["sha256"]: "retired",
        second["sha256"]: "active",
    }
    shown = json.loads(run("baseline", "show", first["sha256"][:8], "--json").stdout)
    assert (shown["keys"], shown["classes"], shown["embedding"]) == (["site"], 4, 8)


def test_a_baseline_can_be_stored_without_judging(run: Any, tmp_path: Path) -> None:
    """With --keep-active the present baseline judges on."""
    first = _build(run, "v1", _data(tmp_path / "a.npz", seed=1))
    _build(run, "v1", _data(tmp_path / "b.npz", seed=2), "--keep-active")
    listed = json.loads(run("baseline", "list", "--json").stdout)
    assert [row["sha256"] for row in listed if row["state"] == "active"] == [first["sha256"]]


def test_baselines_are_compared_signal_by_signal(run: Any, tmp_path: Path) -> None:
    """Two draws of one population lie close; a less confident model lies beyond tolerance."""
    hashes = [
        _build(run, "v1", _data(tmp_path / "a.npz", seed=1))["sha256"],
        _build(run, "v2", _data(tmp_path / "b.npz", seed=2))["sha256"],
        _build(run, "v3", _data(tmp_path / "c.npz", seed=3, shift=0.6))["sha256"],
    ]
    same = json.loads(run("baseline", "compare", hashes[0], hashes[1], "--json").stdout)
    other = json.loads(run("baseline", "compare", hashes[0], hashes[2], "--json").stdout)
    assert {row["signal"] for row in same} == {
        "accuracy",
        "confidence",
        "embedding_distance",
        "entropy",
        "margin",
        "predicted_class",
    }
    assert [row["signal"] for row in same if row["beyond"]] == []
    assert {row["signal"] for row in other if row["beyond"]} == {"confidence", "entropy", "margin"}


def test_a_baseline_lies_at_no_distance_from_itself(run: Any, tmp_path: Path) -> None:
    """Comparing a baseline with itself gives zeros."""
    from datetime import UTC, datetime

    from detectors.fit import fit_baseline
    from monitor.baselines.load import load_batches
    from vigil.types import ModelRef

    path = _data(tmp_path / "a.npz", seed=1, n=600)
    built: Baseline = fit_baseline(
        model=ModelRef(name="reader", version="v1"),
        batches=load_batches(str(path), model="reader", version="v1", keys=("site",)),
        keys=("site",),
        dataset=str(path),
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    assert [one.value for one in compare(built, built)] == pytest.approx([0.0] * 6)


@pytest.mark.parametrize(
    ("origin", "said"),
    [("nowhere.npz", "nowhere.npz"), ("no_such_module:batches", "no_such_module")],
)
def test_data_that_is_not_there_is_told(run: Any, origin: str, said: str) -> None:
    """A wrong --from is one line that names it."""
    arguments = ("--model", "reader", "--version", "v1", "--from", origin)
    assert said in run("baseline", "build", *arguments, code=2).stderr


def test_only_a_declared_model_gets_a_baseline(run: Any, tmp_path: Path) -> None:
    """Slices come from the configuration, so the model must be in it."""
    path = _data(tmp_path / "a.npz", seed=1, n=100)
    arguments = ("--model", "stranger", "--version", "v1", "--from", str(path))
    assert "stranger" in run("baseline", "build", *arguments, code=2).stderr


def test_an_unknown_hash_is_told(run: Any) -> None:
    """No baseline starts so."""
    assert "feed" in run("baseline", "show", "feed", code=2).stderr
