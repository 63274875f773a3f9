"""Images picked for labelling are uncertain or unfamiliar, differ, and come with a reason."""

from __future__ import annotations

import numpy as np
import pytest

from alerts.actions.relabel import Earlier, drawable, pick
from vigil.types import Slice
from vigil.windows.sample import Sample


def a_sample(
    embedding, probabilities, *, thumbnails=None, ids=None, threshold=float("inf"), **changed
):
    n = len(embedding)
    if thumbnails is None:
        thumbnails = np.zeros((n, 0, 0, 0), np.uint8)
    values = {
        "signal_names": (),
        "ids": tuple(ids or (f"r{i}" for i in range(n))),
        "versions": ("v1",) * n,
        "metadata": tuple({"site": "harbour"} for _ in range(n)),
        "uris": ("",) * n,
        "trace_ids": ("",) * n,
        "time_s": np.arange(n, dtype=np.float64),
        "prediction": np.argmax(probabilities, axis=1).astype(np.int32)
        if probabilities.shape[1]
        else np.full(n, -1, np.int32),
        "probabilities": probabilities.astype(np.float16),
        "embedding": embedding.astype(np.float16),
        "signals": np.zeros((n, 0), np.float32),
        "priority": np.linspace(0.1, 0.2, n),
        "weight": np.ones(n),
        "thumbnails": thumbnails,
        "threshold": threshold,
    }
    return Sample(**{**values, **changed})


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
    assert sum(each.row < 50 for each in picked if each.inclusion is None) == 1


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


def test_what_is_alike_is_picked_for_what_it_stands_for(rng, baseline):
    """Of records that are all strange, a crowd is stood for before the oddest loner."""
    crowd = 20 + rng.normal(scale=1.0, size=(60, 8))
    loners = rng.normal(size=(4, 8))
    loners *= 400 / np.linalg.norm(loners, axis=1, keepdims=True)
    sample = a_sample(np.concatenate([crowd, loners]), confident(64))
    picked = pick(sample, baseline, budget=4, rng=rng, random_share=0)
    assert picked[0].row < 60
    assert picked[0].score < max(each.score for each in picked)


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


def test_what_drifted_counts_up_to_twice(rng, baseline):
    """Of equally uncertain records those in the bins that are new come first."""
    n = 200
    before = a_sample(
        rng.normal(size=(400, 8)),
        confident(400),
        signal_names=("brightness",),
        signals=rng.uniform(0.4, 0.6, (400, 1)).astype(np.float32),
    )
    brightness = rng.uniform(0.4, 0.6, (n, 1)).astype(np.float32)
    brightness[100:160] = 0.9
    now = a_sample(
        rng.normal(size=(n, 8)),
        np.full((n, 3), 1 / 3),
        signal_names=("brightness",),
        signals=brightness,
    )
    told = {"budget": 40, "random_share": 0, "drifted": ("brightness_spread",)}
    picked = pick(now, before, rng=rng, **told)
    assert sum(100 <= each.row < 160 for each in picked) >= 26
    new = next(each for each in picked if each.excess > 0.8)
    assert new.rank <= 3
    assert "of the traffic like it is new" in new.reason
    without = pick(now, before, budget=40, rng=rng, random_share=0)
    assert sum(100 <= each.row < 160 for each in without) < 20
    assert {each.excess for each in without} == {None}


@pytest.mark.parametrize("signal", ["embedding", "predicted_class"])
def test_excess_of_embeddings_and_classes_is_near_its_true_share(signal):
    """Half of today's traffic is a cluster, or a class, that the baseline hardly has."""
    draw = np.random.default_rng(3)
    where = np.zeros((400, 4))
    where[:200] += 9
    now = a_sample(draw.normal(size=(400, 4)) + where, np.full((400, 3), 1 / 3))
    now.prediction[:] = np.where(np.arange(400) < 200, 2, draw.integers(0, 2, 400))
    before = a_sample(draw.normal(size=(400, 4)), np.full((400, 3), 1 / 3))
    before.prediction[:] = draw.integers(0, 2, 400)
    picked = pick(now, before, budget=400, rng=draw, random_share=0, drifted=(signal,))
    fresh = [each.excess for each in picked if each.row < 200]
    usual = [each.excess for each in picked if each.row >= 200]
    assert min(fresh) > 0.9
    assert np.mean(usual) < 0.25


def test_quotas_are_kept_where_there_are_so_many(rng, baseline):
    """The dull slice gets its half, the small one all that it has."""
    embedding = rng.normal(size=(120, 8))
    embedding[:80] += 12
    sites = ["harbour"] * 80 + ["inland"] * 37 + ["island"] * 3
    sample = a_sample(embedding, confident(120), metadata=tuple({"site": site} for site in sites))
    quotas = {Slice.parse("site=inland"): 0.5, Slice.parse("site=island"): 0.3}
    picked = pick(sample, baseline, budget=20, rng=rng, random_share=0, quotas=quotas)
    found = [each.metadata["site"] for each in picked]
    assert (len(found), found.count("inland"), found.count("island")) == (20, 10, 3)
    plain = pick(sample, baseline, budget=20, rng=rng, random_share=0)
    assert [each.metadata["site"] for each in plain].count("inland") < 10


def test_what_was_picked_before_is_not_chosen_again_nor_what_looks_like_it(rng, baseline):
    embedding = rng.normal(size=(60, 8)) + 9
    sample = a_sample(embedding, confident(60))
    first = pick(sample, baseline, budget=20, rng=rng, random_share=0)
    seen = sample.take([each.row for each in first])
    twins = a_sample(
        np.concatenate([embedding + 1e-3, rng.normal(size=(5, 8)) + 20]),
        confident(65),
        ids=[f"twin-{i}" for i in range(60)] + [f"new-{i}" for i in range(5)],
    )
    earlier = Earlier(ids=frozenset(seen.ids), embedding=seen.embedding)
    again = pick(sample, baseline, budget=60, rng=rng, random_share=0, earlier=earlier)
    assert {each.record_id for each in again}.isdisjoint(seen.ids)
    picked = pick(twins, baseline, budget=65, rng=rng, random_share=0, earlier=earlier)
    rows = {each.row for each in picked}
    assert rows.isdisjoint(each.row for each in first)
    assert set(range(60, 65)) <= rows


def test_gold_is_mixed_among_the_others_and_not_told_apart(baseline):
    """Nothing that the queue is given says which ones they are."""
    draw = np.random.default_rng(8)
    sample = a_sample(draw.normal(size=(80, 8)), np.full((80, 3), 1 / 3))
    gold = {f"r{i}": 1 for i in range(30)}
    picked = pick(sample, baseline, budget=40, rng=draw, gold=gold, gold_share=0.25)
    golden = [each for each in picked if each.gold_label is not None]
    assert (len(picked), len(golden)) == (40, 10)
    assert {each.record_id for each in golden} <= set(gold)
    others = [each for each in picked if each.gold_label is None]
    assert {each.record_id for each in others}.isdisjoint(gold)
    assert sorted(each.rank for each in picked) == list(range(1, 41))
    assert min(each.rank for each in golden) < 12
    assert max(each.rank for each in golden) > 25
    assert {frozenset(each.to_json()) for each in golden} == {
        frozenset(each.to_json()) for each in others
    }
    assert all("random" not in each.reason and "gold" not in each.reason for each in golden)


def test_a_random_share_of_windows_cut_at_different_thresholds_is_unbiased():
    """A busy window and a quiet one: weighted by 1/inclusion, the draws count all records."""
    draw = np.random.default_rng(4)
    empty = Sample.empty()
    estimates = []
    for _ in range(300):
        windows = []
        for size, name in ((1000, "busy"), (60, "quiet")):
            whole = a_sample(
                np.zeros((size, 0)),
                np.full((size, 3), 1 / 3),
                ids=[f"{name}-{i}" for i in range(size)],
                priority=draw.uniform(size=size),
            )
            windows.append(Sample.merge([whole], 64))
        both = Sample.merge(windows, 1000)
        may_draw = drawable(both)
        picked = pick(both, empty, budget=40, rng=draw, random_share=1.0, may_draw=may_draw)
        estimates.append(
            [
                sum(1 / each.inclusion for each in picked if each.record_id.startswith(name))
                for name in ("busy", "quiet")
            ]
        )
    means = np.mean(estimates, axis=0)
    spread = np.std(estimates, axis=0) / np.sqrt(len(estimates))
    # Bottom-k weights are unbiased but for 1/k: 1000 * 63/64 to 1000 * 64/63.
    np.testing.assert_allclose(means, [1000, 60], rtol=0.02, atol=4 * spread.max())
