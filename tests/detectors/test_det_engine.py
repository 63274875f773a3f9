"""The evidence engine: its promise, its speed of detection, and its memory."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.evidence.engine import FleetEvidence
from detectors.scores import EMPTY
from vigil.errors import ConflictError, FormatVersionError, WireError


def taught(plain, streams, rng, *, threshold=200.0, windows=200, min_history=50):
    engine = FleetEvidence(threshold, min_history)
    engine.learn([plain.scores(streams, rng.standard_normal(len(streams))) for _ in range(windows)])
    return engine


@pytest.mark.slow
def test_false_pages_stay_within_the_budget(plain):
    """Over 30 fleets of 20 streams and 300 healthy ticks each, pages <= T / A = 3 a fleet.

    Tempering keeps the realised mean well below the bound; some pages there must be, so that the
    test is known to see any.
    """
    rng = np.random.default_rng(0)
    streams = plain.streams(20)
    pages = np.zeros(30)
    for trial in range(30):
        engine = taught(plain, streams, rng, windows=100, threshold=100.0)
        for tick in range(300):
            result = engine.step(
                plain.scores(streams, rng.standard_normal(20)), tick=tick + 1, rng=rng
            )
            if result.exceeded.any():
                pages[trial] += result.exceeded.sum()
                engine.reset([s for s, hit in zip(streams, result.exceeded, strict=True) if hit])
    assert 0.02 < pages.mean() < 3.0 + 2 * pages.std() / np.sqrt(30)


@pytest.mark.slow
def test_budget_holds_for_dependent_streams_of_any_distribution(plain):
    """All streams move together, with skewed scores: the bound stays."""
    rng = np.random.default_rng(1)
    streams = plain.streams(10)
    pages = np.zeros(25)
    for trial in range(25):
        engine = FleetEvidence(100.0, 50)
        engine.learn([plain.scores(streams, np.full(10, rng.gamma(2.0))) for _ in range(100)])
        for tick in range(300):
            common = np.full(10, rng.gamma(2.0))
            result = engine.step(plain.scores(streams, common), tick=tick + 1, rng=rng)
            pages[trial] += result.exceeded.sum()
            engine.reset([s for s, hit in zip(streams, result.exceeded, strict=True) if hit])
    assert 0.0 < pages.mean() < 3.0 + 2 * pages.std() / np.sqrt(25)


def test_evidence_grows_by_at_most_the_share_on_average(plain):
    """The fleet's evidence after T ticks is at most T on average: omega sums to one, and tempering
    takes some."""
    rng = np.random.default_rng(2)
    streams = plain.streams(20)
    totals = []
    for _ in range(150):
        engine = FleetEvidence(1e12, 50)
        engine.learn([plain.scores(streams, rng.standard_normal(20)) for _ in range(50)])
        for tick in range(5):
            result = engine.step(
                plain.scores(streams, rng.standard_normal(20)), tick=tick + 1, rng=rng
            )
        totals.append(result.evidence.sum())
    assert 1.0 < np.mean(totals) < 5.5


@pytest.mark.parametrize(("shift", "windows"), [(8.0, 5), (-8.0, 5), (4.0, 10), (3.0, 20)])
def test_a_shift_is_found_soon_at_a_month_long_budget(plain, shift, windows):
    """A = 20 000 ticks, 300 streams, 2000 windows of history: one leaf shifts for good. Smaller
    shifts end in the trailing reference: they are the drift track's."""
    rng = np.random.default_rng(3)
    streams = plain.streams(300)
    engine = taught(plain, streams, rng, threshold=20_000.0, windows=2000)
    for tick in range(1, windows + 1):
        values = rng.standard_normal(300)
        values[200] += shift
        result = engine.step(plain.scores(streams, values), tick=tick, rng=rng)
    assert result.exceeded[200]
    assert result.exceeded.sum() == 1


def test_a_whole_model_shift_needs_three_windows_at_least_and_five_at_most(plain):
    """One odd window never pages at this budget; a fault does within five."""
    rng = np.random.default_rng(4)
    streams = plain.streams(300)
    engine = taught(plain, streams, rng, threshold=20_000.0, windows=2000)
    seen = []
    for tick in range(1, 6):
        values = rng.standard_normal(300)
        values[3] += 9.0
        seen.append(
            bool(engine.step(plain.scores(streams, values), tick=tick, rng=rng).exceeded[3])
        )
    assert seen[:2] == [False, False]
    assert seen[4]


def test_onset_is_the_start_of_the_shift(plain):
    """The start that maximises the evidence is within two ticks of the true one."""
    rng = np.random.default_rng(5)
    streams = plain.streams(30)
    engine = taught(plain, streams, rng, windows=1000, threshold=5000.0)
    for tick in range(1, 61):
        values = rng.standard_normal(30)
        values[10] += 4.0 * (tick > 50)
        result = engine.step(plain.scores(streams, values), tick=tick, rng=rng)
    assert result.exceeded[10]
    assert abs(result.onset_tick[10] - 51) <= 2


def test_natural_variation_between_windows_is_no_evidence(plain):
    """Scores vary five times as much as sampling explains; history knows, so nothing pages."""
    rng = np.random.default_rng(6)
    streams = plain.streams(20)
    engine = FleetEvidence(5000.0, 50)
    engine.learn([plain.scores(streams, 2.0 + 5 * rng.standard_normal(20)) for _ in range(300)])
    for tick in range(1, 301):
        values = 2.0 + 5 * rng.standard_normal(20)
        assert not engine.step(plain.scores(streams, values), tick=tick, rng=rng).exceeded.any()


def test_saved_and_restored_it_goes_on_identically(plain):
    """Bytes hold everything: the next tick of the copy equals that of the original."""
    rng = np.random.default_rng(7)
    streams = plain.streams(40)
    engine = taught(plain, streams[:30], rng)
    for tick in range(1, 20):
        engine.step(plain.scores(streams, rng.standard_normal(40)), tick=tick, rng=rng)
    engine.hold(streams[:3], since_tick=15)
    copy = FleetEvidence.from_bytes(engine.to_bytes())
    for tick in range(20, 90):
        batch = plain.scores(streams, rng.standard_normal(40))
        first = engine.step(batch, tick=tick, rng=np.random.default_rng(tick))
        second = copy.step(batch, tick=tick, rng=np.random.default_rng(tick))
        np.testing.assert_array_equal(first.evidence, second.evidence)
        np.testing.assert_array_equal(first.onset_tick, second.onset_tick)
        np.testing.assert_array_equal(first.provisional, second.provisional)
    assert engine.to_bytes() == copy.to_bytes()


def test_a_tick_counts_once(plain):
    """A tick that was judged is refused, also after a restart."""
    rng = np.random.default_rng(8)
    streams = plain.streams(5)
    engine = taught(plain, streams, rng)
    batch = plain.scores(streams, np.zeros(5))
    engine.step(batch, tick=7, rng=rng)
    with pytest.raises(ConflictError, match="tick 7 is not after 7"):
        engine.step(batch, tick=7, rng=rng)
    with pytest.raises(ConflictError):
        FleetEvidence.from_bytes(engine.to_bytes()).step(batch, tick=6, rng=rng)


def test_hold_takes_the_alarm_out_of_the_pool_again(plain):
    """Windows since the onset leave the pool, later ones do not join until release."""
    rng = np.random.default_rng(9)
    streams = plain.streams(5)
    engine = taught(plain, streams, rng, windows=200)
    for tick in range(1, 11):
        engine.step(plain.scores(streams, np.full(5, 9.0)), tick=tick, rng=rng)
    assert engine.history(streams[0]) == 210
    engine.hold(streams[:2], since_tick=4)
    assert engine.history(streams[0]) == 203
    assert engine.history(streams[4]) == 210
    engine.step(plain.scores(streams, np.full(5, 9.0)), tick=11, rng=rng)
    assert engine.history(streams[0]) == 203
    engine.release(streams[:2])
    result = engine.step(plain.scores(streams, np.zeros(5)), tick=12, rng=rng)
    assert engine.history(streams[0]) == 204
    assert result.evidence[0] < 5.0


def test_after_release_the_same_fault_is_found_again_as_fast(plain):
    """What hold removed can't hide a second fault."""
    rng = np.random.default_rng(10)
    streams = plain.streams(5)
    engine = taught(plain, streams, rng, windows=1000, threshold=5000.0)

    def ticks_to_find(first: int) -> int:
        for i in range(30):
            values = rng.standard_normal(5)
            values[1] += 8.0
            result = engine.step(plain.scores(streams, values), tick=first + i, rng=rng)
            if result.exceeded[1]:
                return i + 1
        raise AssertionError("not found")

    before = ticks_to_find(1)
    engine.hold([streams[1]], since_tick=1)
    engine.release([streams[1]])
    assert ticks_to_find(before + 1) <= before + 1


def test_new_streams_settle_on_their_own_history(plain):
    """Without history, siblings or baseline a stream is mute, then it is judged like any other."""
    rng = np.random.default_rng(11)
    streams = plain.streams(3)
    engine = FleetEvidence(500.0, 200)
    for tick in range(1, 201):
        result = engine.step(
            plain.scores(streams, 50.0 + rng.standard_normal(3)), tick=tick, rng=rng
        )
        assert result.provisional.all()
        assert not result.exceeded.any()
    result = engine.step(plain.scores(streams, 50.0 + rng.standard_normal(3)), tick=201, rng=rng)
    assert not result.provisional.any()
    for tick in range(202, 214):
        result = engine.step(plain.scores(streams, np.full(3, 90.0)), tick=tick, rng=rng)
    assert result.exceeded.all()


def test_a_new_stream_with_baseline_scores_is_judged_by_them(plain):
    """A launch that is off its baseline gives provisional evidence from the first windows."""
    rng = np.random.default_rng(12)
    streams = plain.streams(1)
    seeds = {("m", "p", "signal0"): rng.standard_normal(400).astype(np.float32)}
    engine = FleetEvidence(500.0, 200)
    for tick in range(1, 13):
        batch = plain.scores(streams, 6.0 + rng.standard_normal(1), healthy=seeds)
        result = engine.step(batch, tick=tick, rng=rng)
    assert result.exceeded[0]
    assert result.provisional[0]


def siblings(n):
    from detectors.streams import StreamKey
    from vigil.types import Slice

    return tuple(StreamKey("m", "p", Slice((("camera", str(i)),)), "noise") for i in range(n))


def test_a_new_slice_that_is_like_its_siblings_is_quiet(plain):
    """Its location is one more draw from theirs, however many windows it lasts."""
    rng = np.random.default_rng(13)
    pages = 0
    for _ in range(40):
        streams = siblings(13)
        looks = rng.normal(0, 2, 13)
        engine = FleetEvidence(1000.0, 100)
        engine.learn(
            [plain.scores(streams[:12], looks[:12] + rng.standard_normal(12)) for _ in range(150)]
        )
        new = np.arange(13) == 12
        for tick in range(1, 61):
            batch = plain.scores(streams, looks + rng.standard_normal(13), novel=new)
            result = engine.step(batch, tick=tick, rng=rng)
        assert result.provisional.tolist() == new.tolist()
        pages += int(result.exceeded[12])
    assert pages <= 2


def test_a_new_slice_far_from_all_siblings_is_found(plain):
    """Beyond the guardrail the siblings' pool turns it into evidence."""
    rng = np.random.default_rng(14)
    streams = siblings(13)
    looks = np.append(rng.normal(0, 0.5, 12), 12.0)
    engine = FleetEvidence(20_000.0, 100)
    engine.learn(
        [plain.scores(streams[:12], looks[:12] + rng.standard_normal(12)) for _ in range(500)]
    )
    for tick in range(1, 6):
        batch = plain.scores(streams, looks + rng.standard_normal(13), novel=np.arange(13) == 12)
        result = engine.step(batch, tick=tick, rng=rng)
    assert result.exceeded.tolist() == [False] * 12 + [True]


def test_a_slice_that_the_baseline_learns_of_starts_anew(plain):
    """Novel and known scores are different statistics: they never share a pool."""
    rng = np.random.default_rng(15)
    streams = siblings(1)
    engine = FleetEvidence(500.0, 50)
    novel = plain.scores(streams, np.zeros(1), novel=np.ones(1, bool))
    for tick in range(1, 11):
        engine.step(novel, tick=tick, rng=rng)
    assert engine.history(streams[0]) == 10
    engine.step(plain.scores(streams, np.zeros(1)), tick=11, rng=rng)
    assert engine.history(streams[0]) == 1


def test_an_accepted_normal_is_quiet_until_it_has_a_history(plain):
    """A shift that stays is learned, and a later one is found against it."""
    rng = np.random.default_rng(22)
    streams = plain.streams(4)
    engine = taught(plain, streams, rng, threshold=500.0, min_history=200)
    engine.accept(streams[:1])
    shifted = np.array([30.0, 0.0, 0.0, 0.0])
    for tick in range(1, 201):
        values = shifted + rng.standard_normal(4)
        assert not engine.step(plain.scores(streams, values), tick=tick, rng=rng).exceeded.any()
    assert engine.history(streams[0]) == 200
    for tick in range(201, 213):
        result = engine.step(plain.scores(streams, rng.standard_normal(4)), tick=tick, rng=rng)
    assert result.exceeded.tolist() == [True, False, False, False]


def test_forgotten_streams_begin_from_nothing(plain):
    """The old pool is thrown away."""
    rng = np.random.default_rng(16)
    streams = plain.streams(4)
    engine = taught(plain, streams, rng)
    engine.forget(streams[:1])
    assert [engine.history(s) for s in streams] == [0, 200, 200, 200]


def test_streams_unseen_for_long_retire_and_the_table_is_bounded(plain):
    """Slices that vanish are forgotten; beyond the bound new ones are left out, not judged."""
    rng = np.random.default_rng(17)
    streams = plain.streams(20)
    engine = FleetEvidence(500.0, 50, retire_after=100, max_streams=12)
    first = plain.scores(streams[:10], np.zeros(10))
    engine.step(first, tick=1, rng=rng)
    more = plain.scores(streams, np.zeros(20))
    result = engine.step(more, tick=2, rng=rng)
    assert len(engine) == 12
    assert np.isnan(result.p).sum() == 8
    assert not result.exceeded.any()
    result = engine.step(plain.scores(streams[10:], np.zeros(10)), tick=400, rng=rng)
    assert not np.isnan(result.p).any()
    assert set(engine.streams) == set(streams[10:])


def test_scores_that_are_not_finite_are_left_out(plain):
    """One broken score costs its own stream one tick, nothing else."""
    rng = np.random.default_rng(18)
    streams = plain.streams(5)
    engine = taught(plain, streams, rng)
    values = np.zeros(5)
    values[2] = np.nan
    result = engine.step(plain.scores(streams, values), tick=1, rng=rng)
    assert np.isnan(result.p).tolist() == [False, False, True, False, False]
    assert engine.history(streams[2]) == 200
    assert engine.history(streams[1]) == 201


def test_an_empty_tick_is_a_tick(plain):
    """A minute without any window changes nothing but the tick."""
    rng = np.random.default_rng(19)
    engine = taught(plain, plain.streams(5), rng)
    result = engine.step(EMPTY, tick=3, rng=rng)
    assert len(result.evidence) == 0
    assert engine.last_tick == 3


def test_a_stream_twice_in_a_tick_is_refused(plain):
    """It would bet twice on one window."""
    streams = plain.streams(1) * 2
    with pytest.raises(ValueError, match="each stream once"):
        FleetEvidence(100.0, 50).step(
            plain.scores(streams, np.zeros(2)), tick=1, rng=np.random.default_rng(0)
        )


def test_nonsense_settings_are_refused():
    """A threshold of one tick would page always."""
    with pytest.raises(ValueError, match="threshold > 1"):
        FleetEvidence(1.0, 100)


def test_damaged_or_foreign_bytes_are_refused(plain):
    """State is checked before it is believed."""
    from vigil.windows import wire

    engine = taught(plain, plain.streams(3), np.random.default_rng(20))
    blob = engine.to_bytes()
    with pytest.raises(WireError):
        FleetEvidence.from_bytes(blob[:-5])
    with pytest.raises(WireError, match="expected evidence"):
        FleetEvidence.from_bytes(wire.pack({"what": "ruler"}, {}))
    header, arrays = wire.unpack(blob)
    with pytest.raises(FormatVersionError):
        FleetEvidence.from_bytes(wire.pack({**header, "format": 99}, arrays))
    with pytest.raises(WireError):
        FleetEvidence.from_bytes(wire.pack(header, {**arrays, "mean": arrays["mean"][:-1]}))


def test_twenty_thousand_streams_take_well_under_a_second(plain):
    """The whole fleet is a few array operations."""
    import time

    rng = np.random.default_rng(21)
    streams = plain.streams(20_000)
    engine = taught(plain, streams, rng, windows=60)
    batch = plain.scores(streams, rng.standard_normal(20_000))
    engine.step(batch, tick=1, rng=rng)
    start = time.perf_counter()
    engine.step(batch, tick=2, rng=rng)
    assert time.perf_counter() - start < 1.0
