"""Two tables in, a report out: kinds, the correction, outcomes, slices, and what can't be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from detectors.detector import Takes
from monitor.detect import compare_tables
from monitor.detect.about import about
from monitor.detect.choose import needed
from monitor.detect.errors import DetectError
from monitor.detect.holm import holm
from monitor.detect.report import ColumnFinding, Report
from monitor.detect.slices import LEAST_RECORDS, MOST_SLICES
from vigil.types import Outcome

Table = dict[str, Any]


def numbers(seed: int, n: int = 2000, shift: float = 0.0) -> Table:
    rng = np.random.default_rng(seed)
    return {"a": rng.normal(shift, 1.0, n), "b": rng.normal(size=n)}


def column(report: Report, name: str) -> ColumnFinding:
    return next(one for one in report.columns if one.name == name)


def test_holm_is_holms() -> None:
    """The textbook's example; order is kept, and nan counts as 1."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([float("nan"), 0.2]) == pytest.approx([1.0, 0.4])
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_holm_lies_between_the_raw_p_and_bonferroni(p: list[float]) -> None:
    """Never smaller than p, never larger than m p, and in p's order."""
    adjusted = holm(p)
    for raw, new in zip(p, adjusted, strict=True):
        assert raw <= new <= min(1.0, len(p) * raw) + 1e-12
    order = np.argsort(p, kind="stable")
    assert (np.diff(np.array(adjusted)[order]) >= 0).all()


def test_twenty_columns_without_drift_share_one_false_alarm_rate() -> None:
    """A tolerance of zero leaves the tests alone to decide: at most alpha of tables are called
    drifted. Uncorrected, most would be: the same runs show it."""
    alpha, runs, columns, n = 0.1, 220, 20, 40
    rng = np.random.default_rng(7)
    called = drifted = uncorrected = 0
    for _ in range(runs):
        sides = [
            {f"c{i}": rng.normal(size=n) for i in range(columns)},
            {f"c{i}": rng.normal(size=n) for i in range(columns)},
        ]
        report = compare_tables(*sides, detectors=["ks"], alpha=alpha, tolerances={"ks": 0.0})
        judged = [one.leading for one in report.columns]
        assert report.tests == columns
        called += any(one is not None and (one.comparison.p_value or 0) <= alpha for one in judged)
        uncorrected += any(one is not None and (one.p_raw or 0) <= alpha for one in judged)
        drifted += report.outcome is Outcome.DRIFTED
    # The outcome asks for the effect as well: it is no more frequent than the rejection.
    assert drifted <= called
    assert called <= binom.ppf(0.999, runs, alpha)
    assert uncorrected > 0.5 * runs


def test_a_shift_is_found_and_named_first() -> None:
    """The sentence leads with what drifted, how much, and its interval."""
    report = compare_tables(numbers(1), numbers(2, shift=1.0))
    assert report.outcome is Outcome.DRIFTED
    assert [one.name for one in report.columns] == ["a", "b"]
    assert column(report, "b").outcome is Outcome.HEALTHY
    leading = report.columns[0].leading
    assert leading is not None
    size = leading.comparison.effect
    assert report.sentence.startswith(
        f"1 of 2 columns drifted: a (KS distance {size.value:.2f}, "
        f"{size.low:.2f} to {size.high:.2f})"
    )


def test_a_difference_within_the_tolerance_is_no_drift() -> None:
    """However significant: 0.05 sigma at 200 000 rows."""
    before, now = numbers(1, 200_000), numbers(2, 200_000, shift=0.05)
    report = compare_tables(before, now)
    leading = column(report, "a").leading
    assert leading is not None
    assert leading.p_raw is not None
    assert leading.p_raw < 1e-9
    assert report.outcome is Outcome.HEALTHY
    assert report.exit_code == 0
    strict = compare_tables(before, now, tolerances={"a": 0.005})
    assert [one.name for one in strict.drifted] == ["a"]


def test_too_few_rows_are_inconclusive_never_healthy() -> None:
    """Ten rows a side say nothing, and the exit code says so."""
    report = compare_tables(numbers(1, 10), numbers(2, 10))
    assert report.outcome is Outcome.INCONCLUSIVE
    assert report.exit_code == 3
    assert "inconclusive" in report.sentence


def test_every_kind_of_column_meets_its_detector() -> None:
    """Numbers, texts, flags, few integers, vectors, images, probabilities with labels."""
    rng = np.random.default_rng(3)

    def table(n: int) -> Table:
        p = rng.dirichlet(np.ones(4) * 0.5, n)
        return {
            "level": rng.normal(size=n),
            "site": rng.choice(["x", "y"], n),
            "night": rng.random(n) < 0.5,
            "count": rng.integers(0, 5, n),
            "width": rng.integers(0, 5000, n),
            "embedding": rng.normal(size=(n, 6)),
            "images": rng.integers(0, 255, (n, 6, 6, 3)).astype(np.uint8),
            "probabilities": p,
            "labels": p.argmax(axis=1),
            "seen": np.full(n, np.datetime64("2026-01-01")),
            "file": np.array([f"{i}.png" for i in range(n)]),
            "id": np.arange(n),
        }

    report = compare_tables(table(300), table(300))
    kinds = {one.name: one.kind for one in report.columns}
    assert {name: kinds[name] for name in ("level", "width", "confidence")} == dict.fromkeys(
        ("level", "width", "confidence"), Takes.SCALAR
    )
    assert kinds["images.brightness"] is Takes.SCALAR
    for name in ("site", "night", "count", "labels", "predicted_class"):
        assert kinds[name] is Takes.CATEGORY
    assert kinds["embedding"] is Takes.EMBEDDING
    assert kinds["accuracy and calibration"] is Takes.LABELLED
    assert set(report.left_out) == {"seen", "file", "id"}
    assert report.outcome is not Outcome.DRIFTED
    for one in report.columns:
        assert one.judged, one.name
        assert one.shape is not None or one.kind is Takes.LABELLED


def test_each_kind_of_drift_is_found() -> None:
    """Another mix of labels, a moved cluster, worse predictions, darker images, missing values."""
    rng = np.random.default_rng(4)

    def table(n: int, bad: bool) -> Table:
        p = rng.dirichlet(np.ones(3) * 0.3, n)
        truth = np.array([rng.choice(3, p=row) for row in p])
        if bad:
            truth = np.where(rng.random(n) < 0.4, rng.integers(0, 3, n), truth)
        level = rng.normal(size=n)
        level[: n // 5 if bad else 0] = np.nan
        light = 120 if bad else 250
        return {
            "weather": rng.choice(["sun", "rain"], n, p=[0.5, 0.5] if bad else [0.9, 0.1]),
            "embedding": rng.normal(size=(n, 8)) + (0.8 if bad else 0.0),
            "images": rng.integers(0, light, (n, 6, 6, 3)).astype(np.uint8),
            "probabilities": p,
            "labels": truth,
            "level": level,
        }

    report = compare_tables(table(1500, False), table(1500, True))
    found = {one.name for one in report.drifted}
    assert {
        "weather", "embedding", "images.brightness", "accuracy and calibration", "level",
    } <= found  # fmt: skip
    assert column(report, "level").missing == (0, 300)
    leading = column(report, "level").leading
    assert leading is not None
    assert leading.comparison.detector == "missing_data"
    assert column(report, "confidence").outcome is Outcome.HEALTHY


def test_the_worst_slice_is_named() -> None:
    """A fault at one of four sites, which the whole hides, is found where it is."""
    rng = np.random.default_rng(5)
    sites = np.array(["east", "north", "south", "west"])

    def table(shift: float) -> Table:
        where = rng.choice(sites, 4000)
        return {"level": rng.normal(size=4000) + shift * (where == "south"), "site": where}

    report = compare_tables(table(0.0), table(0.9), by=["site"])
    assert column(report, "level").outcome is not Outcome.DRIFTED
    assert str(report.worst_slice) == "site=south"
    assert report.outcome is Outcome.DRIFTED
    assert "None of 2 columns drifted as a whole, but a slice did" in report.sentence
    assert "Worst slice: site=south, level (KS distance" in report.sentence
    assert {str(one.slice) for one in report.slices} == {f"site={one}" for one in sites}
    # Along itself a key is constant: it is compared as a whole only.
    assert {one.name for one in report.slices} == {"level"}
    assert report.lives_in is None  # one key has no pairs


def test_a_pair_of_fields_is_named() -> None:
    """A fault of one lens at one site is told as that pair; one of a site alone as the site."""
    rng = np.random.default_rng(6)
    sites, lenses = np.array(["east", "north", "south"]), np.array(["A", "B", "C"])

    def table(shift: float, lens: str | None) -> Table:
        site, glass = rng.choice(sites, 6000), rng.choice(lenses, 6000)
        bad = (site == "north") & ((glass == lens) | (lens is None))
        return {"level": rng.normal(size=6000) + shift * bad, "site": site, "lens": glass}

    report = compare_tables(table(0.0, "B"), table(1.5, "B"), by=["site", "lens"])
    assert report.lives_in is not None
    assert dict(report.lives_in.pairs) == {"site": "north", "lens": "B"}
    assert "It lives in" in report.sentence
    report = compare_tables(table(0.0, None), table(1.5, None), by=["site", "lens"])
    assert str(report.lives_in) == "site=north"
    report = compare_tables(table(0.0, "B"), table(0.0, "B"), by=["site", "lens"])
    assert report.lives_in is None


def test_thin_and_one_sided_slices_are_said_not_judged() -> None:
    """Too few rows, a value that is new, and more values than are shown."""
    n = 60 * LEAST_RECORDS
    many = np.array([f"c{i // LEAST_RECORDS:02d}" for i in range(n)], object)
    left, right = many.copy(), many.copy()
    left[:5] = "thin"
    right[:5] = "thin"
    left[-25:] = "gone"
    rng = np.random.default_rng(0)
    report = compare_tables(
        {"x": rng.normal(size=n), "camera": left},
        {"x": rng.normal(size=n), "camera": right},
        by=["camera"],
    )
    said = " ".join(report.notes)
    assert "camera: only in the reference: gone" in said
    assert "thin" in said
    assert f"the {MOST_SLICES} most frequent" in said
    assert len({one.slice for one in report.slices}) == MOST_SLICES


def test_fields_of_one_side_are_differences_of_the_schema() -> None:
    """Named, and nothing else comes of it; a changed type or width is not sure."""
    before, now = numbers(1), numbers(2)
    report = compare_tables(before | {"old": before["a"]}, now | {"new": now["a"]})
    assert report.schema == ("old: only in the reference", "new: only in the current table")
    assert report.exit_code == 0
    texts = compare_tables(before, now | {"b": np.array(["x"] * 2000)})
    assert "numbers in the reference, texts now" in column(texts, "b").reason
    assert texts.exit_code == 3
    wide = compare_tables(before | {"e": np.ones((2000, 3))}, now | {"e": np.ones((2000, 4))})
    assert "vectors of 3 in the reference, of 4 now" in wide.schema[0]


def test_a_column_without_values_has_no_verdict_of_health() -> None:
    """All NaN on both sides: no data. On the current side only: its absence is the drift."""
    gone = np.full(2000, np.nan)
    both = compare_tables({"a": gone}, {"a": gone})
    assert (both.outcome, both.exit_code) == (Outcome.NO_DATA, 3)
    assert both.sentence.startswith("No answer")
    lost = compare_tables(numbers(1), numbers(2) | {"a": gone})
    assert column(lost, "a").outcome is Outcome.DRIFTED
    assert "no usable value in the current table" in column(lost, "a").reason
    new = compare_tables(numbers(1) | {"a": gone}, numbers(2))
    assert column(new, "a").outcome is Outcome.NO_DATA
    assert new.exit_code == 3


def test_named_detectors_decide_together_and_the_rest_keep_their_own() -> None:
    """Both count in the correction; a tolerance of the column alone would be ambiguous."""
    before, now = numbers(1), numbers(2, shift=0.8)
    sites = {"site": np.array(["x", "y"] * 1000)}
    report = compare_tables(before | sites, now | sites, detectors=["ks", "cramer_von_mises"])
    assert report.tests == 5
    assert {one.comparison.detector for one in column(report, "a").judged} == {
        "ks", "cramer_von_mises",
    }  # fmt: skip
    assert {one.comparison.detector for one in column(report, "site").judged if one.decides} == {
        "chi_square"
    }
    with pytest.raises(DetectError, match="a:DETECTOR=VALUE"):
        compare_tables(before, now, detectors=["ks", "cramer_von_mises"], tolerances={"a": 0.1})
    loose = compare_tables(before, now, tolerances={"a:ks": 0.9})
    assert column(loose, "a").outcome is Outcome.HEALTHY


def test_resamples_suffice_for_the_first_step() -> None:
    """The smallest possible p-value passes alpha over the number of tests."""
    for tests in (1, 7, 40):
        assert 1 / (needed(0.01, tests) + 1) <= 0.01 / tests


@pytest.mark.parametrize(
    ("before", "now", "options", "words"),
    [
        ({}, {"a": [1.0]}, {}, "expected columns"),
        ({"a": []}, {"a": [1.0]}, {}, "reference: expected rows"),
        ({"a": [1.0], "b": [1.0, 2.0]}, {"a": [1.0]}, {}, "a 1, b 2"),
        ({"a": [1.0]}, {"b": [1.0]}, {}, "no common column: reference has a; current has b"),
        ({"a": [1.0]}, {"a": ["x"]}, {}, "numbers in the reference, texts now"),
        ({"a": [1.0]}, {"a": [1.0]}, {"columns": ["z"]}, "--columns z: not in reference; it has a"),
        ({"a": [1.0]}, {"a": [1.0]}, {"by": ["z"]}, "--by z"),
        ({"a": [1.0]}, {"a": [1.0]}, {"detectors": ["z"]}, "expected one of .*ks"),
        ({"a": [1.0]}, {"a": [1.0]}, {"alpha": 0.0}, "between 0 and 1"),
        ({"a": [1.0]}, {"a": [1.0]}, {"tolerances": {"z": 1.0}}, "--tolerance z"),
        ({"a": [1.0]}, {"a": [1.0]}, {"tolerances": {"ks": -1.0}}, "number from 0"),
        ({"e": np.ones((3, 2))}, {"e": np.ones((3, 4))}, {}, "vectors of 2 .* of 4"),
    ],
)
def test_what_cannot_be_compared_is_told(
    before: Table, now: Table, options: dict[str, Any], words: str
) -> None:
    """What was expected, what came, and where."""
    with pytest.raises(DetectError, match=words):
        compare_tables(before, now, **options)


def test_the_same_seed_gives_the_same_report() -> None:
    """Resampling and samples of vectors come from the seed."""
    rng = np.random.default_rng(0)
    sides = [{"e": rng.normal(size=(300, 4)), "c": rng.integers(0, 3, 300)} for _ in range(2)]
    first, second = (compare_tables(*sides, seed=3) for _ in range(2))
    assert [one.judged[0].comparison.p_value for one in first.columns] == [
        one.judged[0].comparison.p_value for one in second.columns
    ]


def test_a_detector_is_described_from_its_own_words() -> None:
    """What it is, and when not to trust it."""
    told = about("ks")
    assert told.summary.startswith("Two-sample Kolmogorov-Smirnov")
    assert told.not_for
    assert told.source


def test_without_new_labels_accuracy_is_estimated() -> None:
    """Labels in the reference alone: the estimate from confidences decides, and says which."""
    rng = np.random.default_rng(6)

    def table(n: int, sure: float) -> Table:
        p = rng.dirichlet(np.ones(3) * sure, n)
        return {"probabilities": p, "labels": np.array([rng.choice(3, p=row) for row in p])}

    before, now = table(3000, 0.2), table(3000, 1.5)
    del now["labels"]
    report = compare_tables(before, now)
    found = column(report, "accuracy and calibration")
    assert [one.comparison.detector for one in found.judged] == ["confidence_based_accuracy"]
    assert found.outcome is Outcome.DRIFTED
    assert report.schema == ("labels: only in the reference",)
