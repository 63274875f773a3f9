"""The digest on a real database: once a day whoever sends it, over restarts, with what is true."""

from __future__ import annotations

import threading
from datetime import timedelta

import numpy as np
import pytest
import small_fleet as fleet
from rsp_stage import Stage

from alerts.types import AlertKind, MessageEvent, Severity
from monitor.response.digest import Digests
from monitor.response.restless import day_evidence, restless
from monitor.settings.alerting import Digest
from monitor.store.tables import OutboxRow, SignalPointRow, TickRow

RULES = Digest(receivers=("chat", "mail"), at="13:00")
HOUR = 3600.0


@pytest.fixture
def digests(stage: Stage) -> Digests:
    return opened(stage)


def opened(stage: Stage) -> Digests:
    settings = stage.services.settings.model_copy(update={"digest": RULES})
    object.__setattr__(stage.services, "settings", settings)
    return Digests(stage.services)


def sent(stage: Stage) -> list[OutboxRow]:
    return [row for row in stage.messages() if row.event == "digest"]


def test_it_goes_once_a_day_to_each_receiver_over_restarts(stage: Stage, digests: Digests):
    assert digests.run_due() == 0  # noon: yesterday's is not ours to tell
    for day in range(3):
        stage.clock.advance(HOUR + 1)
        assert digests.run_due() == 2
        assert digests.run_due() == 0
        digests = opened(stage)  # a restart
        stage.clock.advance(24 * HOUR - HOUR - 1)
        assert digests.run_due() == 0
        assert len(sent(stage)) == 2 * (day + 1)
    stage.clock.advance(60.0)
    assert {row.receiver for row in sent(stage)} == {"chat", "mail"}
    assert "nothing but what paged" in sent(stage)[0].message["headline"]


def test_a_service_that_was_down_at_the_time_sends_it_later(stage: Stage, digests: Digests):
    digests.run_due()
    stage.clock.advance(30 * HOUR)
    assert opened(stage).run_due() == 2
    since = sent(stage)[0].message["since"]
    assert since == "2026-11-19 13:00 to 2026-11-21 13:00 UTC"


def test_two_processes_send_one(stage: Stage, digests: Digests):
    digests.run_due()
    stage.clock.advance(2 * HOUR)
    both = [digests, opened(stage)]
    start = threading.Barrier(2)

    def run(one: Digests) -> None:
        start.wait(20.0)
        one.run_due()

    threads = [threading.Thread(target=run, args=(one,)) for one in both]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30.0)
    assert sorted(row.receiver for row in sent(stage)) == ["chat", "mail"]


def test_it_tells_of_tickets_and_of_what_nobody_was_told(stage: Stage, digests: Digests, notes):
    digests.run_due()
    ticket = stage.incident(
        kind=AlertKind.BASELINE_DRIFT, severity=Severity.INFO, title="digits drifted away"
    )
    muted = stage.incident(title="it was silenced", fingerprint="a" * 32)
    paged = stage.incident(title="it paged", fingerprint="b" * 32)
    stage.tell(paged, MessageEvent.TRIGGER)
    stage.outbox({"pager": notes}).deliver_due()
    stage.clock.advance(2 * HOUR)
    digests.run_due()
    message = sent(stage)[0].message
    assert message["what"][0] == f"Ticket: incident {ticket.id}, open: digits drifted away"
    assert message["what"][1] == f"Not paged: incident {muted.id}, open: it was silenced"
    assert "it paged" not in str(message["what"])
    assert message["done"] == ["Paged 1 incident in this time."]


def points(stage: Stage, paths: dict[str, np.ndarray]) -> None:
    with stage.services.sessions.begin() as session:
        for tick in range(len(next(iter(paths.values())))):
            at = stage.clock.now() + timedelta(seconds=tick + 1)
            session.add(
                TickRow(
                    id=fleet.FIRST + tick,
                    end_at=at,
                    started_at=at,
                    duration_ms=1.0,
                    windows=1,
                    streams=1,
                    holder="test",
                )
            )
            session.flush()
            values = {
                "": {
                    signal: [0.0, 0.0, round(float(path[tick]), 6), 0.0, 10]
                    for signal, path in paths.items()
                }
            }
            session.add(
                SignalPointRow(
                    tick_id=fleet.FIRST + tick,
                    at=at,
                    model=fleet.MODEL,
                    deployment=fleet.DEPLOYMENT,
                    versions={"v1": 10},
                    records=10,
                    values=values,
                )
            )


def path(rng: np.random.Generator, ticks: int, share: float, *, moved_at: int | None) -> np.ndarray:
    """The evidence of one stream, as the engine writes it: it began long before."""
    theta, value, out = 0.5, 50.0 * share, []
    for tick in range(ticks):
        shift = theta if moved_at is not None and tick >= moved_at else 0.0
        bet = np.exp(theta * (shift + rng.normal()) - theta**2 / 2)
        value = (value + share) * bet
        out.append(value)
    return np.array(out)


def test_a_stream_that_moved_today_is_named_and_old_evidence_is_not(stage: Stage):
    rng, ticks = np.random.default_rng(2), 300
    names = ("confidence", "entropy", "brightness", "contrast", "sharpness")
    share = 1.0 / len(names)
    paths = {name: path(rng, ticks, share, moved_at=None) for name in names}
    paths["sharpness"] = path(rng, ticks, share, moved_at=220)
    paths["contrast"] = np.full(ticks, 30_000.0)  # high since yesterday, and no news today
    points(stage, paths)
    now = stage.clock.now()
    with stage.services.sessions() as session:
        found = restless(
            session,
            since=now,
            until=now + timedelta(seconds=ticks),
            threshold=fleet.THRESHOLD,
            share=0.1,
        )
    assert [one.signal for one in found] == ["sharpness"]
    assert found[0].evidence >= 10 * ticks
    assert found[0].slice.is_whole


def test_the_evidence_of_a_day_is_fair_while_nothing_moves():
    """Its mean over many days stays below the share of the budget: an e-value."""
    rng, ticks, days = np.random.default_rng(7), 60, 400
    totals = []
    for _ in range(days):
        walk = path(rng, ticks, 1.0, moved_at=None)
        rows = [
            (tick, "m", "d", {"": {"confidence": [None, None, float(walk[tick]), None, 1]}})
            for tick in range(ticks)
        ]
        totals.extend(day_evidence(rows).values())
    assert np.mean(np.minimum(totals, 40 * ticks)) <= 1.1 * ticks
    assert np.mean(totals) > 0.2 * ticks


def test_a_day_without_ticks_names_nothing(stage: Stage):
    now = stage.clock.now()
    with stage.services.sessions() as session:
        found = restless(
            session, since=now - timedelta(days=1), until=now, threshold=1e5, share=0.1
        )
    assert found == []
