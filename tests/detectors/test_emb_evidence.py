"""Evidence from embeddings: exact bets on fresh references, score bank, advisory mixture."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.evidence.embedding.advisory import AdvisoryMixture
from detectors.evidence.embedding.bank import fit_bank
from detectors.evidence.embedding.fresh import FreshReferenceBet, fresh_ticks
from detectors.evidence.embedding.whitening import fit_whitening
from detectors.evidence.engine import FleetEvidence
from vigil.errors import ConflictError, ShapeError


def _run(bet, rng, draw, ticks, shift=0.0):
    top = -np.inf
    for tick in range(ticks):
        found = bet.step(draw(rng) + shift, draw(rng), records=100, reference=tick)
        top = max(top, found.log_capital)
    return found, top


@pytest.mark.parametrize("components", [2, 32, 512])
def test_capital_reaches_20_in_at_most_a_twentieth_of_healthy_runs(components):
    """Heavy-tailed, correlated, badly whitened ticks: exact all the same. 120 runs of 100 ticks."""
    rng = np.random.default_rng(0)

    def draw(rng):
        return rng.standard_t(3, components) * 0.3 + rng.normal() * 0.2

    crossed = sum(
        _run(FreshReferenceBet(components=components), rng, draw, 100)[1] >= np.log(20)
        for _ in range(120)
    )
    assert crossed / 120 <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 120)


def test_shiryaev_roberts_evidence_grows_by_one_a_tick_on_average():
    """E[R_T] = T without a change, T = 6, 1500 runs: at most T / A false pages."""
    rng = np.random.default_rng(1)
    last = []
    for _ in range(1500):
        bet = FreshReferenceBet(components=1, memories=(4.0, 64.0))
        found, _ = _run(bet, rng, lambda r: r.standard_t(3, 1) * 0.3, 6)
        last.append(np.exp(found.log_evidence))
    assert np.std(last) > 1.0, "it does bet"
    assert np.mean(last) == pytest.approx(6, abs=4 * np.std(last) / np.sqrt(1500))


def test_the_first_tick_pays_nothing():
    """Nothing has been learned, so theta is zero and the factor one."""
    found = FreshReferenceBet(components=4).step(np.ones(4), np.zeros(4), records=9, reference="a")
    assert found.factor == pytest.approx(1.0)
    assert found.log_evidence == pytest.approx(0.0)


def test_a_shift_is_found_and_the_larger_the_sooner():
    """Ticks from the change to evidence 43 200, delta the shift of d."""
    rng = np.random.default_rng(2)
    direction = np.ones(16) / 4.0

    def delay(delta):
        bet = FreshReferenceBet(components=16)
        _run(bet, rng, lambda r: r.normal(0, 0.1, 16), 50)
        for tick in range(2000):
            y = rng.normal(0, 0.1, 16) + direction * delta * np.sqrt(2.0) * 0.1
            y_ref = rng.normal(0, 0.1, 16)
            found = bet.step(y, y_ref, records=100, reference=(1, tick))
            if found.log_evidence >= np.log(43_200):
                return tick + 1
        return 2001

    delays = [np.median([delay(delta) for _ in range(5)]) for delta in (0.7, 1.4, 5.6)]
    assert delays[0] > delays[1] > delays[2]
    assert delays[0] < 200
    # A tick pays at most 2, so 16 are needed without the evidence before.
    assert delays[2] <= 18


def test_a_recycled_reference_is_refused():
    """By its identity, also after a restart."""
    bet = FreshReferenceBet(components=2)
    bet.step(np.zeros(2), np.zeros(2), records=5, reference="block 1")
    bet.restart()
    with pytest.raises(ConflictError, match="'block 1' was used before"):
        bet.step(np.zeros(2), np.zeros(2), records=5, reference="block 1")


def test_recycling_would_have_been_fatal():
    """One reference under many names: every healthy run crosses."""
    rng = np.random.default_rng(3)
    crossed = 0
    for _ in range(20):
        bet, stale = FreshReferenceBet(components=8), rng.normal(0, 0.1, 8)
        top = -np.inf
        for tick in range(300):
            found = bet.step(rng.normal(0, 0.1, 8), stale, records=100, reference=tick)
            top = max(top, found.log_capital)
        crossed += top >= np.log(20)
    assert crossed >= 15


def test_a_refused_tick_changes_nothing():
    """Wrong width, not finite, no records: the reference is still fresh."""
    bet = FreshReferenceBet(components=2)
    for y, records in ((np.zeros(3), 5), (np.array([np.nan, 0.0]), 5), (np.zeros(2), 0)):
        with pytest.raises(ShapeError):
            bet.step(y, np.zeros(2), records=records, reference=1)
    found = bet.step(np.zeros(2), np.zeros(2), records=5, reference=1)
    assert found.log_evidence == pytest.approx(0.0)


def test_reference_ticks_share_no_record():
    """As many as fit."""
    blocks = list(fresh_ticks(103, 10, np.random.default_rng(0)))
    rows = np.concatenate([rows for _, rows in blocks])
    assert len(blocks) == 10
    assert len(set(rows.tolist())) == 100
    assert len({identity for identity, _ in blocks}) == 10


def test_whitened_features_have_unit_covariance():
    """On the rows that it was fitted to; directions without variance are left out."""
    rng = np.random.default_rng(4)
    rows = rng.normal(2.0, 1.0, (500, 6)) * np.array([5.0, 1.0, 0.1, 1.0, 0.0, 2.0])
    whitening = fit_whitening(rows, components=10)
    y = whitening(rows)
    assert whitening.components == 5
    np.testing.assert_allclose(np.cov(y, rowvar=False), np.eye(5), atol=1e-8)
    np.testing.assert_allclose(whitening(rows.mean(axis=0)), 0.0, atol=1e-8)
    with pytest.raises(ShapeError, match="rows that vary"):
        fit_whitening(np.ones((5, 3)))


def test_recursive_residuals_are_standard_and_independent():
    """Unit variance and no correlation from tick to tick, although the pooled mean is shared."""
    rng = np.random.default_rng(5)
    pairs = []
    for _ in range(1500):
        start = rng.normal(0, 1 / np.sqrt(50))  # the mean of 50 records
        watch, row = AdvisoryMixture(components=1, records=50, mean=[start]), []
        for _ in range(3):
            y = rng.normal(0, 0.1, 1)
            row.append(watch.residual(y, records=100)[0])
            watch.step(y, records=100)
        pairs.append(row)
    np.testing.assert_allclose(np.cov(np.array(pairs), rowvar=False), np.eye(3), atol=0.15)


def test_advice_keeps_its_rate_where_its_assumptions_hold_and_finds_the_onset():
    """E[evidence] = ticks on normal data; a shift is found, and since when."""
    rng = np.random.default_rng(6)
    crossed = 0
    for _ in range(60):
        watch = AdvisoryMixture(components=8, records=4000)
        top = max(watch.step(rng.normal(0, 0.1, 8), records=100).log_evidence for _ in range(150))
        crossed += top >= np.log(1500)
    assert crossed / 60 <= 0.1 + 3 * np.sqrt(0.09 / 60)
    for _ in range(10):
        advice = watch.step(rng.normal(0.1, 0.1, 8), records=100)
    assert advice.log_evidence > np.log(43_200)
    assert 8 <= advice.onset <= 10
    assert watch.advisory


def test_advice_is_bounded_in_memory():
    """Old starts thin out, and the evidence of an old change stays."""
    rng = np.random.default_rng(7)
    watch = AdvisoryMixture(components=2, records=10**9)
    for _ in range(1000):
        advice = watch.step(rng.normal(0.05, 0.1, 2), records=100)
    assert len(watch._ticks) == 128
    assert advice.onset > 800


def _bank(rng, n=3000):
    classes = rng.integers(0, 3, n)
    centres = np.eye(3, 12) * 4.0
    return centres[classes] + rng.normal(size=(n, 12)), classes


def test_the_bank_measures_what_it_says():
    """Names, NaN rows, and each score on a record made for it."""
    rng = np.random.default_rng(8)
    rows, classes = _bank(rng)
    outputs = rng.dirichlet(np.ones(3), len(rows))
    bank = fit_bank(rows, classes=classes, probabilities=outputs, components=2)
    assert bank.names == (
        "component_1", "component_2", "mahalanobis", "nearest_centroid",
        "output_1", "output_2", "output_3",
    )  # fmt: skip
    centroid = rows[classes == 0].mean(axis=0)
    asked = np.stack([centroid, centroid + 50.0, np.full(12, np.nan)])
    scores = bank.scores(asked, np.array([[0.2, 0.3, 0.5]] * 3))
    assert scores[0, 3] == pytest.approx(0.0, abs=1e-5)
    assert scores[1, 2] > 10 * scores[0, 2]
    assert np.isnan(scores[2, :4]).all()
    assert scores[0, 4:].tolist() == [0.2, 0.3, 0.5]
    with pytest.raises(ShapeError, match="with 3 outputs"):
        bank.scores(asked)


def test_window_scores_of_the_bank_are_standard_without_drift():
    """Score over noise: mean 0, deviation 1, for windows of any size."""
    rng = np.random.default_rng(9)
    bank = fit_bank(*[_bank(rng, 6000)[0]], components=3)
    z = []
    for _ in range(400):
        score, noise, records = bank.window(bank.scores(_bank(rng, int(rng.integers(20, 200)))[0]))
        assert (records >= 20).all()
        z.append(score / noise)
    np.testing.assert_allclose(np.std(z, axis=0), 1.0, atol=0.15)
    np.testing.assert_allclose(np.mean(z, axis=0), 0.0, atol=0.45)


def test_bank_scores_go_through_the_engine():
    """A cluster far away is found on healthy history; nothing is before."""
    rng = np.random.default_rng(10)
    rows, classes = _bank(rng)
    bank = fit_bank(rows, classes=classes, components=2)

    def tick(outliers=0):
        window = _bank(rng, 60)[0]
        window[:outliers] += 9.0
        return bank.whole(bank.scores(window), model="m", deployment="p")

    engine = FleetEvidence(5000, 100)
    engine.learn([tick() for _ in range(400)])
    healthy = [engine.step(tick(), tick=t, rng=rng).exceeded.any() for t in range(1, 60)]
    assert not any(healthy)
    found = [engine.step(tick(12), tick=t, rng=rng) for t in range(60, 75)]
    assert found[-1].exceeded.any()
    assert {stream.signal for stream in found[-1].streams} == {
        f"embedding_bank.{name}" for name in bank.names
    }
