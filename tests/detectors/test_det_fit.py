"""Baselines: built once, the same for the same data, and honest about bad data."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from detectors.fit import fit_baseline
from detectors.fitting.edges import fit_edges
from detectors.fitting.projection import fit_projection
from detectors.fitting.reservoir import Reservoir
from detectors.fitting.spill import Spill
from vigil.catalogue import SCALAR_NAMES, SCALARS
from vigil.errors import BaselineError
from vigil.types import ModelRef
from vigil.windows.baseline import Baseline

LATENCY = SCALAR_NAMES.index("latency_s")


def build(fleet, batches, **changes) -> Baseline:
    settings = {
        "model": ModelRef(name="digits", version="v1"),
        "batches": batches,
        "keys": ("site", "camera"),
        "dataset": "synthetic",
        "created_at": fleet.start,
    }
    return fit_baseline(**{**settings, **changes})


def test_a_baseline_counts_every_record(fleet):
    """Records, cells, classes and features are those of the data."""
    batches = [(fleet.batch(30), None) for _ in range(5)]
    total = sum(len(batch) for batch, _ in batches)
    seen = []
    built = build(fleet, iter(batches), progress=seen.append, sample_size=100)
    assert built.records == total == seen[-1]
    assert set(built.reference.cells) == set(fleet.cameras)
    assert built.reference.layout.classes == 5
    assert built.reference.layout.features == 256
    assert len(built.sample) == 100
    assert built.outcomes is None
    distances = built.sample.signals[:, SCALAR_NAMES.index("embedding_distance")]
    assert 0.8 < np.nanmean(distances) < 1.2


def test_the_edges_are_the_quantiles_of_the_data(fleet, baseline):
    """A continuous signal fills its bins evenly; the whole has no drift against itself."""
    counts = baseline.reference.counts.sum(axis=0)
    brightness = counts[SCALAR_NAMES.index("brightness"), :-1]
    assert brightness.min() > 0.8 * baseline.records / 64
    assert brightness.max() < 1.2 * baseline.records / 64


def test_the_same_data_give_the_same_baseline(fleet):
    """Content-hashed: same hash for the same data and seed, another for another seed."""
    batches = [(fleet.batch(20), None) for _ in range(3)]
    first, second = build(fleet, batches), build(fleet, batches)
    assert first.sha256 == second.sha256
    assert first.ruler.id == second.ruler.id
    assert build(fleet, batches, seed=1).sha256 != first.sha256


def test_a_baseline_survives_its_bytes(fleet, baseline):
    """The hash holds after a round trip, pseudo-windows' scores included."""
    again = Baseline.from_bytes(baseline.to_bytes())
    assert again.sha256 == baseline.sha256
    assert set(again.healthy_scores) == set(baseline.healthy_scores)
    assert "embedding" in again.healthy_scores
    assert all(len(scores) == 400 for scores in again.healthy_scores.values())


def test_labels_become_outcomes(fleet):
    """Joined to predictions per cell; negative labels are unknown."""
    batch = fleet.batch(30)
    labels = np.where(np.arange(len(batch)) < 100, batch.prediction, -1)
    built = build(fleet, [(batch, labels)])
    assert built.outcomes is not None
    assert built.outcomes.total_labels == 100
    assert built.outcomes.table[:, :, 2].sum() == 100


def test_missing_latency_gets_steps_of_equal_ratio(fleet):
    """Without values in the data the ruler still resolves milliseconds and seconds."""
    values = np.full((10, len(SCALAR_NAMES)), np.nan)
    edges, _, scale = fit_edges(SCALARS, values.T, 64)
    ratio = edges[LATENCY, 1:] / edges[LATENCY, :-1]
    np.testing.assert_allclose(ratio, ratio[0])
    assert (np.diff(edges, axis=1) >= 0).all()
    assert (scale > 0).all()


def test_latency_edges_reach_beyond_the_data():
    """A latency ten times the usual is told from one a hundred times."""
    values = np.full((1000, len(SCALAR_NAMES)), np.nan)
    values[:, LATENCY] = np.random.default_rng(0).gamma(5, 0.001, 1000)
    edges = fit_edges(SCALARS, values.T, 64)[0][LATENCY]
    assert np.searchsorted(edges, 0.05) + 6 < np.searchsorted(edges, 0.5)
    assert (np.diff(edges) >= 0).all()


def test_a_constant_signal_is_no_reason_to_fail(fleet):
    """All-equal values give equal edges and a usable scale; what lies above or below them shows."""
    values = np.full((100, len(SCALAR_NAMES)), 0.5)
    edges, center, scale = fit_edges(SCALARS, values.T, 16)
    assert center[0] == 0.5
    assert (edges[0, :-1] == 0.5).all()
    bins = np.searchsorted(edges[0], [0.4, 0.5, 0.6], side="right")
    assert len(set(bins.tolist())) == 3
    assert (scale > 0).all()


def test_non_finite_embeddings_are_missing_not_fatal(fleet):
    """They are counted, and leave the projection alone."""
    batch = fleet.batch(40)
    vectors = batch.embedding.copy()
    vectors[:20] = np.nan
    built = build(fleet, [(replace(batch, embedding=vectors), None)])
    assert built.reference.embedded.sum() == len(batch) - 20
    assert built.ruler.projection is not None
    assert np.isfinite(built.ruler.projection.mean).all()


def test_batches_without_embeddings_or_outputs_are_fine(fleet):
    """Image statistics alone make a baseline."""
    batch = fleet.batch(40)
    n = len(batch)
    bare = replace(
        batch,
        embedding=np.zeros((n, 0), np.float32),
        probabilities=np.zeros((n, 0), np.float32),
        prediction=np.full(n, -1, np.int32),
    )
    built = build(fleet, [(bare, None)])
    assert built.ruler.projection is None
    assert built.reference.layout.features == 0
    assert built.reference.layout.classes == 0
    assert "predicted_class" not in built.healthy_scores


@pytest.mark.parametrize("what", ["none", "empty", "nothing", "key", "labels", "width", "names"])
def test_bad_data_are_refused_with_a_reason(fleet, what):
    """Each mistake has its own message."""
    batch = fleet.batch(20)
    n = len(batch)
    nan = replace(
        batch,
        signals=np.full_like(batch.signals, np.nan),
        embedding=np.full((n, 8), np.inf, np.float32),
        prediction=np.full(n, -1, np.int32),
    )
    narrow = replace(batch, embedding=batch.embedding[:, :4])
    cases = {
        "none": ([], {}, "found none"),
        "empty": ([(batch.take(np.zeros(0, np.int64)), None)], {}, "found none"),
        "nothing": ([(nan, None)], {}, "nothing was measured"),
        "key": ([(batch, None)], {"keys": ("site", "lens")}, "'lens'"),
        "labels": ([(batch, np.zeros(3, np.int64))], {}, "labels: expected"),
        "width": ([(batch, None), (narrow, None)], {}, "expected 8 dimensions, found 4"),
        "names": ([(batch, None)], {"class_names": ("a", "b")}, "expected 5, found 2"),
    }
    batches, changes, message = cases[what]
    with pytest.raises(BaselineError, match=message):
        build(fleet, batches, **changes)


def test_the_projection_has_the_median_distance_and_whitens():
    """Features have length one; the mean distance on its own data is about one."""
    rng = np.random.default_rng(0)
    data = (rng.standard_normal((3000, 20)) * np.linspace(1, 5, 20)).astype(np.float32)
    projection = fit_projection(data, feature_pairs=128, rng=rng)
    np.testing.assert_allclose((projection.transform(data) ** 2).sum(axis=1), 1.0, atol=1e-4)
    assert abs((projection.distance(data) ** 2).mean() - 1.0) < 0.02
    length = 1.0 / projection.weights.std()
    median = np.median(np.linalg.norm(data[:1500] - data[1500:], axis=1))
    assert abs(length / median - 1.0) < 0.1


def test_equal_embeddings_still_make_a_projection():
    """Zero variance gives no whitened direction, and no division by zero."""
    projection = fit_projection(
        np.ones((50, 4), np.float32), feature_pairs=8, rng=np.random.default_rng(0)
    )
    assert projection.whitening.shape[0] == 0
    assert np.isfinite(projection.distance(np.ones((3, 4), np.float32))).all()


def test_what_spills_to_disk_comes_back_in_order():
    """Blocks beyond the bound are read back as they were written."""
    rng = np.random.default_rng(0)
    blocks = [rng.random((n, 3)).astype(np.float32) for n in (5, 0, 7, 11)]
    with closing(Spill(limit_bytes=80)) as spill:
        for block in blocks:
            spill.append(block)
        for _ in range(2):
            for got, expected in zip(spill, blocks, strict=True):
                np.testing.assert_array_equal(got, expected)


def test_a_reservoir_keeps_early_and_late_rows_alike():
    """A uniform sample of a stream: its mean position is the middle."""
    reservoir = Reservoir(500, np.random.default_rng(0))
    for start in range(0, 20_000, 100):
        reservoir.add(np.arange(start, start + 100, dtype=np.float32)[:, None])
    rows = reservoir.rows()
    assert rows.shape == (500, 1)
    assert len(np.unique(rows)) == 500
    assert abs(rows.mean() - 10_000) < 1000
    assert Reservoir(5, np.random.default_rng(0)).rows().shape == (0, 0)
