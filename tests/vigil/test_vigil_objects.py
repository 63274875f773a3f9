"""Boxes: what callers may hand in, and how they travel."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from vigil_records import START, a_batch, a_recorder, a_ruler

from vigil.errors import ShapeError
from vigil.measuring.batch import RecordBatch
from vigil.measuring.coalesce import arguments_of
from vigil.measuring.measure import Measure
from vigil.recording.intake import Call
from vigil.values.objects import Objects
from vigil.windows.sample import Sample
from vigil.windows.window import Window

BOXES = [[0.1, 0.1, 0.3, 0.4], [0.0, 0.5, 0.5, 1.0], [0.2, 0.2, 0.9, 0.9]]


def three(**changes: Any) -> Objects:
    given = {"boxes": BOXES, "scores": [0.9, 0.5, 0.7], "classes": [1, 0, 2], "row": [0, 2, 2]}
    return Objects.of({**given, **changes}, 3)


def test_rows_and_counts_say_the_same() -> None:
    """Boxes may name their record or come as a number for each record."""
    by_row = three()
    by_count = Objects.of({"boxes": BOXES, "counts": [1, 0, 2]}, 3)
    np.testing.assert_array_equal(by_row.row, by_count.row)
    np.testing.assert_array_equal(by_row.counts, [1, 0, 2])


def test_rows_in_any_order_are_sorted_with_their_columns() -> None:
    mixed = three(row=[2, 0, 2])
    np.testing.assert_array_equal(mixed.row, [0, 2, 2])
    np.testing.assert_array_equal(mixed.classes, [0, 1, 2])


@pytest.mark.parametrize(
    "changes",
    [
        {"row": [0, 1, 3]},
        {"row": [0, 1]},
        {"row": [0, 1, 0.5]},
        {"scores": [0.5]},
        {"boxes": [[0.1, 0.2, 0.3]]},
        {"boxes": "none"},
    ],
)
def test_what_does_not_fit_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ShapeError):
        three(**changes)


def test_a_box_without_a_place_is_missing_and_one_over_the_edge_is_moved() -> None:
    """Pixels by mistake, corners turned round and NaN are missing; a corner just outside is not."""
    boxes = [[10, 10, 90, 90], [0.5, 0.5, 0.1, 0.9], [np.nan, 0, 1, 1], [-0.1, 0.2, 0.4, 1.2]]
    placed = Objects.of({"boxes": boxes, "counts": [4]}, 1).boxes
    assert np.isnan(placed[:3]).all()
    np.testing.assert_allclose(placed[3], [0.0, 0.2, 0.4, 1.0], rtol=1e-6)


def test_scores_that_are_no_shares_are_missing() -> None:
    np.testing.assert_array_equal(np.isnan(three(scores=[3.0, 0.5, -1.0]).scores), [1, 0, 1])


def test_take_and_concatenate_keep_each_box_with_its_record() -> None:
    objects = three(tracks=[5, 6, 7])
    turned = objects.take(np.array([2, 0, 2]))
    np.testing.assert_array_equal(turned.row, [0, 0, 1, 2, 2])
    np.testing.assert_array_equal(turned.track_ids(), [6, 7, 5, 6, 7])
    both = Objects.concatenate([three(), objects])
    assert both.records == 6
    np.testing.assert_array_equal(both.row, [0, 2, 2, 3, 5, 5])
    np.testing.assert_array_equal(both.track_ids(), [-1, -1, -1, 5, 6, 7])


def test_the_boxes_with_the_highest_scores_are_kept() -> None:
    kept = three(row=[0, 0, 0]).limited(2)
    np.testing.assert_allclose(kept.scores, [0.9, 0.7], rtol=1e-6)


def test_batches_samples_and_windows_carry_boxes() -> None:
    """Through take, a window's bytes and a merge of samples, by record."""
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 4, 40)
    boxes = np.sort(rng.random((int(counts.sum()), 2, 2)), axis=1).reshape(-1, 4)
    given = {"boxes": boxes, "counts": counts, "classes": np.arange(len(boxes))}
    batch = a_batch(40, time_s=START, detections=given, task="detection")
    assert batch.objects is not None
    recorder = a_recorder()
    recorder.add(batch.take(np.arange(20)))
    recorder.add(batch.take(np.arange(20, 40)))
    (window,) = recorder.close()
    again = Window.from_bytes(window.to_bytes())
    for sample in (again.sample, again.informative, Sample.merge([again.sample], 8)):
        assert sample.objects is not None
        for row, name in enumerate(sample.ids):
            mine = sample.objects.take([row])
            theirs = batch.objects.take([batch.ids.index(name)])
            np.testing.assert_array_equal(mine.classes, theirs.classes)
            np.testing.assert_allclose(mine.boxes, theirs.boxes, atol=5e-4)


def test_a_window_without_boxes_is_written_as_before() -> None:
    """So that a service of the former format reads what a newer tap sends it."""
    recorder = a_recorder()
    recorder.add(a_batch(4, time_s=START))
    (window,) = recorder.close()
    assert b'"format":1' in _header(window)


def _header(window: Window) -> bytes:
    import zlib

    return zlib.decompress(window.to_bytes()[20:])


def a_call(n: int, first: int, **arguments: Any) -> Call:
    return Call(
        ids=[f"r{first + i}" for i in range(n)],
        first=first,
        custom_ids=False,
        time_s=START,
        version="v1",
        arguments=arguments,
    )


def test_calls_are_joined_whatever_they_were_given() -> None:
    """Boxes, tracks, texts, stages, own signals and several embeddings end to end."""
    rng = np.random.default_rng(1)

    def a_batch_of(n: int, first: int) -> Call:
        return a_call(
            n,
            first,
            embeddings={"main": rng.random((n, 3)), "text": rng.random((n, 2))},
            detections={"boxes": np.tile([0, 0, 0.5, 0.5], (2 * n, 1)), "counts": [2] * n},
            tracks=np.arange(2 * n) + first,
            texts=[f"t{first + i}" for i in range(n)],
            stages_s={"decode": 0.01, "model": np.full(n, 0.02)},
            signals={"score": np.arange(n, dtype=float)},
        )

    group = [a_batch_of(2, 0), a_batch_of(3, 2)]
    given = arguments_of(group)
    assert given["texts"] == ["t0", "t1", "t2", "t3", "t4"]
    np.testing.assert_array_equal(given["signals"]["score"], [0, 1, 0, 1, 2])
    np.testing.assert_allclose(given["stages_s"]["decode"], [0.01] * 5)
    batch = Measure(task="tracking").batch(**given)
    assert batch.objects is not None
    assert batch.others["text"].shape == (5, 2)
    np.testing.assert_array_equal(batch.objects.track_ids(), [0, 1, 2, 3, 2, 3, 4, 5, 6, 7])
    two = RecordBatch.concatenate([batch, batch])
    assert two.objects is not None
    assert two.objects.records == 10
    assert len(two.others["text"]) == 10
    assert a_ruler().layout.classes == 4


@pytest.mark.parametrize(
    "changes",
    [
        {"row": None, "counts": [2**62, 2**62, 2**63 - 1]},
        {"row": None, "counts": np.array([2**62] * 3 + [2**62 + 3])},
        {"row": [0, 2, 2**32]},
        {"row": np.array([0.0, 2.0, 1e300])},
        {"classes": np.array([1.0, 0.0, 1e300])},
    ],
)
def test_numbers_too_large_to_count_with_are_refused(changes: dict[str, Any]) -> None:
    """A sum of counts, or a row, that wraps round could fit by chance."""
    given = {"boxes": BOXES, "classes": [1, 0, 2], "row": [0, 2, 2], **changes}
    n = len(given["counts"]) if "counts" in given else 3
    with pytest.raises(ShapeError):
        Objects.of({name: value for name, value in given.items() if value is not None}, n)


def test_a_refusal_does_not_recite_all_counts() -> None:
    with pytest.raises(ShapeError) as refused:
        Objects.of({"boxes": BOXES, "counts": np.ones(10_000, np.int64)}, 10_000)
    assert len(str(refused.value)) < 300
