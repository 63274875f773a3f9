"""A scalar whose values spread, through the tick to the page: one finding, in words."""

from __future__ import annotations

import pytest
import small_fleet as fleet

from monitor.ingest.receipts import LabelIn
from monitor.store.tables import OutboxRow, SignalPointRow, VerdictRow
from vigil.windows.window import Window


class Flickering(fleet.Story):
    """Brightness on every camera lies ``wider`` times as far from the camera's own look."""

    wider = 1.0

    def windows(
        self,
        tick: int,
        scene: fleet.Scene = fleet.HEALTHY,
        source: str = "host-1",
        *,
        label: bool = False,
    ) -> tuple[list[Window], list[LabelIn]]:
        recorder = self.recorders.setdefault(source, fleet.recorder_of(source))
        batch, _ = fleet.world().batch(tick, scene, source=source)
        for row, of in enumerate(batch.metadata):
            look = fleet.world().looks[of["site"], of["camera"]][0]
            batch.signals[row, 0] = look + self.wider * (batch.signals[row, 0] - look)
        return [*recorder.add(batch), *recorder.seal(float(tick))], []


@pytest.fixture
def flickering(sqlite_url: str):
    """With a tolerance of 0.03: a spread 1.5 times as large is a KS distance of 0.1."""
    fleet.restore(sqlite_url, fleet.history_rows())
    story = Flickering(sqlite_url, watched={"tolerance": {"brightness": 0.03}})
    yield story
    story.close()


def test_a_spread_half_as_large_again_is_an_input_fault_that_says_so(flickering: Flickering):
    """The mean stays; the change track finds it through the spread, within the hour."""
    story = flickering
    scene = fleet.Scene(per_camera=120)
    story.play(6, scene)
    assert story.incidents == []
    story.wider = 1.5
    story.play(30, scene, until=lambda: bool(story.incidents))
    (incident,) = story.incidents
    assert incident.cause == "input_fault"
    mine = [one for one in incident.findings if one["signal"].startswith("brightness")]
    named = [one for one in mine if one["slice"] == incident.slice]
    assert [one["signal"] for one in named] == ["brightness_spread"]
    assert named[0]["before"] == pytest.approx(0.05, rel=0.1)
    assert named[0]["now"] == pytest.approx(0.075, rel=0.2)
    assert "spread of brightness rose from 0.05" in incident.title
    story.play(10, scene)
    again = [one for one in story.incidents[0].findings if one["slice"] == incident.slice]
    assert len([one for one in again if one["signal"].startswith("brightness")]) == 1
    assert {row.signal for row in story.rows(VerdictRow) if row.outcome == "drifted"} >= {
        "brightness_spread"
    }


def test_points_hold_the_spread_beside_the_mean(flickering: Flickering):
    """The spread's row has the standard deviation where the scalar's has its mean."""
    flickering.play(3)
    row = flickering.rows(SignalPointRow)[-1].values["all traffic"]
    assert row["brightness_spread"][3] == pytest.approx(0.05, rel=0.25)
    assert row["brightness"][3] == pytest.approx(0.5, abs=0.1)
    assert row["brightness_spread"][1] == row["brightness"][1]
    assert flickering.rows(OutboxRow) == []
