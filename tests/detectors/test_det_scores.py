"""Scores: what is drift, what is only a change of traffic, and what the baseline has never seen."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.frame import Part
from detectors.scores import EMPTY, ScoreBatch, score
from detectors.streams import StreamKey
from vigil.errors import RulerMismatchError
from vigil.measuring.summarise import summarise
from vigil.types import WHOLE, Slice
from vigil.windows.summary import Outcomes, Summary

CAMERA = Slice((("camera", "c04"),))


def value(batch: ScoreBatch, signal: str, piece: Slice = WHOLE) -> float:
    row = batch.streams.index(StreamKey("digits", "production", piece, signal))
    return float(batch.score[row] / batch.noise[row])


def test_stream_ids_survive_any_metadata():
    """Values with the separators of slices in them come back as they were."""
    stream = StreamKey("m", "p", Slice((("camera", 'a=b & c"d'), ("site", "é"))), "noise")
    assert StreamKey.parse(stream.id) == stream
    assert (stream.keys, stream.level) == (("camera", "site"), 2)


@pytest.mark.parametrize("text", ["", "[]", '["m","p",[["a"]],"s"]', '[1,"p",[],"s"]', "{}"])
def test_foreign_stream_ids_are_refused(text):
    """Anything else raises a ValueError that says what was found."""
    with pytest.raises(ValueError, match="stream id"):
        StreamKey.parse(text)


def test_healthy_scores_are_about_standard(fleet, baseline):
    """Over 200 healthy windows each whole-model score has a mean near 0 and spread near 1."""
    batches = [fleet.scores(baseline, per_camera=20) for _ in range(200)]
    for signal in ("brightness", "sharpness", "confidence", "entropy", "embedding_distance",
                   "predicted_class", "embedding"):  # fmt: skip
        z = np.array([value(batch, signal) for batch in batches])
        assert abs(z.mean()) < 0.5, signal
        assert 0.5 < z.std() < 1.5, signal


def test_every_slice_and_signal_is_a_stream(fleet, baseline):
    """12 cameras on 4 sites: the whole, 4 sites and 12 cameras; leaf cells equal the cameras."""
    batch = fleet.scores(baseline)
    assert {len(stream.slice.pairs) for stream in batch.streams} == {0, 1}
    assert len({stream.slice for stream in batch.streams}) == 17
    assert {stream.signal for stream in batch.streams} >= {"latency_s", "embedding", "confidence"}
    assert not batch.novel.any()
    assert np.isfinite(batch.score).all()
    assert (batch.noise > 0).all()


def test_windows_of_one_layout_share_their_streams(fleet, baseline):
    """The engine finds its rows by identity."""
    summary = fleet.summary(baseline)
    first = score([Part(baseline=baseline, summary=summary)], "digits", "production")
    second = score([Part(baseline=baseline, summary=summary)], "digits", "production")
    assert first.streams is second.streams


def test_a_change_of_traffic_is_not_drift(fleet, baseline):
    """One camera sends ten times as much: the mixture changes, no score does."""
    parts = [fleet.summary(baseline)]
    parts += [fleet.summary(baseline, cameras=[("s1", "c04")]) for _ in range(9)]
    total = Summary.total(parts)
    batch = score([Part(baseline=baseline, summary=total)], "digits", "production")
    assert np.abs(batch.score / batch.noise).max() < 6
    pooled = total.counts.sum(axis=0)[0, :-1] / total.records.sum()
    usual = baseline.reference.counts.sum(axis=0)[0, :-1] / baseline.records
    against_mixture = np.abs(pooled.cumsum() - usual.cumsum()).max()
    assert against_mixture > 2 * abs(batch.score[batch.streams.index(
        StreamKey("digits", "production", WHOLE, "brightness"))])  # fmt: skip


def test_the_sign_of_ks_is_that_of_the_change(fleet, baseline):
    """Blur lowers sharpness; overconfidence raises confidence."""
    blurred = fleet.scores(baseline, blurred=("s1", "c04"))
    assert (
        blurred.score[blurred.streams.index(StreamKey("digits", "production", CAMERA, "sharpness"))]
        < -0.9
    )
    assert value(fleet.scores(baseline, temper=3.0), "confidence") > 5
    assert value(fleet.scores(baseline, temper=0.3), "confidence") < -5


def test_only_the_slices_with_the_fault_move(fleet, baseline):
    """One blurred camera: its own slice stands out, its neighbours do not."""
    batch = fleet.scores(baseline, per_camera=40, blurred=("s1", "c04"))
    assert value(batch, "sharpness", CAMERA) < -3
    assert abs(value(batch, "sharpness", Slice((("camera", "c05"),)))) < 3
    assert abs(value(batch, "brightness", CAMERA)) < 3


def test_known_slices_leave_novel_cells_out(fleet, baseline):
    """A new site does not disturb the whole; its own slices are novel."""
    batch = fleet.scores(baseline, per_camera=30, cameras=fleet.with_new_site, unfamiliar=2.0)
    novel = {str(s.slice) for s, flag in zip(batch.streams, batch.novel, strict=True) if flag}
    assert novel == {"site=s9", "camera=n0", "camera=n1", "camera=n2"}
    assert abs(value(batch, "embedding")) < 5
    assert abs(value(batch, "confidence")) < 4
    assert value(batch, "embedding_distance", Slice((("site", "s9"),))) > 10
    known = ~batch.novel
    sharp = [s.signal == "sharpness" for s in batch.streams]
    assert not np.array_equal(batch.open_score[known & sharp], batch.score[known & sharp])
    np.testing.assert_array_equal(batch.open_score[~known], batch.score[~known])


def test_versions_are_judged_each_on_its_own_baseline(fleet, baseline):
    """v2 is calibrated differently, but like its own baseline: nothing drifts, alone or mixed."""
    from detectors.fit import fit_baseline
    from vigil.types import ModelRef

    other = fit_baseline(
        model=ModelRef(name="digits", version="v2"),
        batches=((fleet.batch(60, temper=0.4, version="v2"), None) for _ in range(12)),
        keys=("site", "camera"),
        dataset="synthetic",
        created_at=baseline.created_at,
    )
    assert other.ruler.id != baseline.ruler.id
    both = [
        fleet.part(baseline, 40),
        fleet.part(other, 40, temper=0.4),
    ]
    batch = score(both, "digits", "production")
    for signal in ("confidence", "entropy", "embedding", "predicted_class", "brightness"):
        assert abs(value(batch, signal)) < 4.5, signal
    wrong = score([fleet.part(baseline, 40, temper=0.4)], "digits", "production")
    assert value(wrong, "confidence") < -8


def test_labels_give_accuracy_and_calibration(fleet, baseline):
    """Wrong labels lower accuracy; healthy ones do not."""
    batch = fleet.batch(60)
    summary, _, _ = summarise(batch, baseline.ruler)

    def scored(error: float) -> ScoreBatch:
        part = Part(baseline=baseline, summary=summary, outcomes=fleet.outcomes(batch, error))
        return score([part], "digits", "production")

    assert abs(value(scored(0.0), "accuracy")) < 4
    assert abs(value(scored(0.0), "calibration")) < 5
    assert value(scored(0.4), "accuracy") < -5
    assert value(scored(0.4), "calibration") > 5


def test_labels_of_cells_without_traffic_are_judged_too(fleet, baseline):
    """Labels come late: their cells need not be in this window."""
    summary = fleet.summary(baseline, cameras=[("s0", "c00")])
    late = Outcomes.of(
        ("site", "camera"), [("s2", "c07")] * 50, np.full(50, 0.9), np.zeros(50, bool)
    )
    part = Part(baseline=baseline, summary=summary, outcomes=late)
    batch = score([part], "digits", "production")
    assert value(batch, "accuracy", Slice((("camera", "c07"),))) < -3


def test_a_signal_that_the_baseline_never_saw_is_scored_by_its_rank(fleet):
    """No latency in the training data: its mean rank is still a stream."""
    from dataclasses import replace

    from detectors.fit import fit_baseline
    from vigil.catalogue import SCALAR_NAMES
    from vigil.types import ModelRef

    def without_latency():
        for _ in range(5):
            batch = fleet.batch(40)
            signals = batch.signals.copy()
            signals[:, SCALAR_NAMES.index("latency_s")] = np.nan
            yield replace(batch, signals=signals), None

    bare = fit_baseline(
        model=ModelRef(name="digits", version="v1"),
        batches=without_latency(),
        keys=(),
        dataset="synthetic",
        created_at=fleet.start,
    )
    assert "latency_s" not in bare.healthy_scores
    part = Part(baseline=bare, summary=summarise(fleet.batch(), bare.ruler)[0])
    slow = Part(baseline=bare, summary=summarise(fleet.batch(latency_s=0.5), bare.ruler)[0])
    row = StreamKey("digits", "production", WHOLE, "latency_s")
    usual, late = (score([p], "digits", "production") for p in (part, slow))
    assert late.score[late.streams.index(row)] > usual.score[usual.streams.index(row)] + 0.3


def test_a_heartbeat_has_no_scores(baseline):
    """An empty window is no evidence of anything."""
    empty = Part(baseline=baseline, summary=Summary.empty(baseline.ruler.layout))
    assert len(score([empty], "digits", "production")) == 0


def test_missing_values_have_no_score(fleet, baseline):
    """A signal that is all NaN has no stream; the others stay."""
    from dataclasses import replace

    batch = fleet.batch()
    signals = batch.signals.copy()
    signals[:, 0] = np.nan
    summary, _, _ = summarise(replace(batch, signals=signals), baseline.ruler)
    found = score([Part(baseline=baseline, summary=summary)], "digits", "production")
    assert "brightness" not in {stream.signal for stream in found.streams}
    assert "contrast" in {stream.signal for stream in found.streams}


def test_no_parts_and_foreign_layouts_are_refused(baseline, fleet):
    """A summary of another ruler can't be judged."""
    with pytest.raises(RulerMismatchError):
        score([], "digits", "production")
    with pytest.raises(RulerMismatchError, match="not of its baseline"):
        score([Part(baseline=baseline, summary=baseline.reference.collapse())], "m", "p")


def test_scores_of_models_join(fleet, baseline):
    """One fleet tick holds all models; none at all is an empty tick."""
    batch = fleet.scores(baseline)
    other = score([fleet.part(baseline)], "other", "production")
    joined = ScoreBatch.join([batch, other])
    assert len(joined) == len(batch) + len(other)
    assert {stream.model for stream in joined.streams} == {"digits", "other"}
    assert ScoreBatch.join([]) is EMPTY
