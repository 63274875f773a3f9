"""People accept what an incident found as the new normal."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import small_fleet as fleet
from typer.testing import CliRunner

from detectors.evidence.engine import FleetEvidence
from monitor.response import people
from monitor.response.accept import accept
from monitor.store.tables import AuditRow, IncidentRow, StateRow, TimelineRow
from vigil.errors import ConflictError, NotFoundError, VigilError

NEW_SITE = fleet.Scene(cameras=(*fleet.CAMERAS, *fleet.NEW_CAMERAS), unfamiliar=4.0)


@pytest.fixture
def story(sqlite_url: str) -> Iterator[fleet.Story]:
    """With an incident: a new site shows what the model never saw."""
    for told in fleet.story(sqlite_url):
        while not told.incidents:
            told.play(1, NEW_SITE)
        yield told


def take(story: fleet.Story, number: int = 1, reason: str = "the west site stays") -> None:
    with story.services.sessions.begin() as session:
        accept(
            session,
            number,
            reason=reason,
            settings=story.services.settings,
            actor="ann",
            at=story.clock.now(),
            announcer=story.works.announcer,
        )


def test_what_was_accepted_pages_no_more_and_the_rest_is_still_watched(
    story: fleet.Story,
) -> None:
    """The tick in memory takes the stored evidence over; another fault is found as before."""
    take(story)
    story.play(12, NEW_SITE)
    assert [row.state for row in story.incidents] == ["resolved"]
    blurred = fleet.Scene(cameras=NEW_SITE.cameras, unfamiliar=4.0, blurred="s1")
    story.play(30, blurred, until=lambda: len(story.incidents) > 1)
    assert "s1" in story.incidents[1].slice


def test_an_incident_that_was_only_resolved_still_fires_and_pages_nobody(
    story: fleet.Story,
) -> None:
    """What accepting is for: the streams of a resolved one still expect the old. A person closed
    it, so nobody is told until something changes."""
    with story.services.sessions.begin() as session:
        people.resolve(session, 1, actor="ann", at=story.clock.now())

    def unheard() -> list[str]:
        rows = story.rows(TimelineRow)
        return [one.text for one in rows if one.data.get("stage") == "dismissed"]

    story.play(30, NEW_SITE, until=lambda: bool(unheard()))
    assert "nothing has changed since" in unheard()[0]
    assert [row.state for row in story.incidents] == ["resolved"]
    story.outbox.deliver_due()
    assert story.notes.events.count("trigger") == 1


def test_accepting_is_written_down(story: fleet.Story) -> None:
    """Who and why, in the audit and in the timeline; the receivers hear of the end."""
    take(story)
    (row,) = story.incidents
    assert (row.state, row.disposition) == ("resolved", "expected")
    (audit,) = (one for one in story.rows(AuditRow) if one.what == "incident accepted")
    assert (audit.actor, audit.data["reason"]) == ("ann", "the west site stays")
    assert audit.data["streams"] > 0
    kinds = [one.kind for one in story.rows(TimelineRow)]
    assert [kinds.count(kind) for kind in ("accepted", "disposition", "resolved")] == [1, 1, 1]
    story.outbox.deliver_due()
    assert story.notes.events[-1] == "resolve"


def evidence(story: fleet.Story) -> bytes:
    """The change track's state, of the tracks'."""
    return {row.name: row for row in story.rows(StateRow)}["evidence"].blob


def test_a_refusal_changes_nothing(story: fleet.Story) -> None:
    """No reason, no such incident, a plain rule, or one that is over."""
    before = evidence(story)
    with pytest.raises(VigilError, match="a reason"):
        take(story, reason=" ")
    with pytest.raises(NotFoundError):
        take(story, number=99)
    with story.services.sessions.begin() as session:
        session.get_one(IncidentRow, 1).kind = "hard_fault"
    with pytest.raises(VigilError, match="plain rule"):
        take(story)
    with story.services.sessions.begin() as session:
        people.resolve(session, 1, actor="ann", at=story.clock.now())
        session.get_one(IncidentRow, 1).kind = "domain_shift"
    with pytest.raises(ConflictError):
        take(story)
    assert evidence(story) == before
    assert FleetEvidence.from_bytes(before).held


def test_the_command_line_accepts(
    story: fleet.Story, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from monitor.cli.app import app

    config = tmp_path / "vigil.toml"
    config.write_text(f'[service]\ndatabase = "{story.database}"\n\n[[models]]\nname = "digits"\n')
    monkeypatch.setenv("VIGIL_CONFIG", str(config))
    result = CliRunner().invoke(app, ["incidents", "accept", "1", "--reason", "it stays"])
    assert (result.exit_code, story.incidents[0].state) == (0, "resolved"), result.output
