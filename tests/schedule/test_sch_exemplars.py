"""An incident's exemplars come from its own sample: its slice, its version, since its onset."""

from __future__ import annotations

import small_fleet as fleet

from alerts.types import Incident
from monitor.response.exemplars import exemplars_of


def test_a_blurred_camera_shows_its_least_sharp_records(lone_story: fleet.Story):
    """With their thumbnails; the onset of the incident lies in its interval."""
    story = lone_story
    story.play(5)
    story.play(20, fleet.Scene(blurred="s1"), until=lambda: bool(story.incidents))
    story.play(3, fleet.Scene(blurred="s1"))
    row = story.incidents[0]
    assert row.onset_first_at <= row.onset_at < row.onset_last_at <= row.detected_at
    incident = Incident.from_columns(row)
    with story.services.sessions() as session:
        found = exemplars_of(session, story.services.samples, incident)
    assert "sharpness" in found
    shown = found["sharpness"]
    assert len(shown) == 6
    values = [one.value for one in shown]
    assert values == sorted(values)
    finding = next(f for f in incident.findings if f.signal == "sharpness")
    assert finding.before is not None
    assert max(values) < finding.before
    assert {one.metadata["camera"] for one in shown} == {"s1"}
    assert all(one.pixels is not None and one.pixels.size for one in shown)
    assert all(one.time_s >= row.onset_at.timestamp() for one in shown)
