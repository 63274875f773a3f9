"""Simulated fleets through the self-audit: quiet ones are quiet, leaks and faults are named."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import audit_fleet as sim
import pytest
from scipy import stats

from monitor.audit.replay import PATIENCE, AuditRun, EngineSettings, replay
from monitor.audit.report import AuditReport, Judgement, poisson_interval, report, verdict
from monitor.audit.words import closest, figures, verdict_line
from vigil.types import Outcome

NOW = datetime(2026, 4, 1, tzinfo=UTC)
FAULT = (5, 8 * sim.PER_DAY, 30, 4.0)


def settings(seed: int = 0) -> EngineSettings:
    return EngineSettings(threshold=sim.THRESHOLD, min_history=200, seed=seed)


def told(run: AuditRun) -> AuditReport:
    return report(run, window_s=sim.WINDOW_S, made_at=NOW)


@lru_cache(maxsize=8)
def ran(**kind: Any) -> AuditRun:
    return replay(sim.fleet(**kind), settings())


def test_a_healthy_fleet_is_within_its_budget() -> None:
    """No page, no stratum, independent normal scores, and the verdict says how long it looked."""
    found = told(ran())
    assert (found.judgement, found.pages, found.alarms) == (Judgement.WITHIN, 0, 0)
    assert found.budget_pages == pytest.approx(6 / 30)
    assert (found.ticks, found.learnt_ticks, found.streams) == (
        6 * sim.PER_DAY,
        5 * sim.PER_DAY,
        12,
    )
    assert verdict(found) == (
        "0 pages in 6.0 days over 12 streams; the budget allows 0.20. The fleet is quiet enough."
    )
    assert verdict_line(found).endswith(" Up to 15 times the budget would fit what was seen.")
    assert found.run_length_days is None
    assert found.rate_high == pytest.approx(-math.log(0.05) / (6 / 30))
    assert found.score_mean == pytest.approx(0.0, abs=0.05)
    assert found.score_sd == pytest.approx(1.0, abs=0.05)
    assert [line.leaking for line in found.kinds] == [0, 0, 0]
    assert found.peaks[0].share < 1.0
    assert closest(found).startswith("Closest to paging: ")


def test_the_sharper_look_keeps_to_its_own_budget() -> None:
    """At a smaller threshold not many more alarms come than are allowed, and a fault is among
    them."""
    runs = [replay(sim.fleet(seed=seed, days=9), settings(seed)) for seed in (1, 2, 3)]
    alarms = sum(run.sharp_alarms for run in runs)
    allowed = sum(run.ticks / run.sharp_threshold for run in runs)
    assert allowed > 15
    assert alarms <= stats.poisson.ppf(0.999, allowed)
    assert ran(fault=FAULT).sharp_alarms > ran().sharp_alarms


def test_a_rush_hour_that_was_never_learnt_is_named() -> None:
    """The stream and the hour that lean are found, and nothing else is."""
    found = told(ran(rush=(3, 13, 2.0)))
    assert {(one.kind, one.stream.signal, one.stream.slice) for one in found.leaks} == {
        ("hour of day", "latency_s", "camera=c0")
    }
    (leak,) = found.leaks
    assert leak.stratum == "13:00 to 14:00"
    assert leak.effect > 0.5
    assert leak.p < 0.01
    assert "by hour of day" in verdict_line(found)
    assert [(one.slice, one.leaking, one.streams) for one in found.slices] == [("camera=c0", 1, 4)]


def test_windows_that_depend_on_one_another_are_measured_and_break_the_budget() -> None:
    """AR(1) of 0.9 between windows: lag 1 and the inflation of block means show it."""
    run = ran(carry=0.9, seed=4)
    found = told(run)
    memory = {one.name: one for one in found.memory}
    raw = memory["autocorrelation at lag 1"].median
    if found.judgement is Judgement.BEYOND:  # an engine that takes nothing out
        assert raw == pytest.approx(0.9, abs=0.1)
        assert memory["inflation of means of 30 windows"].median > 5
        assert found.p < 0.05
        assert "That is beyond the budget" in verdict_line(found)
        assert "depend on one another" in verdict_line(found)
    else:
        assert found.pages <= stats.poisson.ppf(0.999, found.budget_pages)
    assert raw > 0.05


def test_a_fault_pages_once_and_is_named() -> None:
    """Thirty windows off by four standard deviations: one page, its stream, soon after onset; one
    page is no breach where a fifth is allowed."""
    found = told(ran(fault=FAULT))
    (page,) = found.page_lines
    assert (page.stream.signal, page.stream.slice, page.streams) == ("sharpness", "camera=c1", 1)
    assert page.windows_since_onset <= 10
    assert found.judgement is Judgement.WITHIN
    assert found.run_length_days == pytest.approx(6.0)
    assert found.peaks[0].stream == page.stream
    assert "no breach is shown" in verdict(found)


def test_what_the_product_would_not_page_is_no_page() -> None:
    """An alarm within the tolerance, or one that is never sure, is counted as such."""
    small = replay(
        sim.fleet(fault=FAULT),
        settings(),
        judge=lambda loud, tick, between: {one.stream: Outcome.HEALTHY for one in loud},
    )
    assert small.pages == ()
    assert small.within_tolerance == small.alarms > 0
    unsure = replay(sim.fleet(fault=FAULT), settings(), judge=lambda loud, tick, between: {})
    assert (unsure.pages, unsure.within_tolerance) == ((), 0)
    assert unsure.unsure == unsure.alarms > 0


def test_streams_that_follow_soon_join_the_page() -> None:
    """Two streams of one model that drift together are one page; far apart they are two."""

    def both(gap: int) -> AuditRun:
        first = list(sim.fleet(fault=FAULT))
        second = sim.fleet(fault=(7, FAULT[1] + gap, 30, 4.0))
        for one, other in zip(first, second, strict=True):
            one.batch.score[7] = other.batch.score[7]
        return replay(first, settings())

    together = both(2)
    assert [len(page.streams) for page in together.pages] == [2]
    apart = both(PATIENCE + 60)
    assert [page.lead.signal for page in apart.pages] == ["sharpness", "latency_s"]


def test_the_same_seed_gives_the_same_report() -> None:
    """An audit can be repeated."""
    one, other = (told(replay(sim.fleet(days=7), settings(3))).as_dict() for _ in range(2))
    assert one == other


def test_the_report_is_json() -> None:
    """Plain values under stable names."""
    found = json.loads(json.dumps(told(ran(fault=FAULT)).as_dict()))
    assert found["format"] == 1
    assert found["judgement"] == "within"
    assert found["page_lines"][0]["stream"]["slice"] == "camera=c1"
    assert datetime.fromisoformat(found["first"]).tzinfo is not None
    assert {"pages", "budget_pages", "rate", "p", "kinds", "memory", "peaks", "verdict"} <= set(
        found
    )


def test_figures_are_said_in_full() -> None:
    """Each figure has its name, and none is empty."""
    lines = dict(figures(told(ran())))
    assert "longer than 6.0 days" in lines["run length"]
    assert all(lines.values())


def test_the_interval_of_a_count_is_exact() -> None:
    """Garwood: the tails at its ends hold 2.5 %; 5 % above where nothing was counted."""
    low, high = poisson_interval(4)
    assert stats.poisson.sf(3, low) == pytest.approx(0.025)
    assert stats.poisson.cdf(4, high) == pytest.approx(0.025)
    assert poisson_interval(0) == (0.0, pytest.approx(2.9957, abs=1e-3))
