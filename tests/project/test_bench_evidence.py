"""The benchmark of the engine: its traffic has the laws it claims, and a run can be cut off."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from bench.evidence import delay, results, year
from bench.evidence.delay_table import BUSY_CAMERA, required
from bench.evidence.laws import (
    BINS,
    CLASSES,
    Bank,
    Fault,
    _edges,
    masses,
    noise,
    score_of_counts,
    scores,
)
from bench.evidence.options import Options
from bench.evidence.page import write
from bench.evidence.peers import episodes
from bench.evidence.traffic import DAY, EXCHANGEABLE, MILD, ROUGH, SIZES, Block, World
from detectors.frame import Part
from detectors.scores import score
from vigil.types import ModelRef
from vigil.windows.baseline import Baseline
from vigil.windows.ruler import Ruler
from vigil.windows.sample import Sample
from vigil.windows.summary import Layout, Summary

TINY = replace(
    MILD,
    signals=(("brightness", "normal"), ("embedding", "embedding")),
    sites=1,
    cameras=2,
    whole=(240, 240),
    site=(100, 160),
    camera=(20, 200),
)
SHORT = year.Length(days=2, burn_in=1, day=60, draws=10)


@pytest.fixture(scope="module")
def tables(tmp_path_factory) -> Path:
    """A folder that holds the laws of ``TINY`` already."""
    folder = tmp_path_factory.mktemp("laws")
    Bank(TINY, draws=SHORT.draws, cache=folder)
    return folder


@pytest.fixture
def scratch(tables, tmp_path) -> Path:
    return Path(shutil.copytree(tables, tmp_path / "scratch"))


def test_scores_and_noise_are_those_of_the_product():
    """One window of true counts through ``detectors.scores`` and through the benchmark."""
    rng = np.random.default_rng(0)
    counts = rng.multinomial(200, masses("normal", 0.3))
    classes = rng.multinomial(200, CLASSES)
    layout = Layout(keys=(), signals=("brightness",), bins=BINS, classes=10, features=0)

    def summary(table, named, n):
        return Summary(
            layout=layout,
            cells=((),),
            records=np.array([n]),
            counts=np.append(table, 0)[None, None].astype(np.int64),
            moments=np.zeros((1, 1, 2), np.int64),
            classes=np.append(named, 0)[None].astype(np.int64),
            embedded=np.zeros(1, np.int64),
            features=np.zeros((1, 0), np.int64),
        )

    many = 10**12
    baseline = Baseline(
        model=ModelRef(name="m", version="v"),
        dataset="synthetic",
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        ruler=Ruler(
            model=ModelRef(name="m", version="v"),
            layout=layout,
            edges=_edges("normal")[1:-1][None],
            center=np.zeros(1),
            scale=np.ones(1),
            projection=None,
        ),
        reference=summary(np.full(BINS, many // BINS), np.rint(CLASSES * many), many),
        outcomes=None,
        healthy_scores={},
        sample=Sample.empty(("brightness",)),
    )
    seen = score([Part(baseline=baseline, summary=summary(counts, classes, 200))], "m", "p")
    found = {key.signal: (seen.score[i], seen.noise[i]) for i, key in enumerate(seen.streams)}
    n = np.array([200.0])
    for name, kind, table in (
        ("brightness", "normal", counts),
        ("predicted_class", "classes", classes),
    ):
        expected = (score_of_counts(kind, table[None])[0], noise(kind, n)[0])
        assert found[name] == pytest.approx(expected, rel=1e-3, abs=1e-6)


@pytest.mark.parametrize("kind", ["normal", "heavy", "rank", "classes"])
def test_the_table_has_the_law_of_true_counts(kind):
    """Draws of the table against fresh multinomial counts at a shift: mean, spread, tails."""
    traffic = replace(EXCHANGEABLE, signals=(("signal", kind),), whole=(200.0, 200.0), frames=4)
    bank = Bank(traffic, draws=20)
    size = int(np.flatnonzero(SIZES >= 20)[0])
    block = Block(first=0, mu=np.zeros((4000, 1)), size=np.full((4000, 1), size))
    rng = np.random.default_rng(1)
    drawn, stated, records = bank.scores(block, np.array([0]), rng)
    fresh = scores(kind, int(SIZES[size]), 4, np.zeros(4000), rng)
    assert records[0, 0] == 4 * SIZES[size]
    assert stated[0, 0] == noise(kind, records[0].astype(float))[0]
    error = fresh.std() * np.sqrt(2 / 4000)
    assert drawn.mean() == pytest.approx(fresh.mean(), abs=5 * error)
    assert drawn.std() == pytest.approx(fresh.std(), rel=0.15)
    for q in (0.02, 0.25, 0.75, 0.98):
        share = (drawn <= np.quantile(fresh, q)).mean()
        assert share == pytest.approx(q, abs=0.07)


def test_frames_of_one_scene_count_as_one():
    """Design effect: four frames of each scene double the score's deviation, not its noise."""
    rng = np.random.default_rng(2)
    alone = scores("normal", 400, 1, np.zeros(300), rng)
    seen = scores("normal", 100, 4, np.zeros(300), rng)
    assert seen.std() / alone.std() == pytest.approx(2.0, rel=0.25)


@pytest.mark.parametrize("kind", ["normal:mean", "heavy:mean", "normal:scores"])
def test_steady_scores_move_evenly_and_keep_their_spread(kind):
    """A step of mu moves them as much at 0 as at 1, and their spread stays."""
    rng = np.random.default_rng(3)

    def at(kind, mu):
        drawn = scores(kind, 200, 1, np.full(2000, mu), rng)
        return drawn.mean(), drawn.std()

    steps = [at(kind, mu + 0.25)[0] - at(kind, mu)[0] for mu in (0.0, 1.0)]
    assert steps[0] == pytest.approx(0.25, abs=0.02)
    assert steps[1] == pytest.approx(0.25, abs=0.05)
    spreads = [at(kind, mu)[1] for mu in (0.0, 0.5)]
    assert spreads[0] == pytest.approx(noise(kind, np.array([200.0]))[0], rel=0.15)
    assert spreads[1] == pytest.approx(spreads[0], rel=0.15)


def test_faults_move_what_they_say():
    assert masses("classes", 0.0, Fault(name="x", lost=1.0))[2] == 0.0
    half = masses("normal", 0.0, Fault(name="x", shift=1.0), 0.5)
    both = 0.5 * masses("normal", 0.0) + 0.5 * masses("normal", 1.0)
    assert half == pytest.approx(both)
    slower = masses("rank", 0.0, Fault(name="x", slower=0.2))
    assert slower.sum() == pytest.approx(1.0)
    assert slower[-1] > 1 / BINS


def test_weather_has_the_stated_size_and_memory():
    long = replace(ROUGH, season=0.0, wobble=0.0, offset=0.0, reboot_every=np.inf, cameras=20)
    world = World(long, 3)
    mu = np.concatenate([world.next_block().mu[::4] for _ in range(20)])
    assert mu.std() == pytest.approx(1.0, rel=0.2)
    lag = DAY // 2 // 4
    products = (mu[:-lag] * mu[lag:]).mean() / (mu**2).mean()
    assert products == pytest.approx(np.exp(-1.0), abs=0.15)


def test_traffic_has_days_gaps_and_reboots():
    world = World(MILD, 4)
    blocks = [world.next_block() for _ in range(3)]
    size = np.concatenate([SIZES[block.size] for block in blocks]) * MILD.frames
    assert size.max() > 3000
    quiet = (size == 0).mean()
    assert 0.002 < quiet < 0.1
    hourly = size[:, world.level_of == 0].mean(axis=1).reshape(-1, 60).mean(axis=1)
    assert hourly.max() > 3 * hourly.min()


def test_one_seed_always_gives_one_traffic():
    first, again, other = (World(TINY, seed) for seed in (5, 5, 6))
    assert np.array_equal(first.next_block().mu, again.next_block().mu)
    assert not np.array_equal(first.next_block().mu, other.next_block().mu)


def test_a_year_cut_off_goes_on_where_it_was(scratch, tables, tmp_path, monkeypatch):
    monkeypatch.setitem(year.KINDS, "mild", TINY)
    monkeypatch.setattr(year, "SAVE_EVERY", 1)
    *_, (whole, other) = year.play("mild", (7, 8), SHORT, scratch)
    cut = Path(shutil.copytree(tables, tmp_path / "cut"))
    list(year.play("mild", (7, 8), replace(SHORT, days=1), cut))
    saved = [path.name for path in cut.glob("year-*.state")]
    assert len(saved) == 1
    *_, (resumed, _) = year.play("mild", (7, 8), SHORT, cut)
    assert other["seed"] == 8
    del whole["seconds"], resumed["seconds"]
    assert resumed == whole


def test_parts_are_merged_into_one_document(scratch, tmp_path, monkeypatch):
    monkeypatch.setitem(year.KINDS, "mild", TINY)
    path = tmp_path / "evidence.json"
    results.merge(path, "other", {"kept": np.float64(1.5)})
    *_, played = year.play("mild", (1, 2), SHORT, scratch)
    found = {f"mild-{one['seed']}": one for one in played}
    results.merge(path, "year", year.collect(found))
    document = json.loads(path.read_text())
    assert document["other"]["kept"] == 1.5
    entry = document["year"]["weathers"]["mild"]
    assert entry["seeds"] == 2
    assert "year_false_pages" not in entry, "two short days are not extrapolated to a year"
    page = tmp_path / "page.md"
    write(path, page=page)
    assert "| mild | 2 | 2 |" in page.read_text()


def test_a_fault_is_played_after_a_saved_state(scratch, monkeypatch):
    """The delay part on a tiny fleet: a large shift everywhere is looked for and timed."""
    monkeypatch.setitem(delay.KINDS, "mild", replace(TINY, reboot_every=np.inf))
    monkeypatch.setattr(delay, "SPANS", 24)
    effort = delay.Effort(trials=1, wait=25, days=1, after=0, draws=10)
    ready = delay.warm(delay.watched("mild", "brightness"), 1, effort, scratch)
    fault = Fault(name="shift", shift=5.0)
    one = delay.trial(ready, "brightness", fault, "everywhere", 0, effort)
    assert one is not None
    assert set(one) == {"found", "paged", "fixed"}
    assert any(late is not None and late <= 25 for late in one["fixed"])
    again = delay.trial(ready, "brightness", fault, "everywhere", 0, effort)
    assert again == one, "a trial leaves the saved state as it was"


def test_faults_of_the_years_signals_are_looked_for_in_the_years_fleet():
    """Others join it only for their own faults: each stream more takes its share of the budget."""
    assert delay.watched("mild", "brightness") is delay.KINDS["mild"]
    more = delay.watched("mild", "lost_class")
    assert len(more.signals) == len(delay.KINDS["mild"].signals) + len(delay.MORE)


def test_a_target_needs_a_median_in_time_and_counts_its_trials():
    row = {"found_median": 5.0, "trials": 4, "each": [4, 5, 6, None]}
    late = {"found_median": None, "trials": 3, "each": [3, None, None]}
    faults = {"shift 1 sigma": {BUSY_CAMERA: row}, "shift 2 sigma": {BUSY_CAMERA: late}}
    found = required({"mild": {"faults": faults}})
    assert found["shift 1 sigma"]["met"]
    assert found["shift 1 sigma"]["in_time"] == 2
    assert not found["shift 2 sigma"]["met"]
    assert found["shift 2 sigma"]["in_time"] == 1
    assert "shift 5 sigma" not in found


def test_delays_go_on_where_they_stopped(scratch, tmp_path, monkeypatch):
    """Rows of the same engine and seeds are not measured again; the targets get more trials."""
    faults = (("brightness", Fault(name="shift 1 sigma", shift=1.0)),)
    monkeypatch.setattr(delay, "FAULTS", faults)
    monkeypatch.setattr(delay, "windows_until_seen", dict)
    monkeypatch.setattr(delay, "SPANS", 24)
    monkeypatch.setattr(delay, "QUICK", delay.Effort(trials=1, wait=4, days=1, after=0, draws=10))
    monkeypatch.setitem(delay.KINDS, "exchangeable", replace(TINY, reboot_every=np.inf))
    path = tmp_path / "quick.json"
    options = Options(path=path, scratch=scratch, quick=True, weathers=(), seeds=(1,))
    delay.main(options)
    found = json.loads(path.read_text())["delay"]
    row = found["weathers"]["exchangeable"]["faults"]["shift 1 sigma"]
    assert row["everywhere"]["trials"] == 1
    monkeypatch.setattr(delay, "rows", lambda *_: pytest.fail("measured again"))
    delay.main(options)
    assert delay.asked("mild", faults[0][1], BUSY_CAMERA, delay.QUICK) == 4


def test_rolling_means_leave_absent_windows_out():
    z = np.array([[1.0], [np.nan], [3.0], [5.0]])
    assert delay.rolling(z, 2)[:, 0].tolist() == [1.0, 1.0, 3.0, 4.0]
    assert episodes(np.array([[True], [True], [False], [True]])) == 2


def test_quick_year_from_the_command_line(scratch, tmp_path, monkeypatch):
    monkeypatch.setitem(year.KINDS, "mild", TINY)
    monkeypatch.setattr(year, "QUICK", SHORT)
    path = tmp_path / "quick.json"
    options = Options(path=path, scratch=scratch, quick=True, weathers=("mild",), seeds=(1,))
    year.main(options)
    run = json.loads(path.read_text())["year"]["runs"]["mild-1"]
    assert run["days"] == 2
    assert run["allowed"] == pytest.approx(120 / 43_200)
