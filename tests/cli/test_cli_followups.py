"""Runbook steps, corrective actions and post-mortems from the command line."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from incident_rows import incident_row

from monitor.store.database import Sessions, open_engine

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@pytest.fixture
def incident(run: Any, config: Path) -> str:
    run("db", "upgrade")
    engine = open_engine(f"sqlite:///{config.parent / 'vigil.db'}")
    with Sessions(engine).begin() as session:
        session.add(incident_row(NOW))
    engine.dispose()
    return "1"


def test_a_step_is_ticked_once_and_can_be_taken_back(run: Any, incident: str) -> None:
    assert "input_fault step 2: done" in run("runbooks", "tick", incident, "2").stdout
    assert "done before" in run("runbooks", "tick", incident, "2").stdout
    shown = run("runbooks", "show", "input_fault", "--incident", incident).stdout
    assert "step 2 done by" in shown
    assert "camera c7" in shown
    assert "taken back" in run("runbooks", "tick", incident, "2", "--undo").stdout
    assert (
        "step 2 done by"
        not in run("runbooks", "show", "input_fault", "--incident", incident).stdout
    )
    assert "from 1 to 9" in run("runbooks", "tick", incident, "77", code=2).stderr
    assert "none of that number" in run("runbooks", "tick", "99", "1", code=2).stderr
    assert "no page" not in run("runbooks", "tick", incident, "1", "--runbook", "gpu").stdout


def test_corrective_actions_are_followed(run: Any, incident: str) -> None:
    run("followups", "add", incident, "clean lenses", "--owner", "kim", "--due", "2020-01-01")
    run("followups", "add", incident, "train with dirt")
    listed = json.loads(run("followups", "list", "--json").stdout)
    assert [(one["number"], one["state"]) for one in listed] == [
        ("F-1", "overdue"),
        ("F-2", "open"),
    ]
    run("followups", "done", "1", "--note", "all twelve")
    assert "done already" in run("followups", "done", "1", code=2).stderr
    assert "reason" in run("followups", "drop", "2", "--note", " ", code=2).stderr
    run("followups", "drop", "2", "--note", "too costly")
    assert "Nothing is left" in run("followups", "list").stdout
    assert len(json.loads(run("followups", "list", "--all", "--json").stdout)) == 2
    story = run("incidents", "show", incident).stdout
    assert "To do, F-1 (kim, by 2020-01-01): clean lenses" in story
    assert "Dropped, F-2 (train with dirt): too costly" in story


@pytest.mark.parametrize(("form", "count"), [("md", 1), ("html", 1)])
def test_a_post_mortem_is_written(
    run: Any, incident: str, tmp_path: Path, form: str, count: int
) -> None:
    out = tmp_path / "out"
    told = run("incidents", "export", incident, "--format", form, "--out", str(out), "--json")
    files = json.loads(told.stdout)["files"]
    assert files == [str(out / f"incident-1.{form}")]
    assert len(list(out.iterdir())) == count
    assert "Camera c7 lost focus" in Path(files[0]).read_text()
    run("incidents", "export", "99", code=2)


def test_the_check_reports_pages_that_nobody_reviewed(run: Any, config: Path) -> None:
    """With its page and fault, and an exit code for pipelines."""
    config.write_text("runbook_review_days = 36500.0\n" + config.read_text())
    assert "all were reviewed" in run("runbooks", "check").stdout
    own = config.parent / "pages"
    own.mkdir()
    (own / "old.md").write_text(
        '+++\ntitle = "Old"\nalerts = []\nowner = "x"\nseverity = "info"\n'
        'last_reviewed = 1900-01-01\nfirst_step = "Look."\n+++\n\n1. Run `vigil stats`.\n'
    )
    config.write_text(f'runbooks = "{own}"\n' + config.read_text())
    found = json.loads(run("runbooks", "check", "--json", code=1).stdout)
    assert {(one["page"], one["fault"]) for one in found} == {
        ("old", "not_reviewed"),
        ("old", "unknown_command"),
    }
