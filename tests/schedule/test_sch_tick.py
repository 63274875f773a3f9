"""A tick counts each window once: on time, late, after a restart, beside another process."""

from __future__ import annotations

import shutil
from collections import Counter
from threading import Barrier, Thread

import pytest
import small_fleet as fleet
from sqlalchemy import func, select, update

from detectors.evidence.engine import FleetEvidence
from monitor.backfill import HISTORY, backfill
from monitor.checks.state import EVIDENCE
from monitor.schedule.wiring import wire
from monitor.store.tables import (
    BaselineRow,
    IncidentRow,
    LabelRow,
    SignalPointRow,
    StateRow,
    TickRow,
    VerdictRow,
    WindowRow,
)
from vigil.errors import ConfigError


def counted(story: fleet.Story) -> Counter[int | None]:
    """Live windows by the tick that counted them."""
    with story.services.sessions() as session:
        return Counter(
            session.scalars(select(WindowRow.judged_by).where(WindowRow.origin == "live"))
        )


def engine_of(story: fleet.Story) -> FleetEvidence:
    return FleetEvidence.from_bytes(evidence(story))


def evidence(story: fleet.Story) -> bytes:
    (blob,) = [row.blob for row in story.rows(StateRow) if row.name == EVIDENCE]
    return bytes(blob)


def alone(template, folder) -> fleet.Story:
    """Another story with the same beginning, on SQLite."""
    shutil.copyfile(template, folder / "alone.db")
    fleet.restore(f"sqlite:///{folder}/alone.db", fleet.history_rows())
    return fleet.Story(f"sqlite:///{folder}/alone.db")


def test_each_window_is_counted_once_by_the_tick_of_its_end(story: fleet.Story):
    story.play(8, sources=("host-1", "host-2"))
    assert counted(story) == dict.fromkeys(range(fleet.FIRST, fleet.FIRST + 8), 2)
    ticks = {row.id: row.windows for row in story.rows(TickRow)}
    assert [ticks[tick] for tick in range(fleet.FIRST, fleet.FIRST + 8)] == [2] * 8
    points = {row.tick_id: row.records for row in story.rows(SignalPointRow)}
    assert points == dict.fromkeys(range(fleet.FIRST, fleet.FIRST + 8), 96)


def test_a_window_that_comes_late_is_counted_once_by_the_next_tick(story: fleet.Story):
    story.play(4)
    late, _ = story.windows(story.tick - 1, source="host-2")
    mine = [window for window in late if window.summary.total_records]
    story.ship(mine)
    story.play(3)
    assert counted(story)[fleet.FIRST + 4] == 2
    story.ship(mine)  # the same again
    story.play(2)
    assert sum(counted(story).values()) == 9 + 1
    assert None not in counted(story)


def test_late_windows_are_streams_of_their_own(lone_story: fleet.Story):
    lone_story.play(4)
    before = {s for s in engine_of(lone_story).streams if s.deployment == fleet.DEPLOYMENT}
    late, _ = lone_story.windows(lone_story.tick - 1, source="host-2")
    lone_story.ship(late)
    lone_story.play(1)
    streams = set(engine_of(lone_story).streams)
    assert {s.deployment for s in streams - before} == {"production~late"}
    assert before <= streams


def test_backfilled_windows_are_history_and_no_tick_counts_them(story: fleet.Story):
    story.play(3)
    with story.services.sessions() as session:
        past = session.scalars(select(WindowRow.judged_by).where(WindowRow.origin == "backfill"))
        assert set(past) == {HISTORY}


def test_a_restart_repeats_no_window_and_skips_none(story: fleet.Story):
    story.play(5)
    missed = range(story.tick + 1, story.tick + 11)
    shipped = [story.windows(tick)[0] for tick in missed]
    story.restart(after_s=10.0)
    assert story.works.ticks.run_due() == []  # the collectors' spools come first
    for windows in shipped:
        story.ship(windows)
    story.clock.advance(2.1)
    story.works.ticks.run_due()
    assert counted(story) == dict.fromkeys(range(fleet.FIRST, missed[-1] + 1), 1)


def test_a_long_silence_is_passed_over_without_a_tick_for_each_window(lone_story: fleet.Story):
    lone_story.play(3)
    lone_story.to(lone_story.tick + 5000)
    reports = lone_story.works.ticks.run_due()
    assert [report.tick for report in reports] == [lone_story.tick]


def test_a_tick_that_was_done_is_not_done_again(story: fleet.Story):
    story.play(4)
    before = evidence(story)
    assert story.works.ticks.run(story.tick) is None
    assert evidence(story) == before
    story.play(1)
    assert counted(story)[story.tick] == 1


def test_two_services_on_one_database_do_each_tick_once(story: fleet.Story):
    other = fleet.opened(story.database, story.clock, samples=story.samples)
    rival = wire(other, holder="rival").ticks
    story.play(3)
    failures: list[BaseException] = []
    for _ in range(6):
        tick = story.tick + 1
        story.ship(story.windows(tick)[0])
        story.to(tick)
        together = Barrier(2)

        def run(ticks, together=together):
            together.wait()
            try:
                ticks.run_due()
            except BaseException as error:
                failures.append(error)

        threads = [Thread(target=run, args=(one,)) for one in (story.works.ticks, rival)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    other.close()
    assert failures == []
    assert counted(story) == dict.fromkeys(range(fleet.FIRST, fleet.FIRST + 9), 1)
    assert engine_of(story).last_tick == story.tick


def test_two_services_in_turns_give_the_evidence_of_one(
    lone_story: fleet.Story, tmp_path, sqlite_template
):
    other = fleet.opened(lone_story.database, lone_story.clock, samples=lone_story.samples)
    rival = wire(other, holder="rival").ticks
    mine = lone_story.works.ticks
    lone_story.play(3)
    for i in range(8):
        tick = lone_story.tick + 1
        lone_story.ship(lone_story.windows(tick)[0])
        lone_story.to(tick)
        (rival if i % 2 else mine).run_due()
    other.close()
    single = alone(sqlite_template, tmp_path)
    single.play(11)
    assert evidence(lone_story) == evidence(single)
    single.close()


def test_evidence_that_was_saved_and_restored_goes_on_bit_for_bit(
    story: fleet.Story, tmp_path, sqlite_template
):
    """Killed after every second tick, and never killed: the same state, verdicts and points."""
    single = alone(sqlite_template, tmp_path)
    scenes = [fleet.HEALTHY] * 6 + [fleet.REGRESSED] * 18
    for i, scene in enumerate(scenes):
        single.play(1, scene)
        story.play(1, scene)
        if i >= 3 and i % 2:
            story.restart(settled=True)
    assert evidence(story) == evidence(single)
    assert _plain(story, VerdictRow) == _plain(single, VerdictRow) != []
    assert _plain(story, SignalPointRow) == _plain(single, SignalPointRow)
    assert _plain(story, IncidentRow) == _plain(single, IncidentRow) != []
    single.close()


def _plain(story: fleet.Story, table) -> list[tuple[object, ...]]:
    return [
        tuple(getattr(row, column.key) for column in table.__table__.columns)
        for row in story.rows(table)
    ]


def test_history_that_is_learnt_while_a_tick_runs_is_not_lost(story: fleet.Story, monkeypatch):
    """The back-fill and the tick both write the engine's state: neither overwrites the other."""
    story.play(3)
    tick = story.tick + 1
    story.ship(story.windows(tick)[0])
    story.to(tick)
    learn, threads = FleetEvidence.learn, []

    def learn_meanwhile(self, batches, **when):
        if not threads:
            threads.append(Thread(target=story.works.ticks.run_due))
            threads[0].start()
            threads[0].join(timeout=0.3)
        learn(self, batches, **when)

    monkeypatch.setattr(FleetEvidence, "learn", learn_meanwhile)
    other = fleet.opened(story.database, story.clock, samples=story.samples)
    made = [fleet.world().batch(fleet.FIRST - 400 + i, source="old") for i in range(30)]
    before = {s: engine_of(story).history(s) for s in engine_of(story).streams}
    backfill(other, other.settings.models[0], ((batch, None) for batch, _ in made))
    other.close()
    threads[0].join()
    engine = engine_of(story)
    stream = next(s for s in before if s.signal == "confidence" and s.slice.is_whole)
    assert engine.last_tick == tick
    assert engine.history(stream) == before[stream] + 30 + 1


def test_a_window_length_that_changed_is_refused_in_words(lone_story: fleet.Story):
    """The ticks of the database are numbered by the old length: going on would judge nothing."""
    lone_story.play(3)
    service = lone_story.services.settings.service.model_copy(update={"window_s": 60.0})
    changed = fleet.opened(lone_story.database, lone_story.clock, service=service)
    with pytest.raises(ConfigError, match=r"window_s.*1"):
        wire(changed, holder="test")
    changed.close()


def test_labels_that_were_counted_are_not_counted_again(story: fleet.Story):
    story.play(4, label=True)
    with story.services.sessions() as session:
        live = session.execute(
            select(LabelRow.judged_by, func.count())
            .where(LabelRow.record_id.startswith("host-1"))
            .group_by(LabelRow.judged_by)
        ).all()
    by_tick = dict(live)
    assert sum(by_tick.values()) == 4 * 12
    story.play(3)
    by_now = [row.judged_by for row in story.rows(LabelRow) if row.record_id.startswith("host-1")]
    assert all(by_now.count(tick) == count for tick, count in by_tick.items() if tick is not None)
    assert None not in by_now


def test_the_ring_is_the_same_after_a_gap_whether_restarted_or_not(lone_story: fleet.Story):
    """Ticks of long ago are forgotten by their number, as a restart forgets them."""
    lone_story.play(5)
    gap = 700
    for recorder in lone_story.recorders.values():
        recorder.seal(float(lone_story.tick + gap))
    lone_story.to(lone_story.tick + gap)
    lone_story.works.ticks.run_due()
    lone_story.play(2)
    family = (fleet.MODEL, fleet.DEPLOYMENT)
    kept = lone_story.works.ticks._recent.ticks(family)
    lone_story.restart(settled=True)
    lone_story.play(1)
    again = lone_story.works.ticks._recent.ticks(family)
    assert again == [*kept, lone_story.tick]


def test_a_tick_that_finds_a_baseline_retired_goes_on(lone_story: fleet.Story):
    lone_story.play(3)
    with lone_story.services.sessions.begin() as session:
        session.execute(update(BaselineRow).values(state="retired"))
    reports = lone_story.play(3, fleet.REGRESSED)
    assert [report.streams for report in reports[-3:]] == [0, 0, 0]
    assert lone_story.incidents == []
    assert counted(lone_story)[lone_story.tick] == 1
