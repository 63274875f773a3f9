"""Images picked for labelling are uncertain or unfamiliar, differ, and come with a reason."""

from __future__ import annotations

import numpy as np
import pytest

from alerts.actions.relabel import pick
from vigil.sample import Sample


def a_sample(embedding, probabilities, *, thumbnails=None, ids=None, threshold=float("inf")):
    n = len(embedding)
    if thumbnails is None:
        thumbnails = np.zeros((n, 0, 0, 0), np.uint8)
    return Sample(
        signal_names=(),
        ids=tuple(ids or (f"r{i}" for i in range(n))),
        versions=("v1",) * n,
        metadata=tuple({"site": "harbour"} for _ in range(n)),
        uris=("",) * n,
        trace_ids=("",) * n,
        time_s=np.arange(n, dtype=np.float64),
        prediction=np.argmax(probabilities, axis=1).astype(np.int32)
        if probabilities.shape[1]
        else np.full(n, -1, np.int32),
        probabilities=probabilities.astype(np.float16),
        embedding=embedding.astype(np.float16),
        signals=np.zeros((n, 0), np.float32),
        priority=np.linspace(0.1, 0.2, n),
        weight=np.ones(n),
        thumbnails=thumbnails,
        threshold=threshold,
    )


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def confident(n, k=3):
    p = np.full((n, k), 0.005)
    p[:, 0] = 1 - 0.005 * (k - 1)
    return p


@pytest.fixture
def baseline(rng):
    return a_sample(rng.normal(size=(300, 8)), confident(300))


def test_unfamiliar_and_uncertain_records_come_first(rng, baseline):
    """Twenty far ones and twenty undecided ones among 200 ordinary ones fill the budget of 40."""
    embedding = rng.normal(size=(240, 8))
    embedding[:20] += 12
    p = confident(240)
    p[20:40] = [0.34, 0.33, 0.33]
    picked = pick(a_sample(embedding, p), baseline, budget=40, rng=rng, random_share=0)
    assert {each.row for each in picked} == set(range(40))
    assert [each.rank for each in picked] == list(range(1, 41))
    by_row = {each.row: each for each in picked}
    assert by_row[0].reason.startswith("unfamiliar: ")
    assert by_row[25].reason.startswith("uncertain: 0 at 0.34, 1 at 0.33")
    assert by_row[0].inclusion is None


def test_near_duplicates_are_picked_once(rng, baseline):
    """A camera that stares at one scene does not fill the queue with it."""
    embedding = rng.normal(size=(60, 8))
    embedding[:50] = 9 + rng.normal(scale=1e-3, size=(50, 8))
    picked = pick(a_sample(embedding, confident(60)), baseline, budget=60, rng=rng)
    assert sum(each.row < 50 for each in picked) == 1


def test_equal_thumbnails_and_ids_are_duplicates_without_embeddings(rng):
    """The picture itself tells."""
    thumbnails = rng.integers(0, 255, (6, 4, 4, 3), dtype=np.uint8)
    thumbnails[1] = thumbnails[0]
    sample = a_sample(
        np.zeros((6, 0)),
        confident(6),
        thumbnails=thumbnails,
        ids=["a", "b", "c", "d", "e", "e"],
    )
    picked = pick(sample, Sample.empty(), budget=10, rng=rng, random_share=0)
    assert sorted(each.record_id for each in picked) == ["a", "c", "d", "e"]


def test_a_small_budget_is_spread_over_the_clusters(rng, baseline):
    """Four kinds of strange image and a budget of four: one of each."""
    centres = np.eye(8)[:4] * 25
    embedding = np.repeat(centres, 25, axis=0) + rng.normal(scale=0.3, size=(100, 8))
    picked = pick(a_sample(embedding, confident(100)), baseline, budget=4, rng=rng, random_share=0)
    assert {each.row // 25 for each in picked} == {0, 1, 2, 3}


def test_the_random_share_is_uniform_and_knows_its_probability(rng, baseline):
    """Over many draws each record comes up as often as its inclusion says."""
    sample = a_sample(rng.normal(size=(50, 8)), confident(50))
    counts = np.zeros(50)
    trials = 400
    for _ in range(trials):
        picked = pick(sample, baseline, budget=10, rng=rng, random_share=1.0)
        assert len(picked) == 10
        assert {each.inclusion for each in picked} == {10 / 50}
        counts[[each.row for each in picked]] += 1
    # Binomial(400, 0.2): standard deviation 8; 5 of them for 50 records.
    assert np.abs(counts - trials * 0.2).max() < 40


def test_the_inclusion_counts_how_the_sample_was_drawn(rng, baseline):
    """Kept with 0.25, then drawn with 0.2: 0.05."""
    sample = a_sample(rng.normal(size=(50, 8)), confident(50), threshold=0.25)
    picked = pick(sample, baseline, budget=10, rng=rng, random_share=1.0)
    assert picked[0].inclusion == pytest.approx(0.05)


def test_broken_records_do_no_harm(rng, baseline):
    """NaN embeddings and probabilities, no classes, a baseline of another size, nothing at all."""
    embedding = rng.normal(size=(20, 8))
    embedding[3] = np.nan
    p = confident(20)
    p[4] = np.nan
    assert len(pick(a_sample(embedding, p), baseline, budget=20, rng=rng)) == 20
    bare = a_sample(np.zeros((4, 0)), np.zeros((4, 0)))
    assert len(pick(bare, baseline, budget=2, rng=rng)) == 2
    other = a_sample(rng.normal(size=(9, 5)), confident(9))
    assert len(pick(other, baseline, budget=9, rng=rng)) == 9
    assert pick(Sample.empty(), baseline, budget=5, rng=rng) == []
    with pytest.raises(ValueError, match="budget"):
        pick(other, baseline, budget=0, rng=rng)


def test_the_same_seed_picks_the_same(baseline):
    """A repeated action gives the same queue."""
    draw = np.random.default_rng(1)
    sample = a_sample(draw.normal(size=(80, 8)), confident(80))
    first = pick(sample, baseline, budget=20, rng=np.random.default_rng(3))
    second = pick(sample, baseline, budget=20, rng=np.random.default_rng(3))
    assert first == second
