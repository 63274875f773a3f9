"""Two samples as two tables."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import reports_fleet as fleet
from scipy import stats

from monitor.reports import data, distances, page
from vigil.catalogue import SCALAR_NAMES
from vigil.types import WHOLE, Slice
from vigil.windows.sample import Sample


def changed(sample: Sample, **values: Any) -> Sample:
    return replace(sample, **values)


@pytest.fixture
def reference() -> Sample:
    return fleet.baseline().sample


@pytest.fixture
def current() -> Sample:
    return Sample.merge([window.sample for window in fleet.windows()], 1000)


def test_tables_hold_scalars_and_classes_and_survive_the_way(
    reference: Sample, current: Sample
) -> None:
    """Every scalar signal, the predicted class, no embedding; the same after bytes and back."""
    both = data.tables(reference, current, class_names=("a", "b"))
    assert both.names == SCALAR_NAMES
    assert both.classes == ("0 a", "1 b", "2", "3")
    assert (both.reference.shape, both.current.shape) == ((800, 11), (450, 11))
    again = data.Tables.from_bytes(both.to_bytes())
    assert (again.names, again.classes, again.left_out) == (both.names, both.classes, ())
    np.testing.assert_array_equal(again.current, both.current)
    np.testing.assert_array_equal(again.reference_classes, both.reference_classes)


def test_what_is_not_finite_is_missing(reference: Sample, current: Sample) -> None:
    """NaN and infinities are left out of the values; the rest of their records stays."""
    signals = current.signals.copy()
    signals[0, 0], signals[1, 0], signals[2, 0] = np.nan, np.inf, -np.inf
    both = data.tables(reference, changed(current, signals=signals))
    assert len(both.values("brightness")[1]) == 447
    assert len(both.values("contrast")[1]) == 450
    assert len(both.values("latency_s")[1]) == 405


def test_a_signal_that_one_side_lacks_is_left_out_and_named(
    reference: Sample, current: Sample
) -> None:
    """All missing, or unknown to the other side: no column, but its name."""
    signals = current.signals.copy()
    signals[1:, SCALAR_NAMES.index("noise")] = np.nan
    fewer = changed(
        reference, signal_names=SCALAR_NAMES[:-1], signals=reference.signals[:, :-1].copy()
    )
    both = data.tables(fewer, changed(current, signals=signals))
    assert both.left_out == ("noise", "latency_s")
    assert not {"noise", "latency_s"} & set(both.names)


def test_without_predictions_there_are_no_classes(reference: Sample, current: Sample) -> None:
    """An embedding model predicts no class; the signals are compared all the same."""
    none = changed(current, prediction=np.full(len(current), -1, np.int32))
    both = data.tables(reference, none)
    assert both.classes == ()
    assert set(both.current_classes) == {-1}
    assert distances.Of("predicted_class", "jensenshannon") not in distances.wanted(both)


def test_rare_classes_are_pooled(reference: Sample, current: Sample) -> None:
    """Beyond the most frequent classes all count as one, so that a page stays readable."""
    wide = changed(current, prediction=np.arange(len(current), dtype=np.int32) % 200)
    wide.prediction[0] = -1
    both = data.tables(reference, wide)
    assert len(both.classes) == data.MOST_CLASSES + 1
    assert both.classes[-1] == "other"
    assert both.current_classes.max() == data.MOST_CLASSES
    assert (both.current_classes == -1).sum() == 1
    assert {"0", "1", "2", "3"} <= set(both.classes)


def test_a_cap_keeps_the_records_of_smallest_priority(reference: Sample, current: Sample) -> None:
    """Which rows stay depends on the ids alone, and they stay in the order of time."""
    kept = data.first_rows(reference, 100)
    assert sorted(kept.priority) == sorted(reference.priority)[:100]
    assert list(kept.time_s) == sorted(kept.time_s)
    shuffled = reference.take(np.random.default_rng(0).permutation(len(reference)))
    assert data.first_rows(shuffled, 100).ids == kept.ids
    assert len(data.tables(reference, current, most_rows=100).current) == 100


def test_the_reference_is_the_slices_own_where_it_is_known(reference: Sample) -> None:
    """Like with like; a slice that the baseline hardly knows meets the whole baseline."""
    own, is_whole = data.reference_on(reference, Slice((("camera", fleet.HOSTILE),)))
    assert (len(own), is_whole) == (400, False)
    assert {m["camera"] for m in own.metadata} == {fleet.HOSTILE}
    other, is_whole = data.reference_on(reference, Slice((("camera", "c9"),)))
    assert (len(other), is_whole) == (800, True)
    assert data.reference_on(reference.take(range(3)), WHOLE)[1] is False


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("cat", "7 cat"),
        ("", "7"),
        ("7", "7"),
        ("größe 2", "7 größe 2"),
        ("</script>", "7 __script_"),
        ("<b>&'\"", "7 _b____"),
        ("x" * 99, "7 " + "x" * 40),
    ],
)
def test_a_class_name_can_do_no_harm(name: str, label: str) -> None:
    """What could end a script or open a tag is replaced; the number tells classes apart."""
    assert data.safe_label(7, [""] * 7 + [name]) == label


def test_the_exact_distance_is_scipys(reference: Sample, current: Sample) -> None:
    """KS by hand and by SciPy, with ties and without; Jensen-Shannon on shares known by heart."""
    rng = np.random.default_rng(3)
    for x, y in (
        (rng.normal(size=200), rng.normal(0.3, 1, size=77)),
        (rng.integers(0, 5, 300).astype(float), rng.integers(1, 6, 40).astype(float)),
        (np.zeros(4), np.ones(9)),
    ):
        assert distances.ks_distance(x, y) == pytest.approx(stats.ks_2samp(x, y).statistic)
    p, q = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    assert distances.jensen_shannon(p, q) == pytest.approx(np.sqrt(np.log(2)))
    assert distances.jensen_shannon(p, p) == 0.0


def test_a_disagreement_is_told(reference: Sample, current: Sample) -> None:
    """A number that differs, or that Evidently does not give, is named."""
    both = data.tables(reference, current)
    same = distances.compared(both, distances.distances(both))
    assert page.agreement(same) == "vigil and Evidently agree on all 23 numbers."
    theirs = distances.distances(both)
    theirs[distances.Of("noise", "ks")] += 0.01
    del theirs[distances.Of("margin", "wasserstein")]
    told = page.agreement(distances.compared(both, theirs))
    assert "disagree" in told
    assert "noise by ks" in told
    assert "margin by wasserstein" in told
    assert told.count(" by ") == 2
