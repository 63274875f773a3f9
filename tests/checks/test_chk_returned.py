"""A version that is deployed again without an announcement is observed as a release."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
import small_fleet as fleet
from sqlalchemy import select

from monitor.store import releases
from monitor.store.tables import ReleaseRow

V1, V2 = fleet.HEALTHY, fleet.Scene(version="v2")


@pytest.fixture
def story(sqlite_url: str) -> Iterator[fleet.Story]:
    yield from fleet.story(sqlite_url)


def known(story: fleet.Story) -> list[tuple[str, str | None, str]]:
    return [(row.version, row.previous, row.origin) for row in story.rows(ReleaseRow)]


def test_a_version_that_returns_is_a_release_from_its_first_window(story: fleet.Story) -> None:
    """v1, v2 and v1 again, and nobody announced the last."""
    story.play(6, V1)
    story.play(6, V2)
    last = story.tick
    story.play(3, V1)
    assert known(story)[1:] == [("v2", "v1", "observed"), ("v1", "v2", "observed")]
    row = story.rows(ReleaseRow)[-1]
    assert row.started_at == fleet.at(last)
    with story.services.sessions() as session:
        serving = releases.current(session, fleet.MODEL, fleet.DEPLOYMENT, fleet.at(last + 1))
        assert serving is not None
        assert serving.version == "v1"


def test_versions_that_take_turns_are_no_releases(story: fleet.Story) -> None:
    """Both serve: now one has more records, now the other."""
    story.play(6, V1)
    for _ in range(5):
        story.play(1, V2)
        story.play(1, V1)
    assert [one[0] for one in known(story)] == ["v1", "v2"]


def test_an_announced_return_is_not_observed_again(story: fleet.Story) -> None:
    """Its announcement is the release."""
    story.play(6, V1)
    story.play(6, V2)
    with story.services.sessions.begin() as session:
        releases.announce(
            session,
            model=fleet.MODEL,
            deployment=fleet.DEPLOYMENT,
            version="v1",
            actor="ann",
            at=fleet.at(story.tick) + timedelta(milliseconds=1),
        )
    story.play(4, V1)
    with story.services.sessions() as session:
        origins = session.scalars(
            select(ReleaseRow.origin).where(ReleaseRow.version == "v1").order_by(ReleaseRow.id)
        ).all()
    assert origins == ["announced", "announced"]
