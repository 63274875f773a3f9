"""Kernel sums in tiles, their backends, and the effect of a root."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import detectors
from detectors.backend import backend
from detectors.exact_mmd import permutation_test
from detectors.kernel_sums import (
    Gaussian,
    NegativeDistance,
    kernel_sums,
    labellings,
    median_length2,
    share_as_large,
)
from detectors.methods.embedding.rows import root_size


def _plain(rows, labels, kernel):
    """The double sums, from a kernel matrix that is held."""
    squared = ((rows[:, None] - rows[None, :]) ** 2).sum(axis=2)
    matrix = kernel(squared)
    np.fill_diagonal(matrix, 0.0)
    a = labels.astype(float)
    m, n = a.sum(axis=1), (1 - a).sum(axis=1)
    inside = np.einsum("pi,ij,pj->p", a, matrix, a)
    across = np.einsum("pi,ij,pj->p", a, matrix, 1 - a)
    rest = np.einsum("pi,ij,pj->p", 1 - a, matrix, 1 - a)
    return inside / (m * (m - 1)) + rest / (n * (n - 1)) - 2 * across / (m * n)


@pytest.mark.parametrize("device", [None, "cpu"])
@pytest.mark.parametrize("tile", [7, 1000])
@pytest.mark.parametrize(
    ("kernel", "of"),
    [
        (Gaussian(3.0), lambda s: np.exp(-s / 6.0)),
        (NegativeDistance(3.0), lambda s: -np.sqrt(s)),
    ],
)
def test_tiles_give_the_double_sums(device, tile, kernel, of):
    """Whatever the tile, on NumPy and on torch."""
    if device is not None:
        pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    rows = rng.normal(5.0, 1.0, (37, 3))
    labels = labellings(16, 21, 12, rng)
    found = kernel_sums(rows, labels, kernel, device=device, tile=tile).squares
    np.testing.assert_allclose(found, _plain(rows, labels, of), atol=1e-12)


@pytest.mark.parametrize("device", [None, "cpu"])
def test_single_precision_errs_far_less_than_permutations_vary(device):
    """2200 rows far from the origin: float32 tiles against float64."""
    if device is not None:
        pytest.importorskip("torch")
    rng = np.random.default_rng(1)
    rows = rng.normal(30.0, 1.0, (2200, 24))
    labels = labellings(1000, 1200, 40, rng)
    kernel = Gaussian(median_length2(rows, rng))
    norms = (rows - rows.mean(axis=0)) ** 2
    centred = rows - rows.mean(axis=0)
    squared = norms.sum(axis=1)[:, None] + norms.sum(axis=1)[None, :] - 2 * centred @ centred.T
    matrix = np.exp(-squared / (2 * kernel.length2))
    np.fill_diagonal(matrix, 0.0)
    a = labels.astype(float)
    reach = a @ matrix
    inside, from_first = (reach * a).sum(axis=1), a @ matrix.sum(axis=1)
    across = from_first - inside
    rest = matrix.sum() - inside - 2 * across
    exact = inside / (1000 * 999) + rest / (1200 * 1199) - 2 * across / (1000 * 1200)
    found = kernel_sums(rows, labels, kernel, device=device).squares
    assert np.abs(found - exact).max() < 1e-4 * exact[1:].std()


def test_numpy_and_torch_give_one_p_value():
    """The same permutations on both."""
    pytest.importorskip("torch")
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(900, 16)), rng.normal(0.03, 1.0, size=(900, 16))
    runs = [
        permutation_test(x, y, 199, np.random.default_rng(3), device=device)
        for device in (None, "cpu")
    ]
    assert runs[0][0] == pytest.approx(runs[1][0], abs=1e-8)
    assert runs[0][1] == runs[1][1]


def test_a_gpu_gives_the_same():
    """Where there is one."""
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("no GPU")
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(900, 16)), rng.normal(0.03, 1.0, size=(900, 16))
    runs = [
        permutation_test(x, y, 199, np.random.default_rng(3), device=device)
        for device in (None, "cuda")
    ]
    assert runs[0][0] == pytest.approx(runs[1][0], abs=1e-8)
    assert abs(runs[0][1] - runs[1][1]) <= 1 / 200


def test_a_device_that_is_not_there_is_an_error():
    """Not a silent fall-back to the CPU."""
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises((RuntimeError, AssertionError)):
        backend("cuda")


def test_labellings_keep_the_sizes_and_begin_with_what_was_seen():
    """And every row is dealt to the first sample equally often."""
    labels = labellings(30, 70, 4000, np.random.default_rng(0))
    assert labels[0].tolist() == [True] * 30 + [False] * 70
    assert (labels.sum(axis=1) == 30).all()
    assert np.abs(labels[1:].mean(axis=0) - 0.3).max() < 5 * np.sqrt(0.21 / 4000)


def test_equal_values_count_as_as_large():
    """Ties and rounding make p larger, never smaller."""
    assert share_as_large(np.array([0.5, 0.5, 0.5, 0.5])) == 1.0
    assert share_as_large(np.array([1.0, 0.0, 0.0, 0.5])) == 0.25
    assert share_as_large(np.array([0.0, 1.0, 2.0, 0.5])) == 1.0


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 12), st.integers(2, 12), st.integers(0, 2**31))
def test_mmd_is_symmetric_and_forgets_the_order_of_rows(m, n, seed):
    """Swapping the samples or shuffling their rows changes nothing but rounding."""
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(m, 3)), rng.normal(size=(n, 3))

    def square(a, b):
        return permutation_test(a, b, 0, np.random.default_rng(0), bandwidth=1.3)[0]

    seen = square(x, y)
    assert square(y, x) == pytest.approx(seen, abs=1e-12)
    assert square(rng.permutation(x), rng.permutation(y)) == pytest.approx(seen, abs=1e-12)


def test_the_interval_of_a_root_surrounds_it_and_widens_with_the_noise():
    """At, above and below zero."""
    for square in (-0.01, 0.0, 0.04, 1.0):
        near, far = (root_size(square, noise=noise, linear=1e-4) for noise in (0.001, 0.1))
        assert 0.0 <= far.low <= near.low <= near.value <= near.high <= far.high
    assert near.value == 1.0


@pytest.mark.parametrize("name", ["exact_mmd", "mmd", "energy_distance"])
def test_intervals_cover_the_true_effect(name):
    """At least 90 of 100 intervals of a shift of 0.3 in each of 5 dimensions, stated 95 %."""
    rng = np.random.default_rng(5)
    if name == "energy_distance":
        big = [rng.normal(size=(200_000, 5)) for _ in range(4)]
        apart = np.linalg.norm(big[0] - big[1] - 0.3, axis=1).mean()
        within = np.linalg.norm(big[2] - big[3], axis=1).mean()
        truth, more = np.sqrt(1 - within / apart), {}
    else:
        truth = np.sqrt(2 * 1.25**-2.5 * (1 - np.exp(-5 * 0.09 / 20)))
        more = {"bandwidth": np.sqrt(8.0)}
    covered = 0
    for seed in range(100):
        x, y = rng.normal(size=(150, 5)), rng.normal(0.3, 1.0, size=(150, 5))
        effect = detectors.get(name, permutations=60, seed=seed, **more).compare(x, y).effect
        covered += effect.low <= truth <= effect.high
    assert covered >= 90


def test_random_features_estimate_the_exact_mmd():
    """Root MMD within 10 % at 2048 features."""
    rng = np.random.default_rng(6)
    x, y = rng.normal(size=(400, 10)), rng.normal(0.5, 1.0, size=(400, 10))
    exact = detectors.get("exact_mmd", permutations=20, bandwidth=4.0).compare(x, y)
    features = detectors.get("mmd", permutations=20, bandwidth=4.0, features=2048).compare(x, y)
    assert features.effect.value == pytest.approx(exact.effect.value, rel=0.1)
