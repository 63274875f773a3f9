"""The class that lost most: its score, its effect, and that seasons move it little."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from alerts.types import Finding
from alerts.wording import finding_words, short_finding
from detectors.effects import effects
from detectors.fit import fit_baseline
from detectors.frame import Part
from detectors.scores import score
from detectors.statistics.category import LEAST_SHARE, largest_loss
from detectors.streams import StreamKey
from vigil.measuring.batch import make_batch
from vigil.measuring.summarise import summarise
from vigil.types import WHOLE, ModelRef, SignalKind, Slice

SHARES = np.array([0.4, 0.3, 0.15, 0.1, 0.045, 0.005])
LOST = StreamKey("m", "p", WHOLE, "lost_class")


def without(k: int, part: float = 1.0) -> np.ndarray:
    """The shares when a class loses a part of its records to the others."""
    left = SHARES.copy()
    left[k] *= 1.0 - part
    return left / left.sum()


def losses(shares: np.ndarray, n: int, trials: int, seed: int) -> tuple[np.ndarray, ...]:
    seen = np.random.default_rng(seed).multinomial(n, shares, trials).astype(float)
    size = np.full(trials, float(n))
    found = largest_loss(seen, size[:, None] * SHARES, size, np.full(trials, np.inf))
    return found.score / found.noise, found.which


@pytest.mark.parametrize("n", [100, 1000, 10000])
def test_without_drift_the_score_has_about_the_stated_mean_and_deviation(n: int) -> None:
    """A quarter off at most; its location is the stream's own affair."""
    z, which = losses(SHARES, n, 20_000, n)
    assert abs(z.mean()) < 0.3
    assert 0.75 < z.std() < 1.25
    assert set(which) <= {0, 1, 2, 3, 4}  # the last is too rare


@pytest.mark.parametrize("k", [0, 2, 4])
def test_a_class_that_is_gone_is_named_and_stands_far_out(k: int) -> None:
    """At 1000 records, one of 4.5 % of them too."""
    z, which = losses(without(k), 1000, 200, k)
    assert (which == k).mean() > 0.99
    assert z.min() > 5.0


def test_a_season_of_classes_moves_it_less_than_a_lost_class() -> None:
    """Where the mix tilts by half a sigma, chi-square says more of that than of the loss."""
    tilt = SHARES * np.exp(0.35 * np.array([1, -1, 0.5, -0.5, 1, -1]))
    season = losses(tilt / tilt.sum(), 1000, 200, 1)[0].mean()
    gone = losses(without(2), 1000, 200, 2)[0].mean()
    assert gone > 3.0 * season


def test_too_few_records_or_classes_have_no_score() -> None:
    """One class that is frequent enough leaves nothing to compare; nor does an empty window."""
    inf = np.array([np.inf])
    for seen, n in ((SHARES * 0.0, 0.0), (np.round(SHARES * 9), 9.0)):
        found = largest_loss(seen[None], n * SHARES[None], np.array([n]), inf)
        assert np.isnan(found.score[0])
        assert (found.which[0], found.records[0]) == (-1, 0.0)
    assert SHARES[4] > LEAST_SHARE


def _part(shares: np.ndarray, n: int, seed: int, baseline=None, camera: str = "c1"):
    rng = np.random.default_rng(seed)
    outputs = np.full((n, len(SHARES)), 0.02)
    outputs[np.arange(n), rng.choice(len(SHARES), n, p=shares)] = 0.9
    batch = make_batch(
        ids=[f"{seed}.{i}" for i in range(n)],
        counter=np.arange(n, dtype=np.uint64),
        custom_ids=False,
        time_s=0.0,
        version="v1",
        outputs=outputs.astype(np.float32),
        metadata=[{"camera": camera}] * n,
    )
    if baseline is None:
        return batch
    return Part(baseline=baseline, summary=summarise(batch, baseline.ruler)[0])


@pytest.fixture(scope="module")
def baseline():
    return fit_baseline(
        model=ModelRef(name="m", version="v1"),
        batches=((_part(SHARES, 2000, 100 + i), None) for i in range(4)),
        dataset="classes",
        created_at=datetime(2026, 11, 22, tzinfo=UTC),
        keys=("camera",),
    )


def test_the_effect_is_the_share_that_is_lost_and_names_the_class(baseline) -> None:
    """All of class 2 is gone: near 1, surely beyond the tolerance, in words that a person reads."""
    part = _part(without(2), 600, 1, baseline)
    effect = effects([part], [LOST])[LOST]
    assert effect.is_large
    assert effect.value > 0.99
    assert effect.unit == "of class 2's usual share"
    finding = Finding(
        signal="lost_class",
        kind=SignalKind.PREDICTION,
        slice=WHOLE,
        effect=effect,
        evidence=1e6,
        threshold=1e5,
    )
    assert short_finding(finding) == "100% of class 2's usual share is gone"
    assert finding_words(finding).endswith("to 100%, tolerated 50%)")
    batch = score([part], "m", "p")
    row = batch.streams.index(LOST)
    assert batch.score[row] / batch.noise[row] > 5.0


def test_a_class_that_lost_a_third_is_within_tolerance_once_there_is_enough(baseline) -> None:
    """Half is tolerated by default."""
    shares = without(2, 1 / 3)
    few = effects([_part(shares, 60, 2, baseline)], [LOST])[LOST]
    many = effects([_part(shares, 6000, 3, baseline)], [LOST])[LOST]
    assert not few.is_large
    assert many.is_small
    assert many.low < 1.0 - shares[2] / SHARES[2] < many.high


def test_intervals_hold_the_lost_share_nearly_always(baseline) -> None:
    """Of class 0 in windows of 500; nothing is lost in others of the same size but by chance."""
    inside = sure = 0
    shares = without(0, 0.6)
    true = 1.0 - shares[0] / SHARES[0]
    for seed in range(200):
        found = effects([_part(shares, 500, 1000 + seed, baseline)], [LOST])[LOST]
        inside += found.low <= true <= found.high
        sure += effects([_part(SHARES, 500, 5000 + seed, baseline)], [LOST])[LOST].is_large
    assert inside >= 190
    assert sure == 0


def test_a_new_place_has_no_usual_classes_to_lose(baseline) -> None:
    """Its mix is its own: it is judged as new, by the other streams."""
    part = _part(without(0), 600, 7, baseline, camera="new")
    new = StreamKey("m", "p", Slice((("camera", "new"),)), "lost_class")
    assert effects([part], [new]) == {}
    assert "lost_class" not in {one.signal for one in score([part], "m", "p").streams}
    known = StreamKey("m", "p", Slice((("camera", "c1"),)), "lost_class")
    assert known in effects([_part(without(0), 600, 7, baseline)], [known])
