"""The drift track: what a tolerance allows never alarms; slow drift beyond it is found."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from detectors.evidence.band import COLUMNS, BandBatch, BandEvidence, band
from detectors.evidence.block_design import design_effect
from vigil.errors import ConflictError, ShapeError, WireError

CUTS = np.arange(1, COLUMNS + 1) / (COLUMNS + 1)


def batch(streams, records, counts, *, expected=None, size=10_000.0, tolerance=0.0, **more):
    n = len(streams)
    return BandBatch(
        streams=streams,
        records=np.broadcast_to(np.asarray(records, float), (n,)),
        counts=np.asarray(counts, float),
        expected=np.broadcast_to(CUTS if expected is None else expected, (n, COLUMNS)),
        reference_records=np.full(n, size),
        tolerance=np.full(n, tolerance),
        classes=more.get("classes", np.zeros(n, bool)),
        deff=np.broadcast_to(np.asarray(more.get("deff", 1.0), float), (n,)),
    )


def below(rng, n, share):
    """How many of n records lie below each cut, (streams, 15), the distribution function given."""
    cells = np.diff(np.concatenate([[0.0], np.sort(share), [1.0]]))
    return rng.multinomial(n, cells, size=1).cumsum(axis=1)[:, :COLUMNS]


def test_the_band_holds_at_least_as_often_as_stated():
    """Cuts at quantiles of the same baseline: all 15 shares inside, in 99 % and more."""
    rng = np.random.default_rng(1)
    n, runs, held = 400, 400, 0
    for _ in range(runs):
        sample = np.sort(rng.random(n))
        at = (CUTS * n).astype(int)
        low, high = band((at / n)[None], np.array([float(n)]), np.zeros(1))
        truth = sample[at - 1]
        held += bool(((low[0] <= truth) & (truth <= high[0])).all())
    assert held >= binom.ppf(1e-4, runs, 0.99)


def test_false_crossings_stay_within_the_budget(plain):
    """200 streams, 100 steps, one crossing in 20 steps allowed: 5 at most; a baseline of 10 000."""
    rng = np.random.default_rng(2)
    streams = plain.streams(200)
    track = BandEvidence(20.0)
    reference = np.stack([below(rng, 10_000, CUTS)[0] / 10_000 for _ in streams])
    crossings = 0
    for step in range(100):
        counts = np.concatenate([below(rng, 500, CUTS) for _ in streams])
        found = track.step(batch(streams, 500, counts, expected=reference), step=step)
        loud = [s for s, e in zip(streams, found.exceeded, strict=True) if e]
        crossings += len(loud)
        track.reset(loud)
    assert crossings <= 5 + 2 * np.sqrt(5)


@pytest.mark.parametrize("records", [1000, 1_000_000_000])
def test_drift_within_the_tolerance_never_alarms_however_large_the_traffic(plain, records):
    """The distribution wanders by up to 0.15, fast and slowly, to the edge of the tolerance."""
    rng = np.random.default_rng(3)
    streams = plain.streams(1)
    track = BandEvidence(50.0)
    highest = 0.0
    for step in range(1000):
        moved = CUTS + 0.15 * np.sin(step / 30) * np.minimum(1, 4 * CUTS * (1 - CUTS))
        counts = below(rng, records, np.clip(moved, 0.0, 1.0))
        found = track.step(batch(streams, records, counts, tolerance=0.15), step=step)
        highest = max(highest, float(found.evidence[0]))
    assert highest < 50.0


def test_slow_drift_beyond_the_tolerance_is_found_soon_after_it_left(plain):
    """0.02 of KS distance a day, tolerance 0.1: the band is left on the fifth day."""
    rng = np.random.default_rng(4)
    streams = plain.streams(1)
    delays = []
    for _ in range(6):
        track = BandEvidence(720.0)
        for step in range(24 * 30):
            gap = 0.02 * step / 24
            moved = np.clip(CUTS - gap * np.minimum(1, 4 * CUTS * (1 - CUTS)), 0, 1)
            counts = below(rng, 600, moved)
            if track.step(batch(streams, 600, counts, tolerance=0.1), step=step).exceeded[0]:
                break
        delays.append(step / 24)
    assert 5.0 < np.median(delays) < 8.5
    assert max(delays) < 10.0


def test_a_class_that_grows_beyond_the_tolerance_is_named(plain):
    rng = np.random.default_rng(5)
    streams = plain.streams(1)
    share = np.full(COLUMNS, np.nan)
    share[:4] = (0.4, 0.3, 0.2, 0.1)
    track = BandEvidence(720.0)
    for step in range(50):
        counts = np.zeros((1, COLUMNS))
        counts[0, :4] = rng.multinomial(500, (0.4, 0.3, 0.05, 0.25))
        one = batch(streams, 500, counts, expected=share, tolerance=0.1, classes=np.ones(1, bool))
        found = track.step(one, step=step)
        if found.exceeded[0]:
            break
    assert found.exceeded[0]
    assert (int(found.column[0]), bool(found.above[0])) in {(3, True), (2, False)}
    effect = track.recent(streams, [0.1])[0]
    assert effect.unit == "total variation"
    assert effect.low < 0.15 < effect.high


def clustered(rng, blocks, size, cluster):
    """Counts below the cuts of blocks of records that come in identical clusters."""
    return cluster * np.stack([below(rng, size // cluster, CUTS)[0] for _ in range(blocks)])


def test_the_design_effect_of_identical_frames_is_their_number():
    rng = np.random.default_rng(6)
    counts = clustered(rng, 400, 1000, 10)[:, None, :]
    expected = np.broadcast_to(CUTS, counts.shape)
    found = design_effect(counts, expected, np.full(counts.shape[:2], 1000.0))
    assert 8.0 < found[0] < 12.0


def test_slow_wander_does_not_inflate_the_design_effect():
    rng = np.random.default_rng(7)
    shares = CUTS + 0.1 * np.sin(np.arange(300) / 60)[:, None] * 4 * CUTS * (1 - CUTS)
    counts = np.stack([below(rng, 1000, share)[0] for share in shares])[:, None, :]
    found = design_effect(counts, np.broadcast_to(CUTS, counts.shape), np.full((300, 1), 1000.0))
    assert found[0] < 1.3


def test_tempering_keeps_correlated_frames_within_the_budget(plain):
    """Frames come ten at a time; without the design effect they cross, with it they don't."""
    streams = plain.streams(20)
    crossings = {}
    for tempered in (False, True):
        rng = np.random.default_rng(8)
        track, number = BandEvidence(50.0), 0
        for step in range(100):
            blocks = np.stack([clustered(rng, 6, 300, 10) for _ in streams], axis=1)
            deff = 1.0
            if tempered:
                expected = np.broadcast_to(CUTS, blocks.shape)
                deff = design_effect(blocks, expected, np.full(blocks.shape[:2], 300.0))
            one = batch(streams, 1800, blocks.sum(axis=0), deff=deff, size=1e9)
            found = track.step(one, step=step)
            loud = [s for s, e in zip(streams, found.exceeded, strict=True) if e]
            number += len(loud)
            track.reset(loud)
        crossings[tempered] = number
    assert crossings[False] > 10
    assert crossings[True] <= 2 + 2 * np.sqrt(2)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 3))
def test_saving_and_restoring_changes_nothing(seed, at):
    from detectors.streams import StreamKey
    from vigil.types import WHOLE, Slice

    rng = np.random.default_rng(seed)
    streams = (
        StreamKey("m", "p", WHOLE, "brightness"),
        StreamKey("m", "p", Slice((("camera", "a"),)), "brightness"),
    )
    batches = [
        batch(streams, 100, np.concatenate([below(rng, 100, CUTS) for _ in streams]))
        for _ in range(4)
    ]
    one, other = BandEvidence(30.0), BandEvidence(30.0)
    for step, each in enumerate(batches):
        expected = one.step(each, step=step)
        if step == at:
            other = BandEvidence.from_bytes(other.to_bytes())
        found = other.step(each, step=step)
        assert np.array_equal(found.evidence, expected.evidence)
    assert one.to_bytes() == other.to_bytes()


def test_evidence_grows_with_the_share_beyond_the_band(plain):
    streams = plain.streams(1)
    found = []
    for gap in (0.0, 0.05, 0.1, 0.2):
        track = BandEvidence(1000.0)
        for step in range(2):
            counts = np.rint(50 * np.clip(CUTS + gap, 0, 1))[None]
            evidence = track.step(batch(streams, 50, counts), step=step).evidence[0]
        found.append(evidence)
    assert found == sorted(found)


def test_streams_without_records_or_reference_are_left_alone(plain):
    streams = plain.streams(2)
    track = BandEvidence(100.0)
    for step in range(3):
        one = batch(streams, [0.0, 10.0], np.full((2, COLUMNS), 5.0))
        found = track.step(one, step=step)
    assert found.evidence[0] == 0.0
    assert found.learning[0]
    assert not found.learning[1]


def test_errors_say_what_was_expected(plain):
    streams = plain.streams(1)
    track = BandEvidence(100.0)
    one = batch(streams, 10, np.zeros((1, COLUMNS)))
    track.step(one, step=3)
    with pytest.raises(ConflictError, match="step 3 is not after 3"):
        track.step(one, step=3)
    with pytest.raises(ShapeError, match=r"band\.counts"):
        batch(streams, 10, np.zeros((1, 3)))
    with pytest.raises(WireError):
        BandEvidence.from_bytes(b"nothing")
    with pytest.raises(ValueError, match="threshold > 1"):
        BandEvidence(0.5)
