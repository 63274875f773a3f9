"""One budget of false pages: each track has its share, and a guardrail is over when it is kept."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from alerts.types import Finding
from detectors.streams import StreamKey
from monitor.checks.drift_track import Cadence, Guardrails, crossings
from monitor.checks.recent import Seen
from monitor.response.recovery import by_itself
from monitor.schedule.late_labels import LabelTracks
from monitor.settings.schema import RESERVE, Budget, Guardrail, Settings, WatchedModel
from vigil.types import WHOLE, Effect, SignalKind

TICKS = 43_200.0
RAIL = Guardrail(slice="all traffic", signal="sharpness", margin=0.1)
GUARDED = StreamKey("m", "p", WHOLE, "sharpness")
OTHER = StreamKey("m", "p", WHOLE, "brightness")


def settings() -> Settings:
    model = WatchedModel(name="m", deployment="p", keys=(), guardrails=(RAIL,))
    return Settings(budget=Budget(false_pages=1.0, per_days=30.0), models=(model,))


def effect(low: float, value: float, high: float, tolerance: float = 0.1) -> Effect:
    return Effect(
        value=value, low=low, high=high, tolerance=tolerance, unit="KS distance", records=500
    )


def crossed(evidence: float) -> dict[StreamKey, float]:
    """What the drift track says of a guarded and a free stream, by the threshold that held."""
    made = settings()
    threshold = Cadence.of(made).threshold
    track = SimpleNamespace(
        threshold=threshold,
        recent=lambda streams, _: [effect(0.2, 0.3, 0.4) for _ in streams],
        reach=lambda _: 1.0,
    )
    result = SimpleNamespace(
        streams=(GUARDED, OTHER),
        evidence=_Column([evidence * threshold] * 2),
        exceeded=[evidence >= 1.0] * 2,
    )
    found = crossings(track, result, Guardrails(made), lambda _: 0.1)
    return {one.stream: one.threshold / threshold for each in found.values() for one in each}


class _Column(list):
    def tolist(self):
        return list(self)


def test_the_pages_of_all_tracks_stay_within_the_budget():
    """One false page in A ticks: the sum of one over each track's threshold, in ticks; changes keep
    a reserve beyond theirs."""
    made = settings()
    change = RESERVE / made.threshold_ticks
    labels = 1.0 / LabelTracks(made, None)._threshold
    cadence = Cadence.of(made)
    pages = crossed(25.0)[GUARDED] * cadence.threshold * cadence.every
    assert change + 2 * labels + 1.0 / pages == pytest.approx(1.0 / TICKS)


def test_a_guardrail_waits_for_its_share_and_a_ticket_does_not():
    """Twenty times the evidence wakes people, once is enough for a ticket."""
    assert crossed(0.9) == {}
    assert set(crossed(19.0)) == {OTHER}
    assert set(crossed(21.0)) == {GUARDED, OTHER}


@pytest.mark.parametrize(("margin", "over"), [(0.1, True), (0.02, False)])
def test_a_guardrail_is_over_when_its_own_margin_is_kept(margin, over):
    """The model's tolerance may be larger: kept, it would close what pages again in an hour."""
    finding = Finding(
        signal="sharpness",
        kind=SignalKind.IMAGE,
        slice=WHOLE,
        effect=effect(0.15, 0.2, 0.25, tolerance=margin),
        evidence=1e6,
        threshold=1e5,
        novel=False,
        provisional=False,
    )
    incident = SimpleNamespace(model="m", deployment="p", slice=WHOLE, findings=(finding,))
    seen = Seen(tick=1, version="v1", ruler="r", summary=None, outcomes=None)
    recent = SimpleNamespace(between=lambda *_, **__: {"v1": seen})
    health = by_itself(
        incident,
        recent,
        lambda _, streams: {one: effect(0.03, 0.04, 0.05) for one in streams},
        onset_tick=0,
        tick=100,
        windows=3,
    )
    assert health.recovered is over
