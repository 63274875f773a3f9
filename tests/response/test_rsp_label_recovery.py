"""An incident that only labels told of is over when newer labels say so."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import small_fleet as fleet
from rsp_stage import a_finding, an_incident

from monitor.response.label_recovery import only_labels
from vigil.types import SignalKind

WRONG = fleet.Scene(error=0.5)


@pytest.fixture
def story(sqlite_url: str) -> Iterator[fleet.Story]:
    """With an incident: labels say that half of the answers are wrong."""
    for told in fleet.story(sqlite_url):
        told.play(6, label=True)
        while not told.incidents:
            told.play(1, WRONG, label=True)
        yield told


def test_only_quality_counts_as_labels() -> None:
    accuracy = a_finding("accuracy", kind=SignalKind.QUALITY)
    assert only_labels(an_incident(findings=(accuracy,)))
    assert not only_labels(an_incident(findings=(accuracy, a_finding())))
    assert not only_labels(an_incident(findings=()))


def test_it_stays_open_while_labels_are_wrong_and_closes_when_they_are_right(
    story: fleet.Story,
) -> None:
    """Silence of the labels is no proof."""
    story.play(10, WRONG, label=True)
    assert [row.state for row in story.incidents] == ["open"]
    story.play(10)
    assert [row.state for row in story.incidents] == ["open"]
    story.play(60, label=True, until=lambda: story.incidents[0].state == "resolved")
    (row,) = story.incidents
    assert row.state == "resolved"
    assert row.recovered_at is not None
    story.outbox.deliver_due()
    assert story.notes.events[-1] == "resolve"
