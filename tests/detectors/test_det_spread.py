"""The spread of a scalar: exact about its own noise, deaf to the mean and to the mix."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from detectors.effects import effects, tolerance_of
from detectors.exemplars import exemplars
from detectors.frame import Part
from detectors.ranks import ranks_of
from detectors.scores import ScoreBatch, score
from detectors.streams import StreamKey
from vigil.catalogue import CATALOGUE, SPREADS, base_of, signal_of, spread_of
from vigil.measuring.batch import RecordBatch
from vigil.measuring.summarise import summarise
from vigil.types import WHOLE, SignalForm, SignalKind, Slice

CAMERA = Slice((("camera", "c04"),))
BRIGHTNESS, SD = 0, 0.05


def judged(fleet, baseline, batch: RecordBatch) -> ScoreBatch:
    part = Part(baseline=baseline, summary=summarise(batch, baseline.ruler)[0])
    return score([part], "digits", "production")


def at(scores: ScoreBatch, signal: str, piece: Slice) -> tuple[float, float]:
    row = scores.streams.index(StreamKey("digits", "production", piece, signal))
    return float(scores.score[row]), float(scores.noise[row])


def moved(fleet, batch: RecordBatch, *, by: float = 0.0, wider: float = 1.0) -> RecordBatch:
    """The same records, their brightness shifted and stretched about each camera's own look."""
    look = np.array([fleet.looks[m["site"], m["camera"]][0] for m in batch.metadata])
    batch.signals[:, BRIGHTNESS] = look + wider * (batch.signals[:, BRIGHTNESS] - look) + by * SD
    return batch


@pytest.mark.parametrize(("per_camera", "piece"), [(3, WHOLE), (20, WHOLE), (60, CAMERA)])
def test_healthy_spreads_have_mean_zero_and_the_noise_they_state(
    fleet, baseline, per_camera, piece
):
    """Whole traffic of thin and of busy cells, and one busy camera: 200 windows each."""
    windows = [fleet.scores(baseline, per_camera=per_camera) for _ in range(200)]
    for name in ("brightness", "sharpness", "confidence", "noise"):
        pairs = [at(window, spread_of(name), piece) for window in windows]
        z = np.array([value / noise for value, noise in pairs])
        assert abs(z.mean()) < 0.6, name  # the baseline has 700 records of a camera
        assert z.std() == pytest.approx(1.0, abs=0.25), name


@pytest.mark.parametrize("piece", [WHOLE, CAMERA])
@pytest.mark.parametrize("by", [-0.25, 0.25])
def test_a_mean_shift_of_a_quarter_sigma_moves_it_by_less_than_its_noise(
    fleet, baseline, piece, by
):
    """At 200 records, while the place moves by many times its own."""
    per = 200 if piece == CAMERA else 17
    gaps, places = [], []
    for _ in range(25):
        batch = fleet.batch(per)
        before = judged(fleet, baseline, batch)
        after = judged(fleet, baseline, moved(fleet, batch, by=by))
        old, noise = at(before, "brightness_spread", piece)
        gaps.append((at(after, "brightness_spread", piece)[0] - old) / noise)
        old, noise = at(before, "brightness", piece)
        places.append(abs(at(after, "brightness", piece)[0] - old) / noise)
    assert abs(np.mean(gaps)) < 0.5
    assert np.max(np.abs(gaps)) < 1.0
    assert np.mean(places) > 2.5


@pytest.mark.parametrize("piece", [WHOLE, CAMERA])
@pytest.mark.parametrize(("wider", "sign"), [(1.5, 1), (0.6, -1)])
def test_more_and_less_spread_show_though_the_mean_rank_does_not_move(
    fleet, baseline, piece, wider, sign
):
    per = 200 if piece == CAMERA else 17
    batch = moved(fleet, fleet.batch(per), wider=wider)
    found = judged(fleet, baseline, batch)
    value, noise = at(found, "brightness_spread", piece)
    place, place_noise = at(found, "brightness", piece)
    assert sign * value / noise > 3.5
    assert abs(place / place_noise) < 4


def test_a_change_of_the_mix_is_no_spread(fleet, baseline):
    """The cameras have looks of their own: all traffic from the darkest and the brightest of them
    has another distribution, and no cell has."""
    looks = sorted(fleet.cameras, key=lambda camera: fleet.looks[camera][0])
    ends = [looks[0], looks[-1]]
    z = []
    for _ in range(40):
        found = fleet.scores(baseline, per_camera=100, cameras=ends)
        value, noise = at(found, "brightness_spread", WHOLE)
        z.append(value / noise)
    assert abs(np.mean(z)) < 1.0


def test_cells_that_part_are_no_spread_of_their_records(fleet, baseline):
    """Every second camera half a sigma brighter, the others half a sigma darker."""
    batch = fleet.batch(60)
    even = np.array([int(m["camera"][1:]) % 2 for m in batch.metadata])
    batch.signals[:, BRIGHTNESS] += np.where(even, 0.5 * SD, -0.5 * SD)
    value, noise = at(judged(fleet, baseline, batch), "brightness_spread", WHOLE)
    assert abs(value / noise) < 4


def test_what_the_baseline_does_not_know_has_no_spread(fleet, baseline):
    """A new site is judged by its novelty; latency that no baseline has, by its rank."""
    batch = fleet.scores(baseline, cameras=fleet.with_new_site)
    new = [stream for stream in batch.streams if stream.slice == Slice((("site", "s9"),))]
    assert new
    assert not [stream for stream in new if stream.signal in SPREADS]
    assert "latency_s" in {stream.signal for stream in batch.streams}
    assert bool(baseline.reference.counts[:, -1, :-1].sum()) == (
        "latency_s_spread" in {stream.signal for stream in batch.streams}
    )


def test_a_baseline_seeds_its_spreads_with_pseudo_windows(baseline):
    seeds = baseline.healthy_scores["brightness_spread"]
    assert len(seeds) == 400
    assert np.std(seeds) == pytest.approx(1.0, abs=0.2)


def test_constant_values_have_no_spread_and_a_finite_noise(fleet, baseline):
    """Saturation is 0 everywhere in this fleet."""
    value, noise = at(fleet.scores(baseline), "saturation_spread", WHOLE)
    assert value == 0.0
    assert 0 < noise < 1


def test_ranks_of_equal_bins_are_those_of_the_normal_law():
    """64 equal bins of an endless baseline: normal scores of the bins' middles."""
    pmf = np.full((1, 1, 64), 1 / 64)
    ranks = ranks_of(pmf, pmf.cumsum(axis=2), np.full((1, 1), 1e9))
    middles = (np.arange(64) + 0.5) / 64
    assert ranks.normal[0, 0] == pytest.approx(norm.ppf(middles), abs=1e-9)
    assert ranks.rank[0, 0] == pytest.approx(2 * middles - 1)
    assert ranks.variance[0, 0] == pytest.approx(0.97, abs=0.02)


def test_bins_beyond_a_thin_baseline_keep_finite_scores():
    """Ten values in one bin of 64: what lies outside counts as half a value away."""
    pmf = np.zeros((1, 1, 64))
    pmf[0, 0, 30] = 1.0
    ranks = ranks_of(pmf, pmf.cumsum(axis=2), np.full((1, 1), 10.0))
    assert np.isfinite(ranks.normal).all()
    assert ranks.normal[0, 0, -1] == pytest.approx(norm.ppf(1 - 0.5 / 11))
    assert ranks.variance[0, 0] == 0.0


def test_the_effect_of_a_spread_is_its_scalars_with_its_tolerance(fleet, baseline):
    part = fleet.part(baseline, blurred=("s1", "c04"))
    streams = [StreamKey("digits", "production", CAMERA, name) for name in ("sharpness",
               "sharpness_spread")]  # fmt: skip
    found = effects([part], streams, tolerances={"sharpness": 0.3})
    assert found[streams[0]] == found[streams[1]]
    assert found[streams[1]].tolerance == 0.3
    assert tolerance_of("brightness_spread") == CATALOGUE["brightness"].tolerance


def test_every_scalar_has_a_spread_of_its_kind_and_no_other_signal_has():
    for name, signal in CATALOGUE.items():
        if signal.form is SignalForm.SCALAR:
            spread = signal_of(spread_of(name))
            assert spread is not None
            assert (spread.kind, spread.tolerance) == (signal.kind, signal.tolerance)
            assert base_of(spread_of(name)) == name
        else:
            assert signal_of(spread_of(name)) is None
        assert base_of(name) == name
    assert signal_of("nonsense") is None
    assert CATALOGUE["brightness"].kind is SignalKind.IMAGE


def test_records_that_show_a_spread_come_from_both_tails(fleet, baseline):
    """Though the mean has moved too."""
    sample = baseline.sample.take(list(range(min(400, len(baseline.sample)))))
    column = sample.signal_names.index("brightness")
    wide = sample.signals.copy()
    wide[:, column] += 0.02 + 2.0 * (wide[:, column] - np.median(wide[:, column]))
    changed = replace(sample, signals=wide)
    picked = exemplars(changed, baseline.sample, "brightness_spread", most=20)
    values = np.array([one.value for one in picked])
    middle = float(np.median(baseline.sample.signals[:, column]))
    assert (values > middle).any()
    assert (values < middle).any()


@pytest.mark.parametrize("piece", [WHOLE, CAMERA])
def test_far_from_the_baseline_there_is_no_spread_and_no_stream(fleet, baseline, piece):
    """Three sigma away nearly all values lie in the last bin; one sigma away they do not."""
    per = 200 if piece == CAMERA else 17
    stream = StreamKey("digits", "production", piece, "brightness_spread")
    near = judged(fleet, baseline, moved(fleet, fleet.batch(per), by=1.0))
    far = judged(fleet, baseline, moved(fleet, fleet.batch(per), by=3.0))
    assert stream in near.streams
    assert stream not in far.streams
    assert StreamKey("digits", "production", piece, "brightness") in far.streams
