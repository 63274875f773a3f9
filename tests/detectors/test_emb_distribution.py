"""Detectors of embeddings: what each sees, and that its p-values are exact."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import detectors
from detectors.methods.embedding.knn_distance import KnnDistance
from detectors.methods.embedding.mahalanobis import Mahalanobis, shrunk_covariance
from vigil.errors import ShapeError
from vigil.types import Outcome

TESTED = [
    ("exact_mmd", {"permutations": 19}),
    ("mmd", {"permutations": 19, "features": 32}),
    ("energy_distance", {"permutations": 19}),
    ("classifier_two_sample", {"permutations": 19, "features": 16}),
    ("mahalanobis", {"quantile": 0.8}),
    ("knn_distance", {"quantile": 0.8, "k": 2}),
]


def _heavy(rng, n):
    """Rows without a variance, few and correlated."""
    return rng.standard_t(2, (n, 3)) @ np.array([[1.0, 0.9, 0.0], [0.0, 0.4, 0.0], [0.0, 0.0, 1.0]])


@pytest.mark.parametrize(("name", "parameters"), TESTED)
def test_p_values_are_exact_for_few_heavy_tailed_rows(name, parameters):
    """P(p <= a) <= a at 0.05, 0.2 and 0.5 over 400 pairs of 15 and 12 rows, within 3 errors."""
    rng = np.random.default_rng(11)
    p = np.array(
        [
            detectors.get(name, seed=i, **parameters)
            .compare(_heavy(rng, 15), _heavy(rng, 12))
            .p_value
            for i in range(400)
        ]
    )
    for at in (0.05, 0.2, 0.5):
        assert (p <= at).mean() <= at + 3 * np.sqrt(at * (1 - at) / 400)
    assert (p <= 0.5).mean() > 0.3, "exact, not merely never small"


def test_scalar_energy_distance_is_that_of_one_column():
    """Same statistic and effect as the detector of embeddings, and SciPy's up to the bias."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=90), rng.normal(0.5, 1.5, size=70)
    one = detectors.get("scalar_energy_distance", permutations=99).compare(x, y)
    other = detectors.get("energy_distance", permutations=99).compare(x[:, None], y[:, None])
    assert one.statistic == pytest.approx(other.statistic, abs=1e-9)
    assert one.effect.value == pytest.approx(other.effect.value, abs=1e-9)
    within = [np.abs(s[:, None] - s[None, :]).sum() / len(s) for s in (x, y)]
    biased = one.statistic + within[0] / (90 * 89) * 1.0 + within[1] / (70 * 69) * 1.0
    assert np.sqrt(biased) == pytest.approx(stats.energy_distance(x, y), abs=1e-9)


def test_a_change_of_spread_is_seen_by_the_classifier():
    """A linear model alone would be blind to it."""
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(800, 6)), rng.normal(0.0, 1.6, size=(800, 6))
    found = detectors.get("classifier_two_sample").compare(x, y)
    assert found.outcome is Outcome.DRIFTED
    assert found.details["auc"] > 0.65


def test_samples_that_can_be_told_apart_have_auc_one():
    """And an interval that is not a point."""
    rng = np.random.default_rng(2)
    found = detectors.get("classifier_two_sample").compare(
        rng.normal(size=(60, 3)), rng.normal(50.0, 1.0, size=(60, 3))
    )
    assert found.effect.value == 0.5
    assert found.effect.low < 0.48


def test_new_records_between_clusters_are_seen_by_neighbours_not_by_mahalanobis():
    """The middle is near the mean and far from every record."""
    rng = np.random.default_rng(3)

    def clusters(n):
        return rng.normal(size=(n, 4)) * 0.3 + rng.choice([-5.0, 5.0], (n, 1))

    middle = np.concatenate([clusters(240), rng.normal(size=(60, 4)) * 0.3])
    assert KnnDistance().compare(clusters(1000), middle).outcome is Outcome.DRIFTED
    assert Mahalanobis().compare(clusters(1000), middle).outcome is not Outcome.DRIFTED


@pytest.mark.parametrize("detector", [Mahalanobis(), KnnDistance(), KnnDistance(metric="cosine")])
def test_p_values_of_single_records_are_valid(detector):
    """P(p <= a) <= a for new records, on average over 60 references of 40 rows in 30 dimensions."""
    rng = np.random.default_rng(4)
    p = np.concatenate(
        [
            detector.fit(rng.normal(1.0, 1.0, (40, 30))).p_values(rng.normal(1.0, 1.0, (50, 30)))
            for _ in range(60)
        ]
    )
    for at in (0.1, 0.3):
        # The 50 records of a round share a calibration set of 20.
        assert (p <= at).mean() <= at + 3 * np.sqrt(at * (1 - at) / 60 * (1 / 20 + 1 / 50))


def test_scores_rank_outliers_and_skip_what_is_not_finite():
    """NaN in, NaN out; wrong width is refused."""
    rng = np.random.default_rng(5)
    model = Mahalanobis().fit(rng.normal(size=(300, 3)))
    rows = np.array([[0.0, 0.0, 0.0], [9.0, 9.0, 9.0], [np.nan, 0.0, 0.0]])
    score, p = model.score(rows), model.p_values(rows)
    assert score[0] < score[1]
    assert np.isnan(score[2])
    assert np.isnan(p[2])
    assert p[1] == pytest.approx(1 / 151)
    with pytest.raises(ShapeError, match="rows: expected"):
        model.score(np.zeros((2, 4)))
    with pytest.raises(ShapeError, match="at least 4 finite rows"):
        Mahalanobis().fit(np.full((10, 2), np.nan))


def test_shrinkage_is_the_published_one():
    """Oracle approximating shrinkage as scikit-learn computes it."""
    covariance = pytest.importorskip("sklearn.covariance")
    rng = np.random.default_rng(6)
    for n, d in ((20, 40), (200, 5)):
        rows = rng.normal(size=(n, d)) * np.arange(1, d + 1)
        theirs = covariance.OAS().fit(rows)
        ours = shrunk_covariance(rows)
        assert np.trace(ours) == pytest.approx(np.trace(theirs.covariance_))
        np.testing.assert_allclose(ours, theirs.covariance_, rtol=0.05, atol=0.02 * d**2)


def test_the_share_beyond_is_beta_binomial():
    """The stated tail against simulation: 30 calibration rows, 20 current, 0.8-quantile."""
    rng = np.random.default_rng(7)
    model = Mahalanobis(quantile=0.8)
    beyond = []
    for _ in range(600):
        found = model.compare(rng.normal(size=(60, 1)), rng.normal(size=(20, 1)))
        beyond.append(round(found.statistic * 20))
    k = int(np.ceil(0.8 * 31))
    law = stats.betabinom(20, 31 - k, k)
    assert np.mean(beyond) == pytest.approx(law.mean(), abs=4 * law.std() / np.sqrt(600))
    assert np.var(beyond) == pytest.approx(law.var(), rel=0.25)
