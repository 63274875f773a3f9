"""A canary through the running service: from labels to the rollback, and to the end of it all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import small_fleet as fleet

from alerts.actions.targets.registry import LocalRegistry
from monitor.canary import manage
from monitor.store.tables import ActionRow, CanaryRow, IncidentRow

FAMILY = (fleet.MODEL, fleet.DEPLOYMENT)
CANDIDATE = fleet.Scene(version="v2", error=0.4)


@pytest.fixture
def registry(tmp_path: Path) -> LocalRegistry:
    made = LocalRegistry(tmp_path / "registry.json")
    for version in ("v1", "v2"):
        made.promote(*FAMILY, version, actor="ci")
    return made


@pytest.fixture
def story(sqlite_url: str, registry: LocalRegistry) -> Iterator[fleet.Story]:
    """v1 on one host and v2 on another, each with half of the requests."""
    watched = {"rollback": fleet.rollback(registry.path)}
    for told in fleet.story(sqlite_url, watched=watched):
        told.play(3)
        with told.services.sessions.begin() as session:
            manage.start(
                session,
                told.services.settings,
                model=fleet.MODEL,
                deployment=fleet.DEPLOYMENT,
                candidate="v2",
                share=0.5,
                margin=0.05,
                alpha=0.05,
                actor="ci",
                at=told.clock.now(),
            )
        yield told


def both(story: fleet.Story, ticks: int, candidate: fleet.Scene | None) -> None:
    """Windows and labels of both hosts, and all that the service does about them."""
    for _ in range(ticks):
        tick = story.tick + 1
        labels = []
        hosts = [("host-1", fleet.HEALTHY), *([("canary-1", candidate)] if candidate else [])]
        for source, scene in hosts:
            made, known = story.windows(tick, scene, source, label=True)
            story.ship(made)
            labels += known
        story.services.ingest.labels(labels)
        story.to(tick)
        story.works.ticks.run_due()
        story.works.canaries.run_due()
        story.works.actions.run_due()


def canary(story: fleet.Story) -> CanaryRow:
    (row,) = story.rows(CanaryRow)
    return row


def test_a_bad_candidate_is_rolled_back_without_a_person_and_the_incident_ends(
    story: fleet.Story, registry: LocalRegistry
) -> None:
    """The canary is the counterfactual: nobody has to approve. It is over when v2 is gone."""
    for _ in range(40):
        both(story, 1, CANDIDATE)
        if registry.serving(*FAMILY) == "v1":
            break
    assert canary(story).state == "rollback"
    assert registry.serving(*FAMILY) == "v1"
    mine = [row for row in story.incidents if row.labels.get("canary") == str(canary(story).id)]
    (incident,) = mine
    (action,) = [row for row in story.rows(ActionRow) if row.incident_id == incident.id]
    assert action.state == "verifying"
    assert "canary" in action.decision["interlock"]["text"]
    both(story, 2, CANDIDATE)
    assert story.rows(ActionRow)[0].state == "verifying", "v2 answers still"
    both(story, 8, None)
    (action,) = [row for row in story.rows(ActionRow) if row.incident_id == incident.id]
    assert action.state == "recovered"
    (over,) = [row for row in story.rows(IncidentRow) if row.id == incident.id]
    assert over.state == "resolved"
    assert "v2 answers no more" in action.result["proof"]


def test_an_equal_candidate_is_left_alone(story: fleet.Story, registry: LocalRegistry) -> None:
    both(story, 25, fleet.Scene(version="v2"))
    assert canary(story).state in ("running", "accept")
    assert canary(story).units >= 200
    assert registry.serving(*FAMILY) == "v2"
    assert story.rows(ActionRow) == []
