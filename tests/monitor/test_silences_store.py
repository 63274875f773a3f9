"""Silences in the database: made, ended, extended, counted, pruned; on SQLite and PostgreSQL."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import pytest
import stored
from incident_rows import incident_row
from sqlalchemy import select, text

from alerts.silences.draft import from_texts
from alerts.silences.errors import SilenceError
from alerts.silences.silence import LIVE, Silence, SilenceKind, SilenceState, find
from monitor.response import record, silences
from monitor.response.silence_preview import preview
from monitor.response.silences_active import active
from monitor.retention import sweep
from monitor.services import Services
from monitor.store.tables import AuditRow, SilenceRow, TimelineRow
from vigil.clock import ManualClock
from vigil.errors import ConflictError, NotFoundError

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NOON = stored.NOON


def make(services: Services, *matchers: str, **values: Any) -> Silence:
    plain: dict[str, Any] = {"kind": "silence", "comment": "lens", "actor": "jo"}
    if "until" not in values:
        plain["lasts"] = "2h"
    now = services.clock.now()
    with services.sessions.begin() as session:
        draft = from_texts(matchers=matchers or ("camera=c7",), now=now, **{**plain, **values})
        return silences.create(session, draft)


def test_a_silence_is_kept_as_it_was_made(services: Services) -> None:
    """Matchers, times and recurrence come back as they were; it is audited."""
    made = make(
        services,
        'model=~"reader|gate"',
        "camera!=c1",
        kind="maintenance",
        every="FREQ=WEEKLY;BYDAY=SA",
        time_zone="Europe/Berlin",
        until="2027-01-01",
        lasts="4h",
    )
    with services.sessions() as session:
        assert silences.get(session, made.id) == made
        assert silences.listed(session, NOON) == [made]
        (row,) = session.scalars(select(AuditRow).where(AuditRow.subject == made.name))
    assert (row.what, row.actor) == ("maintenance created", "jo")
    assert row.data["matchers"] == [each.to_json() for each in made.matchers]


def test_what_holds_now_follows_every_change(services: Services, clock: ManualClock) -> None:
    """Begun, extended, ended: also by another process on the same database."""
    first, later = make(services), make(services, start="2030-01-01")
    frozen = make(services, "model=reader", kind="freeze")

    def holding() -> list[int]:
        with services.sessions() as session:
            return [one.id for one in active(session, clock.now())]

    assert holding() == [first.id]
    with services.sessions() as session:
        assert [one.id for one in active(session, NOON, (SilenceKind.FREEZE,))] == [frozen.id]
        assert silences.listed(session, NOON, (SilenceState.PENDING,)) == [later]
    with services.sessions.begin() as session:
        longer = silences.extend(session, first.id, NOON + 3 * HOUR, actor="ann", at=NOON)
    assert longer.ends_at == NOON + 3 * HOUR
    clock.advance(2 * 3600)
    assert holding() == [first.id]
    with services.sessions.begin() as session:
        silences.end(session, first.id, actor="ann", at=clock.now())
    assert holding() == []
    with services.sessions() as session:
        assert [one.id for one in silences.listed(session, clock.now(), LIVE)] == [later.id]
        said = session.scalars(select(AuditRow.what).order_by(AuditRow.id)).all()
    assert said[-2:] == ["silence extended", "silence ended"]


def test_what_is_over_or_not_there_is_not_changed(services: Services, clock: ManualClock) -> None:
    """A second end is a conflict; extending goes forwards, and only so far."""
    made = make(services)
    with services.sessions.begin() as session:
        for ends_at, why in ((NOON + HOUR, "later time"), (NOON + 91 * DAY, "at most 90 days")):
            with pytest.raises(SilenceError, match=why):
                silences.extend(session, made.id, ends_at, actor="jo", at=NOON)
        silences.end(session, made.id, actor="jo", at=NOON)
        for change in (
            lambda: silences.end(session, made.id, actor="jo", at=NOON),
            lambda: silences.extend(session, made.id, NOON + DAY, actor="jo", at=NOON),
        ):
            with pytest.raises(ConflictError, match=f"{made.name} is over since"):
                change()
        with pytest.raises(NotFoundError, match="S-99"):
            silences.end(session, 99, actor="jo", at=NOON)


def test_what_was_held_back_is_counted(services: Services) -> None:
    made = make(services)
    with services.sessions.begin() as session:
        for minutes in (1, 2):
            silences.held_back(session, made.id, NOON + timedelta(minutes=minutes))
        silences.held_back(session, 99, NOON)
    with services.sessions() as session:
        kept = silences.get(session, made.id)
    assert (kept.matched, kept.last_matched_at) == (2, NOON + timedelta(minutes=2))


def test_a_preview_tells_open_incidents_from_those_of_the_week(services: Services) -> None:
    """By their labels; what is over for longer than a week is not looked at."""
    with services.sessions.begin() as session:
        session.add(incident_row(NOON))
        session.add(incident_row(NOON - DAY, state="resolved", resolved_at=NOON))
        session.add(incident_row(NOON - 8 * DAY, state="resolved", resolved_at=NOON - 7 * DAY))
        session.add(incident_row(NOON - 9 * DAY))
        session.add(incident_row(NOON, slice="camera=c8"))
    made = make(services)
    with services.sessions() as session:
        found = preview(session, made, NOON)
    assert [each.id for each in found.now] == [4, 1]
    assert [each.id for each in found.week] == [2]
    words = "would silence these 2 open incidents, and would have silenced 1 of the last 7 days"
    assert found.text(made.kind) == words


def test_what_an_incident_is_about_is_silenced(services: Services) -> None:
    """With a line in its timeline; the next incident of that fault is matched too."""
    with services.sessions.begin() as session:
        session.add(incident_row(NOON))
        session.flush()
        incident = record.get(session, 1)
        name = silences.silence_like(session, incident, "jo", NOON)
    with services.sessions() as session:
        (line,) = session.scalars(select(TimelineRow).where(TimelineRow.kind == "silenced"))
        assert name in line.text
        labels = {
            "alertname": "input_fault",
            "model": "reader",
            "deployment": "production",
            "camera": "c7",
            "version": "v9",
        }
        found = find(active(session, NOON), labels, NOON)
        assert found is not None
        assert found.name == name


def test_forgotten_ones_are_reported(services: Services, clock: ManualClock) -> None:
    """One ends under an open incident, one has held nothing back."""
    with services.sessions.begin() as session:
        session.add(incident_row(NOON))
    soon, idle = make(services), make(services, "camera=c9", lasts="9d")
    clock.advance(3600)
    with services.sessions() as session:
        (only,) = silences.to_look_at(session, clock.now())
    assert only.silence.id == soon.id
    clock.advance(24 * 3600)
    with services.sessions() as session:
        (only,) = silences.to_look_at(session, clock.now())
    assert only.silence.id == idle.id


def test_a_freeze_is_found_by_model_deployment_and_owner(services: Services) -> None:
    """In words, with its end; outside of it there is none."""
    make(services, "model=reader", 'owner=~"team-.*"', kind="freeze", comment="year-end")
    family = {"model": "reader", "deployment": "production"}
    with services.sessions() as session:
        told = silences.freeze_of(session, **family, owner="team-a", at=NOON)
        assert told is not None
        assert told.startswith("release freeze S-1 until ")
        assert told.endswith(" (year-end)")
        assert silences.freeze_of(session, **family, owner="", at=NOON) is None
        later = NOON + 2 * HOUR
        assert silences.freeze_of(session, **family, owner="team-a", at=later) is None


def test_a_row_that_can_not_be_read_mutes_nothing_and_stops_nothing(
    services: Services, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever edited the database by hand must not stop the pager."""
    good = make(services)
    make(services)
    with services.sessions.begin() as session:
        session.execute(text("UPDATE silences SET kind = 'nap' WHERE id = 2"))
    with caplog.at_level(logging.WARNING), services.sessions() as session:
        assert [one.id for one in active(session, NOON)] == [good.id]
        assert silences.listed(session, NOON) == [good]
    assert "S-2 can't be read" in caplog.text


def test_those_that_are_over_go_with_the_history(services: Services) -> None:
    """Not before."""
    make(services)
    keep = services.settings.retention
    gone = NOON + timedelta(days=keep.history_days) + 3 * HOUR
    for now, left in ((gone - 2 * HOUR, 1), (gone, 0)):
        sweep(services.sessions, services.samples, keep, now=now)
        with services.sessions() as session:
            assert len(session.scalars(select(SilenceRow.id)).all()) == left


def test_two_thousand_are_read_once(services: Services) -> None:
    """All that hold are found; the second reading parses none of them anew."""
    with services.sessions.begin() as session:
        session.add_all(
            SilenceRow(
                kind="silence",
                matchers=[{"label": "camera", "op": "=", "value": f"c{k}"}],
                starts_at=NOON,
                ends_at=NOON + HOUR,
                comment="c",
                created_by="jo",
                created_at=NOON,
            )
            for k in range(2000)
        )
    with services.sessions() as session:
        first = active(session, NOON)
    with services.sessions() as session:
        again = active(session, NOON)
    assert len(first) == 2000
    assert all(one is other for one, other in zip(first, again, strict=True))
    found = find(again, {"camera": "c1999"}, NOON)
    assert found is not None
