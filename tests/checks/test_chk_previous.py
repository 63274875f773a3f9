"""Was the version before healthy? Also where only labels tell that this one is worse."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import small_fleet as fleet

from detectors.streams import StreamKey
from monitor.checks.diagnose import _surely_better
from monitor.checks.diagnosis import Drift
from vigil.types import WHOLE, Effect

WRONG = fleet.Scene(version="v2", error=0.9)


@pytest.fixture
def story(sqlite_url: str) -> Iterator[fleet.Story]:
    yield from fleet.story(sqlite_url)


def test_a_release_that_only_labels_accuse_is_a_regression(story: fleet.Story) -> None:
    """Its signals look as before; the version before it was right far more often."""
    story.play(5, label=True)
    story.play(40, WRONG, label=True, until=lambda: bool(story.incidents))
    (incident,) = story.incidents
    assert {finding["signal"] for finding in incident.findings} <= {"accuracy", "calibration"}
    assert (incident.cause, incident.model_version) == ("model_regression", "v2")


def loss(low: float, high: float) -> Effect:
    return Effect(
        value=(low + high) / 2,
        low=low,
        high=high,
        tolerance=0.05,
        unit="loss of accuracy",
        records=50,
    )


@pytest.mark.parametrize(
    ("before", "better"),
    [(loss(-0.02, 0.04), True), (loss(-0.2, 0.09), True), (loss(-0.3, 0.3), False), (None, False)],
)
def test_few_labels_do_not_pass_for_health(before: Effect | None, better: bool) -> None:
    """Better only where the intervals are apart; without labels nothing is known."""
    stream = StreamKey("m", "prod", WHOLE, "accuracy")
    drift = Drift(
        stream=stream,
        effect=loss(0.1, 0.3),
        evidence=1e5,
        threshold=1e4,
        novel=False,
        provisional=False,
    )
    found = {} if before is None else {stream: before}
    assert _surely_better(found, [drift], WHOLE) is better
