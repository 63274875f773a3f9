"""A plot comes into the thread, once, and no page waits for it."""

from __future__ import annotations

import io
from datetime import timedelta

import pytest
from inb_scene import NOON, Scene, an_incident
from PIL import Image
from sqlalchemy import select

from alerts.plots import Series, png
from alerts.types import Incident
from monitor.response.plot_series import series_for
from monitor.standins.faults import Fault
from monitor.store.tables import OutboxRow, SignalPointRow, TickRow


def signals(scene: Scene, ticks: int = 30) -> None:
    """Confidence, minute by minute, that fell five minutes ago."""
    with scene.services.sessions.begin() as session:
        for tick in range(ticks):
            at = NOON - timedelta(minutes=ticks - tick)
            mean = 0.95 if at < NOON - timedelta(minutes=5) else 0.7
            session.add(
                TickRow(
                    id=tick + 1,
                    end_at=at,
                    started_at=at,
                    duration_ms=1.0,
                    windows=1,
                    streams=1,
                    holder="test",
                )
            )
            session.flush()
            session.add(
                SignalPointRow(
                    tick_id=tick + 1,
                    at=at,
                    model="reader",
                    deployment="production",
                    versions={"v2": 10},
                    records=10,
                    values={"all traffic": {"confidence": [0.0, 0.1, 1.0, mean, 10]}},
                )
            )


def receipt(scene: Scene) -> dict[str, str]:
    with scene.services.sessions() as session:
        rows = select(OutboxRow.receipt).where(OutboxRow.receiver == "chat")
        return dict(session.scalars(rows.order_by(OutboxRow.id)).first() or {})


def files(scene: Scene) -> list[str]:
    """The names of the files in the thread of the newest message."""
    replies = scene.slack.messages[-1].replies
    return [each["name"] for reply in replies for each in reply.content.get("files") or []]


def test_the_worst_signal_is_plotted_in_the_thread(scene: Scene) -> None:
    signals(scene)
    incident: Incident = scene.incident()
    assert scene.works.plots.run_due() == 1
    assert files(scene) == [f"incident-{incident.id}.png"]
    (content,) = scene.slack.files.contents.values()
    assert Image.open(io.BytesIO(content)).size == (1200, 560)
    assert receipt(scene)["plot"] == "shown"
    assert scene.works.plots.run_due() == 0
    assert files(scene) == [f"incident-{incident.id}.png"]


def test_a_lost_answer_is_looked_for_before_the_plot_is_sent_again(lone_scene: Scene) -> None:
    """The last step was done, though nobody heard: one picture, not two."""
    signals(lone_scene)
    lone_scene.incident()
    lone_scene.slack.faults.next(Fault(), Fault(), Fault(lose_answer=True))
    assert lone_scene.works.plots.run_due() == 0
    assert len(files(lone_scene)) == 1
    lone_scene.clock.advance(10)
    assert lone_scene.works.plots.run_due() == 1
    assert len(files(lone_scene)) == 1


def test_a_failing_plot_holds_up_no_page(lone_scene: Scene) -> None:
    """It is tried five times, and what follows goes out meanwhile."""
    signals(lone_scene)
    lone_scene.incident()
    for _ in range(8):
        lone_scene.slack.faults.next(Fault(status=500))
        lone_scene.works.plots.run_due()
        lone_scene.clock.advance(70)
    assert receipt(lone_scene)["plot"] == "failed"
    lone_scene.slack.faults.clear()
    lone_scene.click("acknowledge")
    lone_scene.deliver()
    assert "Acknowledge" not in lone_scene.buttons()
    assert files(lone_scene) == []


def test_a_missing_scope_ends_it(lone_scene: Scene, caplog) -> None:
    signals(lone_scene)
    lone_scene.incident()
    lone_scene.slack.faults.next(Fault(error="missing_scope"))
    assert lone_scene.works.plots.run_due() == 0
    assert receipt(lone_scene)["plot"] == "failed"
    assert "missing_scope" in caplog.text
    assert "xoxb" not in caplog.text


def test_without_a_series_there_is_no_plot(lone_scene: Scene) -> None:
    lone_scene.incident()
    assert lone_scene.works.plots.run_due() == 0
    assert receipt(lone_scene)["plot"] == "none"


def test_the_series_is_of_the_finding_that_tells_most(lone_scene: Scene) -> None:
    signals(lone_scene)
    with lone_scene.services.sessions() as session:
        series = series_for(session, an_incident(), until=NOON, window_s=60.0)
    assert series is not None
    assert series.title == "Confidence on all traffic"
    assert (series.points[0][1], series.points[-1][1]) == (0.95, 0.7)
    assert series.onset == NOON - timedelta(minutes=5)


def test_a_plot_needs_points_that_can_be_drawn() -> None:
    def made(*values: float) -> Series:
        points = [(NOON + timedelta(minutes=n), value) for n, value in enumerate(values)]
        return Series(title="t" * 300, subtitle="s", unit="", points=points)

    assert png(made(1.0, 1.0)).startswith(b"\x89PNG")
    with pytest.raises(ValueError, match="two points"):
        png(made(1.0))
    with pytest.raises(ValueError, match="finite"):
        png(made(1.0, float("nan")))
