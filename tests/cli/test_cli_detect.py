"""``vigil detect`` as people call it: files, exit codes, pages."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import csv
from typer.testing import CliRunner

from monitor.cli.app import app
from monitor.detect.errors import DetectError
from monitor.detect.files import read
from monitor.detect.shapes import histogram, points, shares
from monitor.detect.terminal import spark

HOSTILE = "<script>alert(1)</script>"


def table(seed: int, n: int = 1500, shift: float = 0.0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    site = rng.choice(["north", "south"], n)
    return {
        "brightness": rng.normal(size=n) + shift * (site == "north"),
        "contrast": rng.normal(size=n),
        "site": site,
        "embedding": rng.normal(size=(n, 4)) + shift,
    }


def as_npz(path: Path, columns: dict[str, Any]) -> Path:
    np.savez(path.with_suffix(".npz"), **columns)
    return path.with_suffix(".npz")


def arrow(columns: dict[str, Any]) -> Any:
    return pa.table({k: v if np.ndim(v) == 1 else v.tolist() for k, v in columns.items()})


def as_parquet(path: Path, columns: dict[str, Any]) -> Path:
    pq.write_table(arrow(columns), path.with_suffix(".parquet"))
    return path.with_suffix(".parquet")


def as_csv(path: Path, columns: dict[str, Any]) -> Path:
    flat = {name: values for name, values in columns.items() if np.ndim(values) == 1}
    csv.write_csv(arrow(flat), path.with_suffix(".csv"))
    return path.with_suffix(".csv")


def call(*arguments: object, code: int = 0) -> Any:
    result = CliRunner().invoke(app, ["detect", *map(str, arguments)])
    assert result.exit_code == code, (result.output, result.exception)
    return result


@pytest.mark.parametrize("write", [as_npz, as_parquet, as_csv])
def test_each_format_gives_the_answer(
    tmp_path: Path, write: Callable[[Path, dict[str, Any]], Path]
) -> None:
    """The same table in three formats; one clear sentence comes first."""
    before = write(tmp_path / "before", table(1))
    now = write(tmp_path / "now", table(2, shift=1.5))
    said = call(before, now, "--by", "site", code=1).stdout
    first = " ".join(said.split("\n\n")[0].split())
    assert " columns drifted: " in first
    assert "brightness (KS distance" in first
    assert "Worst slice: site=north" in first
    assert "█" in said
    found = json.loads(call(before, now, "--json", code=1).stdout)
    outcomes = {one["name"]: one["outcome"] for one in found["columns"]}
    assert outcomes["brightness"] == "drifted"
    assert outcomes["contrast"] == "healthy"
    assert ("embedding" in outcomes) == (write is not as_csv)
    assert outcomes.get("embedding", "drifted") == "drifted"
    assert found["exit_code"] == 1


def test_exit_codes(tmp_path: Path) -> None:
    """0 healthy, 1 drifted, 2 bad input, 3 not sure; --exit-zero forgives all but bad input."""
    small, good = as_npz(tmp_path / "small", table(1, 12)), as_npz(tmp_path / "good", table(1))
    again, bad = as_npz(tmp_path / "again", table(2)), as_npz(tmp_path / "bad", table(2, shift=2))
    call(good, again, "--columns", "brightness,contrast,site")
    call(good, bad, code=1)
    call(good, tmp_path / "none.npz", code=2)
    call(good, small, code=3)
    call(good, bad, "--exit-zero")
    call(good, tmp_path / "none.npz", "--exit-zero", code=2)


def test_the_page_needs_nothing_else_and_holds_no_script(tmp_path: Path) -> None:
    """One file: plots inline, every name escaped, the detectors explained, no address to load."""
    before = table(1) | {HOSTILE: np.array(["x", HOSTILE] * 750)}
    now = table(2, shift=1.5) | {HOSTILE: np.array(["x", "x", HOSTILE] * 500)}
    out = tmp_path / "report.html"
    call(
        as_npz(tmp_path / "a", before), as_npz(tmp_path / "b", now),
        "--by", "site", "--html", out, code=1,
    )  # fmt: skip
    page = out.read_text(encoding="utf-8")
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert page.count("<svg") >= 5
    assert "http://" not in page.replace("http://www.w3.org/", "")
    assert "src=" not in page
    assert "Content-Security-Policy" in page
    assert "prefers-color-scheme: dark" in page
    for words in ("columns drifted", "Do not trust it for", "Holm", "site=north", "KS distance"):
        assert words in page
    assert out.stat().st_size < 500_000


def test_a_large_file_is_sampled_and_it_is_said(tmp_path: Path) -> None:
    """Rows are drawn at random, the same for one seed, over all the file and columns alike."""
    n = 5000
    columns = {"x": np.arange(n, dtype=float), "y": np.arange(n, dtype=float), "c": np.arange(n)}
    for write in (as_npz, as_parquet, as_csv):
        path = write(tmp_path / "large", columns)
        drawn = read(path, most_rows=400, seed=1)
        assert (drawn.rows, drawn.rows_in_file) == (400, n)
        np.testing.assert_array_equal(drawn.columns["x"], drawn.columns["y"])
        assert len(np.unique(drawn.columns["x"])) == 400
        assert abs(drawn.columns["x"].mean() - n / 2) < 5 * n / np.sqrt(12 * 400)
        np.testing.assert_array_equal(
            drawn.columns["x"], read(path, most_rows=400, seed=1).columns["x"]
        )
    said = call(path, path, "--most-rows", 400, "--columns", "x", "--exit-zero").stdout
    assert "400 of 5,000 rows, drawn at random" in said


def test_missing_values_lists_and_odd_types_are_read(tmp_path: Path) -> None:
    """Nulls become missing; lists one (n, d) array; what can't be compared says why."""
    path = tmp_path / "odd.parquet"
    pq.write_table(
        pa.table(
            {
                "x": pa.array([1, None, 3], pa.int64()),
                "t": pa.array(["a", None, "b"]).dictionary_encode(),
                "e": pa.array([[1.0, 2.0], None, [3.0, 4.0]]),
                "ragged": pa.array([[1.0], [1.0, 2.0], None]),
                "deep": pa.array([{"k": 1}] * 3),
                "void": pa.nulls(3),
                "at": pa.array([0, 1, 2], pa.timestamp("s")),
            }
        ),
        path,
    )
    found = read(path)
    np.testing.assert_array_equal(found.columns["x"], [1.0, np.nan, 3.0])
    np.testing.assert_array_equal(found.columns["e"], [[1, 2], [np.nan, np.nan], [3, 4]])
    assert list(found.columns["t"]) == ["a", None, "b"]
    assert set(found.unusable) == {"ragged", "deep"}
    assert "1 to 2" in found.unusable["ragged"]
    said = call(path, path, code=3).stdout
    assert "not compared: ragged" in " ".join(said.split())


def test_files_that_cannot_be_read_are_one_line(tmp_path: Path) -> None:
    """File, what was expected, what was found; no traceback."""
    good = as_npz(tmp_path / "good", table(1))
    (tmp_path / "broken.npz").write_bytes(b"PK\x03\x04 not really")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1")
    (tmp_path / "broken.csv").write_text("a,b\n1,2\n3\n")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "heading.csv").write_text("a,b\n")
    (tmp_path / "notes.txt").write_text("a")
    np.savez(tmp_path / "uneven.npz", a=np.ones(3), b=np.ones(4))
    np.savez(tmp_path / "pickled.npz", a=np.array([{}, {}], object))
    for name, words in {
        "none.npz": "expected a file, found none",
        "broken.npz": "expected an npz file",
        "broken.parquet": "expected a Parquet file",
        "broken.csv": "expected a CSV file",
        "empty.csv": "expected a CSV file",
        "heading.csv": "expected rows, found none",
        "notes.txt": "expected .parquet, .npz or .csv, found .txt",
        "uneven.npz": "a 3, b 4",
        "pickled.npz": "Object arrays",
        ".": "a folder",
    }.items():
        said = call(good, tmp_path / name, code=2).stderr
        assert words in said, name
        assert str(tmp_path / name) in said
        assert len(said.splitlines()) == 1
    with pytest.raises(DetectError, match="most-rows"):
        read(good, most_rows=0)


def test_options_that_cannot_be_are_one_line(tmp_path: Path) -> None:
    """A tolerance without a number, a folder that is not there."""
    good = as_npz(tmp_path / "good", table(1))
    assert "NAME=VALUE" in call(good, good, "--tolerance", "ks", code=2).stderr
    assert "no folder" in call(good, good, "--html", tmp_path / "x" / "r.html", code=2).stderr
    assert "expected one of" in call(good, good, "--detector", "psychic", code=2).stderr


def test_shapes_are_shares_over_one_axis() -> None:
    """Both sides add up to one; an outlier is held by the outermost bar and does not squeeze."""
    x, y = np.random.default_rng(0).normal(size=(2, 1000))
    y[0] = 1e6
    bars = histogram(x, y)
    assert bars is not None
    assert bars.cut
    assert bars.edges[-1] < 10
    assert bars.reference.sum() == pytest.approx(1.0)
    assert bars.current.sum() == pytest.approx(1.0)
    assert histogram(np.full(3, np.nan), y) is None
    constant = histogram(np.ones(3), np.ones(3))
    assert constant is not None
    names = shares(np.arange(100) % 50, np.arange(100) % 50)
    assert names is not None
    assert names.names[-1] == "other"
    assert names.current.sum() == pytest.approx(1.0)
    assert points(np.ones((10, 3)), np.ones((10, 3))) is None
    assert spark(np.array([0.0, 0.001, 0.5, 1.0]), 1.0) == " ▁▄█"
