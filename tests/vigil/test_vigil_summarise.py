"""A window is a sum: parts add to the whole, in any order and any grouping, exactly."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vigil_records import CLASSES, a_batch, a_ruler

from vigil.catalogue import SCALAR_NAMES
from vigil.errors import RulerMismatchError, ShapeError
from vigil.measuring.batch import RecordBatch
from vigil.measuring.generic import generic_ruler
from vigil.measuring.summarise import sample_of, summarise
from vigil.windows.sample import Sample
from vigil.windows.summary import FEATURE_UNIT, MISSING, OTHER, Layout, Summary

RULER = a_ruler()
ARRAYS = ("records", "counts", "moments", "classes", "embedded", "features")


def same(one: Summary, two: Summary) -> None:
    one, two = Summary.total([one]), Summary.total([two])
    assert one.cells == two.cells
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name), err_msg=name)


def batch_of(n: int, seed: int) -> RecordBatch:
    """A batch with some of its values missing."""
    batch = a_batch(n, seed=seed, first=1000 * seed)
    embedding = batch.embedding.copy()
    embedding[::5] = np.nan
    return replace(batch, embedding=embedding)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(0, 40), min_size=2, max_size=5),
    st.randoms(use_true_random=False),
)
def test_parts_add_to_the_whole_in_any_order(sizes, random):
    """Splitting traffic among replicas and minutes, and adding in any grouping, changes nothing."""
    batches = [batch_of(n, seed + 1) for seed, n in enumerate(sizes)]
    whole, _, _ = summarise(RecordBatch.concatenate(batches), RULER)
    parts = [summarise(batch, RULER)[0] for batch in batches]
    same(Summary.total(parts), whole)
    random.shuffle(parts)
    cut = random.randrange(1, len(parts))
    same(Summary.total(parts[:cut]) + Summary.total(parts[cut:]), whole)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(1, 30), min_size=2, max_size=5),
    st.booleans(),
    st.randoms(use_true_random=False),
)
def test_samples_merge_to_the_sample_of_the_whole(sizes, weighted, random):
    """Bottom-k samples are associative and commutative, thresholds included."""
    k = 8
    batches = [a_batch(n, seed=i, first=1000 * i) for i, n in enumerate(sizes)]

    def sampled(batch: RecordBatch) -> Sample:
        return sample_of(batch, k=k, weighted=weighted, keep_thumbnails=False)

    whole = sampled(RecordBatch.concatenate(batches))
    parts = [sampled(batch) for batch in batches]
    random.shuffle(parts)
    cut = random.randrange(1, len(parts))
    merged = Sample.merge([Sample.merge(parts[:cut], k), Sample.merge(parts[cut:], k)], k)
    assert merged.ids == whole.ids
    assert merged.threshold == whole.threshold
    np.testing.assert_array_equal(merged.signals, whole.signals)


def test_counts_agree_with_counting_by_hand():
    batch = batch_of(60, 3)
    summary, rows, filled = summarise(batch, RULER)
    distance = SCALAR_NAMES.index("embedding_distance")
    usable = np.isfinite(batch.embedding).all(axis=1)
    assert np.isfinite(filled.signals[:, distance]).tolist() == usable.tolist()
    assert summary.total_records == 60
    for cell, key in enumerate(summary.cells):
        here = rows == cell
        assert all(
            (batch.metadata[i]["site"], batch.metadata[i]["camera"]) == key
            for i in np.flatnonzero(here)
        )
        assert summary.embedded[cell] == (here & usable).sum()
        expected = np.rint(
            RULER.projection.transform(batch.embedding[here & usable]) * FEATURE_UNIT
        ).sum(axis=0)
        np.testing.assert_array_equal(summary.features[cell], expected)
        for column in range(len(SCALAR_NAMES)):
            values = filled.signals[here, column]
            finite = values[np.isfinite(values)]
            bins = np.searchsorted(RULER.edges[column], finite, side="right")
            counted = np.r_[np.bincount(bins, minlength=8), len(values) - len(finite)]
            np.testing.assert_array_equal(summary.counts[cell, column], counted)


def test_classes_beyond_the_ruler_and_none_go_to_the_last_column():
    batch = a_batch(4, outputs=np.array([0, CLASSES, CLASSES + 5, -1]))
    summary, _, _ = summarise(batch, RULER)
    assert summary.classes.sum(axis=0).tolist() == [1, 0, 0, 0, 3]


def test_missing_keys_and_too_many_cells_are_kept_and_counted():
    """No record is lost: a missing key has a value of its own, the rest share one cell."""
    names = [f"s{i % 10}" for i in range(40)]
    batch = a_batch(40, metadata={"site": names})
    summary, rows, _ = summarise(batch, RULER, max_cells=4)
    assert summary.cells == (("s0", MISSING), ("s1", MISSING), ("s2", MISSING), (OTHER, OTHER))
    assert summary.records.tolist() == [4, 4, 4, 28]
    assert rows.max() == 3


def test_known_cells_come_first_so_that_parts_continue_each_other():
    first, _, _ = summarise(a_batch(20, seed=1), RULER)
    second, rows, _ = summarise(a_batch(20, seed=2), RULER, known=first.cells)
    assert second.cells[: len(first.cells)] == first.cells
    assert np.bincount(rows, minlength=len(second.cells)).tolist() == second.records.tolist()


def test_a_value_can_not_break_the_name_of_its_slice():
    batch = a_batch(1, metadata={"site": "a & camera=b", "camera": "c"})
    assert summarise(batch, RULER)[0].cells == (("a and camera=b", "c"),)


@pytest.mark.parametrize("dimension", [0, 3])
def test_embeddings_of_another_dimension_are_missing_and_the_rest_counts(dimension):
    batch = a_batch(5, embeddings=np.ones((5, dimension)) if dimension else None)
    summary, _, _ = summarise(batch, RULER)
    assert (summary.total_records, int(summary.embedded.sum())) == (5, 0)
    assert summary.features.sum() == 0


def test_an_empty_batch_is_an_empty_sum():
    summary, rows, _ = summarise(a_batch(0), RULER)
    assert (summary.cells, len(rows)) == ((), 0)


def test_a_signal_that_records_lack_is_missing_in_each():
    layout = Layout(keys=(), signals=("charm",), bins=2, classes=0, features=0)
    ruler = replace(
        generic_ruler("m", "v"),
        layout=layout,
        edges=np.zeros((1, 1)),
        center=np.zeros(1),
        scale=np.ones(1),
    )
    summary, _, _ = summarise(a_batch(3), ruler)
    np.testing.assert_array_equal(summary.counts, [[[0, 0, 3]]])


def test_summaries_of_other_layouts_do_not_add():
    other, _, _ = summarise(a_batch(2), generic_ruler("reader", "v9", ("site", "camera")))
    mine, _, _ = summarise(a_batch(2), RULER)
    with pytest.raises(RulerMismatchError):
        Summary.total([mine, other])
    with pytest.raises(ShapeError, match="distinct cells"):
        Summary.empty(RULER.layout, [("a", "b"), ("a", "b")])


def test_the_uniform_sample_is_uniform_and_the_informative_one_is_not():
    """Over many windows every record is kept equally often; uncertain ones more in the other."""
    sure = np.tile([0.97, 0.01, 0.01, 0.01], (50, 1))
    unsure = np.tile([0.25, 0.25, 0.25, 0.25], (50, 1))
    kept: dict[bool, list[int]] = {False: [], True: []}
    for window in range(40):
        batch = a_batch(100, first=100 * window, outputs=np.concatenate([sure, unsure]))
        for weighted in kept:
            sample = sample_of(batch, k=10, weighted=weighted, keep_thumbnails=False)
            kept[weighted] += [int(one.rpartition(".")[2]) % 100 for one in sample.ids]
    uniform_share = np.mean(np.array(kept[False]) >= 50)
    assert 0.4 < uniform_share < 0.6
    assert np.mean(np.array(kept[True]) >= 50) > 0.8


def test_inclusion_probabilities_estimate_the_number_of_records():
    """Each sample's Horvitz-Thompson count is unbiased: on average it is the true number."""
    estimates = []
    for window in range(60):
        batch = a_batch(80, seed=window, first=80 * window)
        sample = sample_of(batch, k=16, weighted=True, keep_thumbnails=False)
        estimates.append((1 / sample.inclusion).sum())
    assert np.mean(estimates) == pytest.approx(80, rel=0.1)


def test_an_id_that_comes_twice_is_sampled_once():
    batch = a_batch(6, ids=["a", "a", "b", "b", "c", "c"], custom_ids=True)
    sample = sample_of(batch, k=10, weighted=False, keep_thumbnails=False)
    assert sorted(sample.ids) == ["a", "b", "c"]


def test_pixels_are_kept_only_when_asked_for():
    batch: Any = a_batch(3, thumbnails=True)
    assert not sample_of(batch, k=3, weighted=False, keep_thumbnails=False).has_thumbnails
    kept = sample_of(batch, k=3, weighted=False, keep_thumbnails=True)
    assert kept.thumbnails.shape == (3, 9, 8, 1)
