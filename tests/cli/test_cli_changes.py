"""What people change from the command line: incidents, actions, releases, the registry."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from incident_rows import incident_row
from sqlalchemy import select
from sqlalchemy.orm import Session

from monitor.store.database import Sessions, open_engine
from monitor.store.tables import ActionRow, AuditRow, IncidentRow, OutboxRow, TimelineRow

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@pytest.fixture
def sessions(run: Any, config: Path) -> Any:
    """A database with one open incident and one rollback that waits for approval."""
    run("db", "upgrade")
    engine = open_engine(f"sqlite:///{config.parent / 'vigil.db'}")
    opened = Sessions(engine)
    with opened.begin() as session:
        session.add(
            incident_row(
                NOW,
                cause="model_regression",
                severity="critical",
                model_version="v2",
                slice="all traffic",
                title="v2 is worse than v1",
            )
        )
        session.flush()
        session.add(
            ActionRow(
                incident_id=1,
                kind="rollback",
                state="waiting",
                plan={"to_version": "v1"},
                plan_hash="abc",
                created_at=NOW,
                updated_at=NOW,
            )
        )
    yield opened
    engine.dispose()


def _told(session: Session) -> None:
    """Someone was paged: who was not told of an incident is not told of its end."""
    session.add(
        OutboxRow(
            dedup_key="told",
            receiver="console",
            incident_id=1,
            event="trigger",
            message={},
            state="delivered",
            created_at=NOW,
            next_attempt_at=NOW,
        )
    )


def _incident(session: Session) -> IncidentRow:
    return session.scalars(select(IncidentRow)).one()


def test_an_incident_is_taken_closed_and_judged(run: Any, sessions: Sessions) -> None:
    """Acknowledge, resolve and disposition move it, tell who was paged, and are audited."""
    with sessions.begin() as session:
        _told(session)
        session.add(TimelineRow(incident_id=1, at=NOW, kind="note", actor="jo", text="On it."))
    run("incidents", "ack", "1")
    with sessions() as session:
        assert _incident(session).state == "acknowledged"
    run("incidents", "resolve", "1", "--note", "lens cleaned")
    run("incidents", "disposition", "1", "true_alarm")
    with sessions() as session:
        row = _incident(session)
        assert (row.state, row.disposition) == ("resolved", "true_alarm")
        events = session.scalars(select(OutboxRow.event).order_by(OutboxRow.id)).all()
        assert events[-1] == "resolve"
        actors = set(session.scalars(select(AuditRow.actor)))
    assert actors
    assert all(actor.endswith("(command line)") for actor in actors)
    told = run("incidents", "show", "1").stdout
    assert "lens cleaned" in told
    assert "note: On it. (by jo)" in told
    (judged,) = (line for line in told.splitlines() if "disposition: " in line)
    assert judged.count("command line") == 1


def test_a_resolve_beats_a_late_acknowledgement(run: Any, sessions: Sessions) -> None:
    """What is resolved can't be taken any more, and stays resolved."""
    run("incidents", "resolve", "1")
    assert "resolved" in run("incidents", "ack", "1", code=2).stderr
    with sessions() as session:
        assert _incident(session).state == "resolved"


def test_a_disposition_is_one_of_three(run: Any, sessions: Sessions) -> None:
    """Another word is refused with the words that there are."""
    assert "false_alarm" in run("incidents", "disposition", "1", "meh", code=2).stderr


def test_an_approval_holds_for_the_plan_that_was_read(run: Any, sessions: Sessions) -> None:
    """Another hash is refused; the right one is kept with who gave it."""
    run("actions", "approve", "1", "xyz", code=2)
    (row,) = json.loads(run("actions", "list", "--json").stdout)
    assert (row["state"], row["plan_hash"]) == ("waiting", "abc")
    run("actions", "approve", "1", "abc")
    with sessions() as session:
        approved = session.scalars(select(ActionRow.approved_by)).one()
    assert approved is not None
    assert approved.endswith("(command line)")


def test_all_actions_can_be_stopped_and_resumed(run: Any, sessions: Sessions) -> None:
    """The switch holds for the fleet, shows in the status, and is audited with its reason."""
    run("actions", "stop", "--reason", "network work")
    assert json.loads(run("status", "--json").stdout)["switches"] == {"actions_stopped": "true"}
    run("actions", "resume")
    assert json.loads(run("status", "--json").stdout)["switches"] == {"actions_stopped": "false"}
    with sessions() as session:
        reasons = [row.data["reason"] for row in session.scalars(select(AuditRow))]
    assert "network work" in reasons


def test_forgetting_a_record_that_is_not_there_is_harmless(run: Any, sessions: Sessions) -> None:
    """Asking is safe, and audited without the id itself."""
    run("forget", "host.boot.12")
    with sessions() as session:
        (row,) = session.scalars(select(AuditRow)).all()
    assert "host.boot.12" not in f"{row.subject} {row.data}"


def test_a_release_is_announced_with_what_it_replaces(run: Any) -> None:
    """The second release knows the first."""
    assert "nothing known" in run("release", "reader", "v1", "--known-good").stdout
    assert "after v1" in run("release", "reader", "v2", "--note", "new resize").stdout
    (row,) = json.loads(run("models", "--json").stdout)
    assert row["version"] == "v2"


def test_the_registry_promotes_and_remembers(run: Any, config: Path) -> None:
    """What serves comes first; a promotion that expects another version is refused."""
    run("registry", "promote", "reader", "v1")
    run("registry", "promote", "reader", "v2", "--expected", "v1")
    assert "v2" in run("registry", "promote", "reader", "v3", "--expected", "v1", code=2).stderr
    found = json.loads(run("registry", "show", "reader", "--json").stdout)
    assert [(row["version"], row["previous"]) for row in found] == [("v2", "v1"), ("v1", None)]
    assert (config.parent / "registry.json").exists()


def test_a_model_without_a_registry_is_told(run: Any, config: Path) -> None:
    """The error names the key that would have to be set."""
    config.write_text(config.read_text().replace('target = "registry"', 'target = "none"'))
    assert "rollback.target" in run("registry", "show", "reader", code=2).stderr


def test_every_alert_has_a_runbook_that_can_be_read(run: Any) -> None:
    """The list, one page, the check; a page that is not there is told."""
    listed = json.loads(run("runbooks", "list", "--json").stdout)
    names = [row["name"] for row in listed]
    assert "input_fault" in names
    assert len(run("runbooks", "show", "input_fault").stdout) > 200
    assert str(len(names)) in run("runbooks", "check").stdout
    assert "nonsense" in run("runbooks", "show", "nonsense", code=2).stderr


def test_a_configuration_without_a_runbook_is_refused(
    run: Any, config: Path, tmp_path: Path
) -> None:
    """A runbook folder that is not there is an error of the configuration."""
    config.write_text(f'runbooks = "{tmp_path / "none"}"\n' + config.read_text())
    assert "runbooks" in run("config", "check", code=2).stderr
