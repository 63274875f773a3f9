"""Now and then a tick keeps what could be found on each stream."""

from __future__ import annotations

import small_fleet as fleet

from monitor.checks import coverage
from monitor.store.tables import CoverageRow


def test_a_tick_in_thirty_keeps_what_could_be_found(lone_story: fleet.Story):
    """Every stream of the model has its history; the model's row is overwritten, not added to."""
    story = lone_story
    first = -(-(fleet.FIRST + 1) // coverage.EVERY_TICKS) * coverage.EVERY_TICKS
    story.play(first - fleet.FIRST)
    assert story.rows(CoverageRow) == []
    story.play(1)
    (row,) = story.rows(CoverageRow)
    assert row.at == fleet.at(first)
    with story.services.sessions() as session:
        found = coverage.read(session, row.model, row.deployment)
    assert {"sharpness", "embedding"} <= {one.signal for one in found}
    assert {one.slice for one in found} >= {"all traffic"}
    assert all(one.history > 0 and one.needed == row.needed for one in found)
