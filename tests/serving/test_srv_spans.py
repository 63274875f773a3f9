"""Spans say which build served from when to when; each window is entered once."""

from __future__ import annotations

from datetime import timedelta

import small_fleet as fleet
from srv_scene import Scene

from monitor.retention import sweep
from monitor.store.tables import ServingSpanRow, WindowRow


def test_a_version_that_goes_on_is_one_span(scene: Scene) -> None:
    for tick in range(3):
        scene.windows(tick, first=tick)
        scene.windows(tick, first=tick, source="host-2")
        scene.enter(tick)
    assert scene.spans() == [("v1", 0.0, 3.0, 60)]


def test_a_canary_lies_beside_what_it_may_replace(scene: Scene) -> None:
    for tick in range(4):
        scene.windows(tick, first=tick)
        if tick >= 2:
            scene.windows(tick, first=tick, version="v2", source="host-2", records=1)
        scene.enter(tick)
    assert scene.spans() == [("v1", 0.0, 4.0, 40), ("v2", 2.0, 4.0, 2)]


def test_after_a_rollback_the_old_version_serves_anew(scene: Scene) -> None:
    """Its time before the bad release and its time after it are two."""
    for tick, version in enumerate(["v1"] * 3 + ["v2"] * 6 + ["v1"] * 2):
        scene.windows(tick, first=tick, version=version)
        scene.enter(tick)
    assert [one[:3] for one in scene.spans()] == [
        ("v1", 0.0, 3.0),
        ("v2", 3.0, 9.0),
        ("v1", 9.0, 11.0),
    ]


def test_a_short_silence_is_bridged_and_a_long_one_is_not(scene: Scene) -> None:
    for tick in (0, 30, 95):
        scene.windows(tick, first=tick)
        scene.enter(tick)
    assert [one[:3] for one in scene.spans()] == [("v1", 0.0, 31.0), ("v1", 95.0, 96.0)]


def test_late_windows_lengthen_the_span_that_they_lie_in(scene: Scene) -> None:
    scene.windows(5, first=5)
    scene.enter(5)
    scene.windows(6, first=2, last=3, source="host-late")
    scene.enter(6)
    assert scene.spans() == [("v1", 2.0, 6.0, 30)]


def test_another_preprocessing_of_the_same_version_is_another_build(scene: Scene) -> None:
    scene.windows(0, first=0, preprocessing="resize-224")
    scene.windows(0, first=0, preprocessing="resize-256", source="host-2")
    scene.enter(0)
    assert len(scene.spans()) == 2


def test_spans_are_kept_as_long_as_history(scene: Scene) -> None:
    scene.windows(0, first=0)
    scene.enter(0)
    settings = scene.services.settings.retention
    for days, left in ((364, 1), (366, 0)):
        now = fleet.NOON + timedelta(days=days)
        sweep(scene.services.sessions, scene.services.samples, settings, now=now)
        assert len(scene.spans()) == left


def test_heartbeats_are_no_traffic(scene: Scene) -> None:
    scene.windows(0, first=0, records=0)
    scene.enter(0)
    assert scene.spans() == []


def test_the_tick_enters_what_it_counts_once(sqlite_url: str) -> None:
    """A restart and late windows neither repeat nor lose any."""
    fleet.restore(sqlite_url, fleet.history_rows())
    story = fleet.Story(sqlite_url)
    story.play(5, sources=("host-1", "host-2"))
    held, _ = story.windows(story.tick + 1, source="late")
    story.restart()
    story.play(5)
    story.ship(held)
    story.play(2)
    (span,) = story.rows(ServingSpanRow)
    live = [row for row in story.rows(WindowRow) if row.origin == "live" and row.records]
    assert span.windows == len(live)
    assert span.records == sum(row.records for row in live)
    story.close()
