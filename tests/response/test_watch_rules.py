"""What vigil finds wrong with itself, by plain values."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from alerts.types import AlertKind
from monitor.watch.trouble import (
    Disk,
    Facts,
    JobFacts,
    LabelQueueFacts,
    ModelFacts,
    ReceiverFacts,
    Trouble,
    troubles,
)

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
FAMILY = ("digits", "production")


def ago(seconds: float) -> datetime:
    return NOON - timedelta(seconds=seconds)


def found(**values: Any) -> list[Trouble]:
    facts = {
        "at": NOON,
        "up_since": NOON - DAY,
        "window_s": 60.0,
        "lateness_s": 30.0,
        "last_tick_at": ago(95),
    }
    return list(
        troubles(Facts(**{**facts, **values}), ticks_late_after_s=300.0, outbox_late_after_s=300.0)
    )


def keys(**values: Any) -> list[str]:
    return [one.key for one in found(**values)]


def model(**values: Any) -> dict[tuple[str, str], ModelFacts]:
    facts = {
        "first_seen_at": NOON - 30 * DAY,
        "last_window_at": ago(70),
        "judged_at": ago(95),
        "streams": 10,
        "abstaining": 0,
        "needed": 200,
    }
    return {FAMILY: ModelFacts(**{**facts, **values})}


def test_a_healthy_service_finds_nothing():
    disk = Disk(place="var", free_bytes=50 * 2**30, total_bytes=100 * 2**30)
    jobs = {"retention": JobFacts(every_s=3600.0, last_ok=ago(3000))}
    receivers = {"pager": ReceiverFacts(waiting=3, oldest=ago(20))}
    assert keys(models=model(), disks=[disk], jobs=jobs, receivers=receivers) == []


@pytest.mark.parametrize(("last", "late"), [(95, False), (380, False), (400, True), (None, True)])
def test_ticks_are_late_when_windows_stay_unjudged(last: float | None, late: bool):
    tick = ago(last) if last else None
    assert keys(last_tick_at=tick) == (["ticks"] if late else [])


def test_after_a_start_ticks_have_time_to_begin():
    assert keys(last_tick_at=ago(86400), up_since=ago(200)) == []
    assert keys(last_tick_at=None, up_since=ago(200)) == []


def test_a_job_that_fails_or_hangs_pages_under_its_own_name():
    jobs = {
        "actions": JobFacts(every_s=1.0, last_ok=ago(301), error="RuntimeError"),
        "retention": JobFacts(every_s=3600.0, last_ok=ago(3 * 3600 + 1)),
        "deliveries": JobFacts(every_s=0.5, last_ok=ago(299)),
    }
    told = found(jobs=jobs)
    assert [one.key for one in told] == ["job-actions", "job-retention"]
    assert "RuntimeError" in told[0].reasons[0]
    assert "it has not run" in told[1].reasons[0]


def test_a_receiver_that_is_down_or_stuck_pages_once_with_both_reasons():
    receivers = {
        "pager": ReceiverFacts(
            waiting=4, oldest=ago(400), down_since=ago(390), last_error="no answer"
        ),
        "chat": ReceiverFacts(waiting=1, oldest=ago(299)),
    }
    (one,) = found(receivers=receivers)
    assert (one.key, one.since) == ("receiver-pager", ago(390))
    assert one.reasons == (
        "down since 2026-11-20 11:53 UTC: no answer",
        "4 messages wait, the oldest for 6 min 40 s",
    )


def test_dead_letters_page_and_an_outbox_that_only_grows_does_too():
    assert keys(receivers={"pager": ReceiverFacts(dead=2)}) == ["dead-letters"]
    assert keys(receivers={"pager": ReceiverFacts(waiting=500, oldest=ago(10))}) == ["outbox"]


def test_silent_labels_are_no_data_of_the_model():
    (one,) = found(models=model(labels_every_s=3600.0, last_label_at=ago(3700)))
    assert (one.kind, one.family) == (AlertKind.LABELS_SILENT, FAMILY)
    assert keys(models=model(labels_every_s=3600.0, last_label_at=ago(3500))) == []
    assert keys(models=model(last_label_at=None)) == []  # none are promised
    never = found(models=model(labels_every_s=3600.0))
    assert "no label ever came" in never[0].reasons[0]
    fresh = model(labels_every_s=3600.0, first_seen_at=ago(3000))
    assert keys(models=fresh) == []


def test_a_model_that_sends_nothing_at_all_is_left_to_the_rule_of_no_data():
    gone = model(last_window_at=ago(4000), judged_at=ago(4000), labels_every_s=60.0, abstaining=10)
    assert keys(models=gone) == []


def test_a_model_whose_judgement_fails_pages_while_others_are_judged():
    assert keys(models=model(judged_at=ago(500))) == ["judging-digits-production"]
    assert keys(models=model(judged_at=ago(500)), last_tick_at=ago(500)) == ["ticks"]
    assert keys(models=model(judged_at=None, first_seen_at=ago(200))) == []


@pytest.mark.parametrize(
    ("abstaining", "seen_s", "told"),
    [(6, 86400.0, True), (5, 86400.0, False), (6, 3 * 200 * 60.0, False), (0, 86400.0, False)],
)
def test_streams_that_abstain_for_long_are_told(abstaining: int, seen_s: float, told: bool):
    facts = model(abstaining=abstaining, first_seen_at=ago(seen_s))
    assert keys(models=facts) == (["abstaining-digits-production"] if told else [])


@pytest.mark.parametrize(
    ("free", "total", "told"),
    [
        (2**30 - 1, 100 * 2**30, True),
        (3 * 2**30, 100 * 2**30, False),
        (10 * 2**30, 1000 * 2**30, True),
        (2**29, 2**29, False),  # a small disk that is empty
    ],
)
def test_a_disk_that_is_almost_full_is_told(free: int, total: int, told: bool):
    disk = Disk(place="var", free_bytes=free, total_bytes=total)
    assert keys(disks=[disk]) == (["disk-var"] if told else [])


def test_a_slow_database_is_told():
    assert keys(looked_s=4.9) == []
    assert keys(looked_s=5.1) == ["database-slow"]


@pytest.mark.parametrize(
    ("silent_s", "up_s", "told"), [(7000, 86400, False), (7300, 86400, True), (7300, 600, False)]
)
def test_a_label_queue_that_stays_away_is_told_and_one_that_may_come_back_is_not(
    silent_s: float, up_s: float, told: bool
):
    """After two hours, and not because vigil itself was down so long."""
    facts = LabelQueueFacts(since=ago(silent_s), waiting=40, problem="Label Studio: HTTP 502")
    troubled = found(label_queues={FAMILY: facts}, up_since=ago(up_s))
    assert [one.key for one in troubled] == (["label-queue-digits-production"] if told else [])
    if told:
        assert troubled[0].kind is AlertKind.VIGIL_SELF
        assert "40 images wait" in troubled[0].reasons[0]
        assert troubled[0].reasons[0].endswith("HTTP 502")
