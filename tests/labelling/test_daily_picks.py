"""Yesterday's traffic is picked from once, whatever is killed and however often it is asked."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
import small_fleet as fleet

from alerts.actions.queues.memory import MemoryLabelQueue
from monitor.labelling import daily
from monitor.labelling.daily import DailyPicks
from monitor.labelling.returns import LabelReturns
from monitor.services import Services
from monitor.settings.schema import Relabel
from monitor.store.tables import LabelRow, LabelTaskRow, WindowRow
from vigil.clock import ManualClock

FAMILY = (fleet.MODEL, fleet.DEPLOYMENT)
TOMORROW = fleet.NOON + timedelta(days=1)


class Dead(BaseException):
    """The process dies here."""


class Fleet:
    """A service that watched some traffic, a day later. ``rules`` of its label queue."""

    def __init__(self, database: str, **rules: object) -> None:
        self.clock = ManualClock(fleet.NOON)
        self.queue = MemoryLabelQueue()
        relabel = Relabel.model_validate({"folder": "labels", "daily": 30, **rules})
        self.services: Services = fleet.opened(database, self.clock, watched={"relabel": relabel})
        recorder = fleet.recorder_of("host-1")
        made = []
        for tick in range(fleet.FIRST - 10, fleet.FIRST - 1):
            scene = replace(fleet.HEALTHY, version="v1" if tick % 3 else "v2")
            made += recorder.add(fleet.world().batch(tick, scene)[0])
        made += recorder.seal(float(fleet.FIRST))
        for window in made:
            if window.summary.total_records:
                self.services.ingest.windows([window.to_bytes()])
        self.clock.advance(86400)
        self.picks = DailyPicks(self.services, {FAMILY: self.queue})
        self.returns = LabelReturns(self.services, {FAMILY: self.queue})

    def rows(self) -> list[LabelTaskRow]:
        with self.services.sessions() as session:
            return list(session.query(LabelTaskRow).order_by(LabelTaskRow.id))


@pytest.fixture
def watched(sqlite_url: str):
    made = Fleet(sqlite_url)
    yield made
    made.services.close()


def test_yesterday_is_picked_from_once_and_sent(watched: Fleet) -> None:
    """Each version has its share; a tenth was drawn at random, with its probability."""
    picked = watched.picks.run_due()
    assert 28 <= picked <= 31
    assert watched.picks.run_due() == 0
    rows = watched.rows()
    assert {row.version for row in rows} == {"v1", "v2"}
    assert {(row.state, row.action_id) for row in rows} == {("picked", None)}
    drawn = [row.inclusion for row in rows if row.inclusion is not None]
    assert 2 <= len(drawn) <= 4
    assert all(0 < one <= 1 for one in drawn)
    watched.returns.run_due()
    assert {row.state for row in watched.rows()} == {"queued"}
    assert len(watched.queue.tasks) == len(rows)
    watched.clock.advance(86400)
    assert watched.picks.run_due() == 0  # nothing came that day


def test_killed_before_it_was_written_down_it_picks_the_same(watched: Fleet, monkeypatch) -> None:
    def die(*_: object, **__: object) -> None:
        raise Dead

    with monkeypatch.context() as patch:
        patch.setattr(daily.ledger, "write", die)
        with pytest.raises(Dead):
            watched.picks.run_due()
    assert watched.rows() == []
    assert watched.picks.run_due() == len(watched.rows())


def test_two_processes_pick_once(watched: Fleet, monkeypatch) -> None:
    """The second finds the day done when it wants to write."""
    other = DailyPicks(watched.services, {FAMILY: watched.queue})
    traffic = DailyPicks._traffic
    counts = []

    def meanwhile(self, *args):  # type: ignore[no-untyped-def]
        if self is watched.picks:
            counts.append(other.run_due())
        return traffic(self, *args)

    monkeypatch.setattr(DailyPicks, "_traffic", meanwhile)
    counts.append(watched.picks.run_due())
    assert counts[0] > 0
    assert counts[1] == 0
    assert len(watched.rows()) == counts[0]


def test_known_labels_become_gold_items(sqlite_url: str) -> None:
    """They are mixed among the others, blind, and give no label of their own."""
    watched = Fleet(sqlite_url, gold_share=0.2, random_share=0.0)
    with watched.services.sessions() as session:
        parts = watched.services.samples.parts()
    ids = watched.services.samples.read(parts, limit=10_000).ids[:40]
    with watched.services.sessions.begin() as session:
        for one in ids:
            session.add(
                LabelRow(
                    record_id=one,
                    model=fleet.MODEL,
                    version="v1",
                    deployment=fleet.DEPLOYMENT,
                    cell={},
                    prediction=0,
                    confidence=0.5,
                    label=3,
                    predicted_at=fleet.NOON,
                    arrived_at=fleet.NOON,
                )
            )
    watched.picks.run_due()
    gold = [row for row in watched.rows() if row.gold]
    assert 3 <= len(gold) <= 7
    assert {row.gold_label for row in gold} == {3}
    assert {row.record_id for row in gold} <= set(ids)
    assert {row.record_id for row in watched.rows() if not row.gold}.isdisjoint(ids)
    assert all("gold" not in str(row.data) for row in gold)
    watched.services.close()


def test_without_a_budget_nothing_is_picked(sqlite_url: str) -> None:
    watched = Fleet(sqlite_url, daily=0)
    assert (watched.picks.run_due(), watched.rows()) == (0, [])
    watched.services.close()


def test_of_many_parts_some_are_read_and_the_probability_tells(watched: Fleet, monkeypatch) -> None:
    """Of each version one of its windows: the chance was so much smaller."""
    whole = watched.picks._traffic(watched.services.settings.models[0], "2026-11-20")
    monkeypatch.setattr(daily, "MOST_PARTS", 1)
    some = watched.picks._traffic(watched.services.settings.models[0], "2026-11-20")
    assert [one.version for one in some] == [one.version for one in whole] == ["v1", "v2"]
    for version, few, all_of_them in zip(("v1", "v2"), some, whole, strict=True):
        with watched.services.sessions() as session:
            parts = session.query(WindowRow).filter_by(version=version).count()
        assert parts >= 3
        assert len(few.sample) < len(all_of_them.sample)
        assert max(few.may_draw.values()) <= 1 / parts
