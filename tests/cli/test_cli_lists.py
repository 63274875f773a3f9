"""What the command line lists and changes, on a real SQLite database."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from incident_rows import incident_row
from sqlalchemy.orm import Session

from monitor.store.database import Sessions, open_engine
from monitor.store.tables import (
    ActionRow,
    IncidentRow,
    OutboxRow,
    RejectionRow,
    SourceRow,
    TickRow,
    TimelineRow,
)
from monitor.web.access import Scope

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@pytest.fixture
def session(run: Any, config: Path) -> Any:
    run("db", "upgrade")
    engine = open_engine(f"sqlite:///{config.parent / 'vigil.db'}")
    with Sessions(engine).begin() as session:
        yield session
    engine.dispose()


def _incident(**changed: Any) -> IncidentRow:
    return incident_row(NOW, reasons=["sharpness fell on every version"], **changed)


def test_the_tables_are_checked(run: Any, config: Path) -> None:
    """``db check`` says what is missing before the upgrade, and nothing after."""
    assert "revision" in run("db", "check", code=1).stdout
    run("db", "upgrade")
    assert "as they should be" in run("db", "check").stdout


def test_a_declared_model_is_listed_before_its_first_window(run: Any) -> None:
    """A model of the configuration is there, with nothing seen yet."""
    (row,) = json.loads(run("models", "--json").stdout)
    assert row == {
        "model": "reader",
        "deployment": "production",
        "version": None,
        "declared": True,
        "baseline": False,
        "last_window": None,
        "open_incidents": 0,
    }


def test_a_model_that_only_its_tap_knows_is_listed(run: Any, session: Session) -> None:
    """A source without a declaration is shown as undeclared."""
    session.add(
        SourceRow(
            source="host-1",
            model="stray",
            deployment="test",
            version="v9",
            boot="b",
            first_seen_at=NOW,
            last_window_at=NOW,
        )
    )
    session.commit()
    rows = json.loads(run("models", "--json").stdout)
    assert [(row["model"], row["version"], row["declared"]) for row in rows] == [
        ("reader", None, True),
        ("stray", "v9", False),
    ]


def test_status_counts_what_waits(run: Any, session: Session) -> None:
    """The last tick and the messages that wait are shown."""
    session.add(
        TickRow(end_at=NOW, started_at=NOW, duration_ms=12.5, windows=3, streams=40, holder="me")
    )
    session.add(
        OutboxRow(
            dedup_key="a",
            receiver="console",
            event="test",
            message={},
            state="dead",
            created_at=NOW,
            next_attempt_at=NOW,
        )
    )
    session.commit()
    found = json.loads(run("status", "--json").stdout)
    assert (found["streams"], found["messages_dead"], found["messages_waiting"]) == (40, 1, 0)
    assert found["last_tick"] == NOW.isoformat()


def test_refused_windows_are_listed_by_reason(run: Any, session: Session) -> None:
    """What was refused is counted, with an example."""
    session.add(
        RejectionRow(
            hour=NOW, source="host-1", what="window", reason="future", count=4, example="seq 9"
        )
    )
    session.commit()
    (row,) = json.loads(run("windows", "--rejected", "--json").stdout)
    assert (row["reason"], row["count"], row["example"]) == ("future", 4, "seq 9")


def test_incidents_are_listed_by_state(run: Any, session: Session) -> None:
    """``--state open`` is all that are not resolved; the newest comes first."""
    session.add_all([_incident(), _incident(state="acknowledged"), _incident(state="resolved")])
    session.commit()
    everything = json.loads(run("incidents", "list", "--json").stdout)
    unresolved = json.loads(run("incidents", "list", "--state", "open", "--json").stdout)
    assert [row["id"] for row in everything] == [3, 2, 1]
    assert [row["id"] for row in unresolved] == [2, 1]
    assert json.loads(run("incidents", "list", "--model", "x", "--json").stdout) == []


def test_what_wakes_nobody_is_a_ticket(run: Any, session: Session) -> None:
    """In words for people; programs read the stored word."""
    session.add(_incident(severity="info"))
    session.commit()
    for shown in (run("incidents", "list").stdout, run("incidents", "show", "1").stdout):
        assert "ticket" in shown
        assert "info" not in shown
    assert json.loads(run("incidents", "list", "--json").stdout)[0]["severity"] == "info"
    assert json.loads(run("incidents", "show", "1", "--json").stdout)["severity"] == "info"


def test_an_incident_tells_its_story(run: Any, session: Session) -> None:
    """What, because of what, what was refused and why, in the order of time."""
    session.add(_incident())
    session.flush()
    session.add(
        ActionRow(
            incident_id=1,
            kind="rollback",
            state="refused",
            plan={"to_version": "v0"},
            plan_hash="h",
            decision={
                "reasons": [{"code": "cause", "text": "an input fault is not the release's"}]
            },
            created_at=NOW,
            updated_at=NOW,
        )
    )
    for minute, text in ((1, "Paged console."), (0, "Detected.")):
        session.add(
            TimelineRow(
                incident_id=1,
                at=NOW + timedelta(minutes=minute),
                kind="note",
                actor="vigil",
                text=text,
            )
        )
    session.commit()
    shown = run("incidents", "show", "1").stdout
    assert "Camera c7 lost focus" in shown
    assert "because sharpness fell on every version" in shown
    assert "an input fault is not the release's" in shown
    assert shown.index("Detected.") < shown.index("Paged console.")
    assert json.loads(run("incidents", "show", "1", "--json").stdout)["slice"] == "camera=c7"


def test_an_incident_that_is_not_there_is_told(run: Any) -> None:
    """A wrong number is one line."""
    assert "incident 7" in run("incidents", "show", "7", code=2).stderr


def test_a_token_is_shown_once_and_can_be_revoked(run: Any) -> None:
    """The token is printed when made; the list has its name, scope and end only."""
    text = run("token", "create", "camera-fleet", "--scope", "ingest").stdout.strip()
    listed = run("token", "list", "--json").stdout
    assert text not in listed
    (row,) = json.loads(listed)
    assert (row["name"], row["scope"], row["revoked"]) == ("camera-fleet", "ingest", None)
    run("token", "revoke", "camera-fleet")
    assert json.loads(run("token", "list", "--json").stdout)[0]["revoked"] is not None
    assert "no live token" in run("token", "revoke", "camera-fleet", code=2).stderr


def test_a_token_has_one_of_the_known_scopes(run: Any) -> None:
    """The scopes that the command takes are those that the service knows."""
    for scope in Scope:
        run("token", "create", f"t-{scope}", "--scope", scope.value)
    assert "emperor" in run("token", "create", "t", "--scope", "emperor", code=2).output
