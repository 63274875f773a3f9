"""Exemplars: the records that show a drift most."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from detectors.exemplars import exemplars
from vigil.values.objects import Objects
from vigil.windows.sample import Sample


def sample(n: int = 200, *, seed: int = 0, name: str = "r", **columns) -> Sample:
    """Records with sharpness around 1.5, three classes and 8-d embeddings."""
    rng = np.random.default_rng(seed)
    values = {
        "ids": tuple(f"{name}{i:04d}" for i in range(n)),
        "signals": rng.normal(1.5, 0.2, (n, 1)).astype(np.float32),
        "prediction": rng.integers(0, 3, n).astype(np.int32),
        "probabilities": rng.dirichlet(np.ones(3), n).astype(np.float16),
        "embedding": rng.normal(0, 1, (n, 8)).astype(np.float16),
    }
    return Sample(
        signal_names=("sharpness",),
        versions=("v1",) * n,
        metadata=({"camera": "c1"},) * n,
        uris=("",) * n,
        trace_ids=("",) * n,
        time_s=np.zeros(n),
        priority=np.zeros(n),
        weight=np.ones(n),
        thumbnails=np.zeros((n, 0, 0, 0), np.uint8),
        **{**values, **columns},
    )


REFERENCE = sample(400, seed=1, name="b")


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_scalars_show_the_tail_in_the_direction_of_the_drift(sign):
    """Blur shows the least sharp records, sharpening the sharpest; exactly the extremes."""
    signals = sample().signals + np.float32(0.2 * sign)
    found = exemplars(sample(signals=signals), REFERENCE, "sharpness")
    order = np.argsort(-sign * signals[:, 0])[:6]
    assert [one.row for one in found] == order.tolist()
    assert [one.value for one in found] == pytest.approx(signals[order, 0].tolist())
    assert all(a.contribution >= b.contribution > 0 for a, b in pairwise(found))


def test_a_change_of_spread_shows_both_tails():
    """Where the mean stays, the records farthest from the usual middle."""
    signals = np.concatenate([np.full(98, 1.5), [0.1, 2.9]]).astype(np.float32)[:, None]
    found = exemplars(sample(100, signals=signals), REFERENCE, "sharpness", most=2)
    assert {one.row for one in found} == {98, 99}


def test_embeddings_show_what_moved_and_not_what_is_far_elsewhere():
    """A third of the records moves along one axis; outliers across it are not shown."""
    embedding = sample().embedding.copy()
    embedding[:60, 0] += 4.0
    embedding[100, 5] = 30.0
    found = exemplars(sample(embedding=embedding), REFERENCE, "embedding")
    assert len(found) == 6
    assert {one.row for one in found} <= set(range(60))
    assert all(one.value is None for one in found)


def test_embeddings_are_compared_in_the_rulers_features(fleet, baseline):
    """A cluster that appears is shown, through the projection of the baseline."""
    rng = np.random.default_rng(0)
    embedding = baseline.sample.embedding[:200].copy()
    embedding[:40] = (6.0 + 0.2 * rng.normal(size=(40, embedding.shape[1]))).astype(np.float16)
    now = sample(len(embedding), embedding=embedding)
    found = exemplars(now, baseline.sample, "embedding", projection=baseline.ruler.projection)
    assert {one.row for one in found} <= set(range(40))


def test_classes_show_the_one_that_grew_most_surest_first():
    """Not the most frequent one: that is as frequent as ever."""
    before = replace(REFERENCE, prediction=np.repeat([0, 1], [350, 50]).astype(np.int32))
    prediction = np.repeat([0, 1], [120, 80]).astype(np.int32)
    now = sample(prediction=prediction)
    found = exemplars(now, before, "predicted_class")
    surest = np.argsort(-now.probabilities[120:, 1].astype(float), kind="stable")[:6] + 120
    assert {one.value for one in found} == {1.0}
    assert [one.contribution for one in found] == pytest.approx(
        now.probabilities[surest, 1].astype(float).tolist()
    )


def test_missing_values_and_repeated_ids_are_left_out():
    """NaN shows nothing, and one record is shown once."""
    signals = sample().signals.copy()
    signals[:, 0] += 0.5
    signals[5, 0], signals[6, 0] = np.nan, 9.0
    ids = list(sample().ids)
    signals[7, 0], ids[7] = 8.9, ids[6]
    found = exemplars(sample(signals=signals, ids=tuple(ids)), REFERENCE, "sharpness")
    assert found[0].row == 6
    assert len({one.record_id for one in found}) == 6
    assert 5 not in {one.row for one in found}


@pytest.mark.parametrize("signal", ["accuracy", "calibration", "unheard_of"])
def test_of_outcomes_there_is_nothing_to_show(signal):
    """Nor of signals that the sample does not hold."""
    assert exemplars(sample(), REFERENCE, signal) == ()


@pytest.mark.parametrize("signal", ["sharpness", "embedding", "predicted_class"])
def test_empty_sides_give_nothing(signal):
    """No records, no reference, no embeddings, no predictions: nothing, not an error."""
    empty = Sample.empty(("sharpness",))
    bare = sample(
        10,
        signals=np.full((10, 1), np.nan, np.float32),
        embedding=np.zeros((10, 0), np.float16),
        prediction=np.full(10, -1, np.int32),
    )
    for now, before in ((empty, REFERENCE), (sample(), empty), (bare, REFERENCE), (sample(), bare)):
        assert exemplars(now, before, signal) == ()


def test_the_order_of_records_does_not_matter():
    """The same records in another order give the same ids."""
    rows = np.random.default_rng(3).permutation(200)
    signals = sample().signals + np.float32(0.4)
    now = sample(signals=signals)
    one = [found.record_id for found in exemplars(now, REFERENCE, "sharpness")]
    other = [found.record_id for found in exemplars(now.take(rows), REFERENCE, "sharpness")]
    assert one == other


def test_records_with_the_smallest_boxes_show_that_boxes_shrank():
    """A signal of boxes ranks records by the mean over their boxes; one without boxes has none."""

    def boxes_of(sizes: list[list[float]]) -> Objects:
        flat = [[0.1, 0.1, 0.1 + size, 0.1 + size] for one in sizes for size in one]
        counts = [len(one) for one in sizes]
        return Objects.of({"boxes": np.array(flat).reshape(-1, 4), "counts": counts}, len(sizes))

    before = sample(20, objects=boxes_of([[0.4 + 0.01 * i] for i in range(20)]))
    now = sample(4, objects=boxes_of([[0.1, 0.2], [0.3], [], [0.05]]))
    found = exemplars(now, before, "box_size")
    assert [one.row for one in found] == [3, 0, 1]
    assert found[0].value == pytest.approx(0.05, abs=1e-3)
    assert exemplars(now, REFERENCE, "box_size") == ()
