"""Batches accept every form that callers use, and name what is wrong with any other."""

from __future__ import annotations

import numpy as np
import pytest
from vigil_records import a_batch

from vigil.catalogue import SCALAR_NAMES
from vigil.errors import ShapeError
from vigil.measuring.batch import RecordBatch, as_metadata


def column(batch: RecordBatch, name: str) -> np.ndarray:
    return batch.signals[:, SCALAR_NAMES.index(name)]


def test_a_batch_holds_its_signals_and_no_distance_yet():
    batch = a_batch(3, latency_s=[0.1, np.nan, -1.0])
    assert batch.signals.shape == (3, len(SCALAR_NAMES))
    assert np.isfinite(column(batch, "brightness")).all()
    assert np.isnan(column(batch, "embedding_distance")).all()
    assert np.isfinite(column(batch, "latency_s")).tolist() == [True, False, False]


def test_mixed_types_are_read():
    """float64 embeddings, half precision outputs and float images go together."""
    batch = a_batch(
        2,
        images=np.zeros((2, 5, 5), np.float16),
        embeddings=[[1, 2], [3, 4]],
        outputs=np.array([[0.5, 0.5], [0.25, 0.75]], np.float16),
    )
    assert batch.embedding.dtype == np.float32
    assert batch.prediction.tolist() == [0, 1]


def test_an_embedding_too_large_for_a_float_is_infinite_not_an_error():
    assert np.isinf(a_batch(1, embeddings=np.array([[1e300, 0.0]])).embedding[0, 0])


def test_an_empty_batch_is_a_batch():
    assert len(a_batch(0)) == 0


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("embeddings", np.zeros(3)),
        ("embeddings", np.zeros((2, 4))),
        ("embeddings", [["a", "b"]] * 3),
        ("outputs", np.zeros((3, 2, 2))),
        ("images", np.zeros((3, 4))),
        ("latency_s", [1.0, 2.0]),
        ("uris", ["only one"]),
        ("metadata", [{"site": "a"}]),
        ("metadata", {"site": ["a"]}),
        ("metadata", ["a", "b", "c"]),
    ],
)
def test_a_wrong_shape_names_the_argument_and_what_was_expected(field, value):
    with pytest.raises(ShapeError, match=rf"^{field}.*expected .* found"):
        a_batch(3, **{field: value})


def test_the_three_forms_of_metadata_agree():
    rows = [{"site": "a", "hour": "7"}, {"site": "b", "hour": "7"}]
    assert list(as_metadata(rows, 2)) == rows
    assert list(as_metadata({"site": np.array(["a", "b"]), "hour": 7}, 2)) == rows
    assert as_metadata({"site": "a"}, 2) == ({"site": "a"},) * 2
    assert as_metadata(None, 2) == ({}, {})


def test_text_that_no_store_takes_is_replaced():
    """A lone surrogate or a NUL would make the service refuse the whole window."""
    (row,) = as_metadata({"camera": "a\0b\udcffc" + "x" * 1000}, 1)
    assert row["camera"].startswith("a?b?c")
    assert len(row["camera"]) == 512


def test_concatenation_and_take_are_inverse():
    one, two = a_batch(3, seed=1), a_batch(4, seed=2, first=3)
    both = RecordBatch.concatenate([one, two])
    back = both.take(np.arange(3, 7))
    assert back.ids == two.ids
    assert back.metadata == two.metadata
    np.testing.assert_array_equal(back.embedding, two.embedding)
    with pytest.raises(ShapeError, match="one shape"):
        RecordBatch.concatenate([one, a_batch(1, embeddings=np.zeros((1, 99)))])
