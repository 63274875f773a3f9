"""After a rollback: recovered, surely no help, or not proved; people hear which."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import small_fleet as fleet

from alerts.actions.targets.registry import LocalRegistry
from monitor.response import people
from monitor.store.tables import ActionRow, IncidentRow, OutboxRow

FAMILY = (fleet.MODEL, fleet.DEPLOYMENT)


@pytest.fixture
def registry(tmp_path: Path) -> LocalRegistry:
    return LocalRegistry(tmp_path / "registry.json")


@pytest.fixture
def rolled_back(sqlite_url: str, registry: LocalRegistry) -> Iterator[fleet.Story]:
    """v2 was worse, a person approved, and the registry says v1 again."""
    for version in ("v1", "v2"):
        registry.promote(*FAMILY, version, actor="ci")
    made = fleet.story(sqlite_url, watched={"rollback": fleet.rollback(registry.path)})
    story = next(made)
    story.play(6)
    story.play(40, fleet.REGRESSED, until=lambda: bool(story.incidents))
    (action,) = story.rows(ActionRow)
    with story.services.sessions.begin() as session:
        people.approve(
            session, action.id, plan_hash=action.plan_hash, actor="ann", at=story.clock.now()
        )
    story.play(8, fleet.REGRESSED, act=True, until=lambda: the(story, ActionRow).state == VERIFYING)
    assert the(story, ActionRow).state == VERIFYING
    assert registry.serving(*FAMILY) == "v1"
    yield story
    story.close()


VERIFYING = "verifying"


def the(story: fleet.Story, table: type) -> ActionRow | IncidentRow:
    (row,) = story.rows(table)
    return row


def looks(story: fleet.Story, scene: fleet.Scene, most: int) -> int:
    """Windows until the rollback is judged."""
    played = story.play(most, scene, until=lambda: the(story, ActionRow).state != VERIFYING)
    return len(played)


def test_health_by_the_same_detector_closes_the_incident_with_its_figures(
    rolled_back: fleet.Story,
):
    needed = looks(rolled_back, fleet.HEALTHY, 15)
    action, incident = the(rolled_back, ActionRow), the(rolled_back, IncidentRow)
    assert (action.state, action.result["helped"]) == ("recovered", "yes")
    assert incident.state == "resolved"
    assert needed >= 3
    assert "at most" in action.result["proof"]
    assert rolled_back.rows(OutboxRow)[-1].event == "resolve"


def test_a_rollback_that_surely_did_not_help_is_told_before_the_time_out(
    rolled_back: fleet.Story,
):
    """v1 drifts as much: the release was not the cause."""
    needed = looks(rolled_back, replace(fleet.HEALTHY, temper=0.3), 19)
    action, incident = the(rolled_back, ActionRow), the(rolled_back, IncidentRow)
    assert (action.state, action.result["helped"]) == ("unproven", "no")
    assert 9 <= needed < 15
    assert "The rollback did not help: v1: " in action.result["text"]
    assert "at least" in action.result["text"]
    assert (incident.state, incident.severity) == ("open", "critical")
    last = rolled_back.rows(OutboxRow)[-1]
    assert (last.event, "did not help" in last.message["note"]) == ("update", True)
    text = rolled_back.services.metrics.text().decode()
    assert 'outcome="did_not_help"' in text


def test_a_rollback_that_reaches_no_source_is_not_proved(rolled_back: fleet.Story):
    """The registry says v1, and v2 goes on."""
    looks(rolled_back, fleet.REGRESSED, 40)
    action, incident = the(rolled_back, ActionRow), the(rolled_back, IncidentRow)
    assert (action.state, action.result["helped"]) == ("unproven", "unproven")
    assert "The rollback has not proved to help: nothing was seen yet" in action.result["text"]
    assert (incident.state, incident.severity) == ("open", "critical")


def test_what_proves_itself_late_is_closed_all_the_same(rolled_back: fleet.Story):
    looks(rolled_back, fleet.REGRESSED, 40)
    rolled_back.play(60, until=lambda: the(rolled_back, IncidentRow).state == "resolved")
    assert the(rolled_back, IncidentRow).state == "resolved"
    assert the(rolled_back, ActionRow).state == "unproven"
