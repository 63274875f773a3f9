"""Recovered is what is surely small, at each of the last m ticks; labels can only object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
import small_fleet as fleet
from rsp_stage import a_finding, an_effect, an_incident

from detectors.streams import StreamKey
from monitor.checks.recent import KEPT_TICKS, RecentTicks, Seen
from monitor.response.recovery import after_action, by_itself, no_better_since, tick_after
from vigil.types import Effect, SignalKind, Slice
from vigil.windows.summary import Summary

FAMILY = (fleet.MODEL, fleet.DEPLOYMENT)
CAMERA = Slice((("camera", "n1"),))


def ring(ticks: Sequence[int], version: str = "v1") -> RecentTicks:
    recent = RecentTicks()
    layout = fleet.baseline("v1").ruler.layout
    for tick in ticks:
        seen = Seen(
            tick=tick, version=version, ruler="r", summary=Summary.empty(layout), outcomes=None
        )
        recent.add(FAMILY, tick, [seen])
    return recent


class Measured:
    """Measures as told: ``effects`` by signal, or a function of the last tick that was summed."""

    def __init__(self, effects: Mapping[str, Effect | None], at: Mapping[int, Effect] = {}) -> None:
        self.effects, self.at = effects, at
        self.asked: list[StreamKey] = []

    def __call__(
        self, seen: Sequence[Seen], streams: Sequence[StreamKey]
    ) -> Mapping[StreamKey, Effect]:
        self.asked = list(streams)
        last = max(one.tick for one in seen)
        found = {s: self.at.get(last, self.effects.get(s.signal)) for s in streams}
        return {stream: effect for stream, effect in found.items() if effect is not None}


SMALL, WIDE, LARGE = an_effect(0.05), an_effect(0.10, spread=0.10), an_effect(0.5)


def after(measure, incident=None, *, ticks=range(100, 110), windows: int = 3, version="v1"):
    return after_action(
        incident or an_incident(),
        ring(ticks),
        measure,
        version=version,
        since_tick=ticks[0],
        tick=ticks[-1],
        windows=windows,
    )


def hopeless(measure, *, ticks=range(100, 110), windows: int = 3):
    return no_better_since(
        an_incident(),
        ring(ticks),
        measure,
        version="v1",
        since_tick=ticks[0],
        tick=ticks[-1],
        windows=windows,
    )


def test_what_is_surely_beyond_tolerance_at_each_look_is_no_better_and_says_so():
    health = hopeless(Measured({"confidence": LARGE}))
    assert health is not None
    assert health.text.startswith("v1: confidence on all traffic drifts by 0.50, at least 0.45")


@pytest.mark.parametrize("effect", [SMALL, WIDE, None])
def test_what_may_be_within_tolerance_is_not_called_hopeless(effect: Effect | None):
    assert hopeless(Measured({"confidence": effect})) is None


@pytest.mark.parametrize("back", range(3))
def test_one_better_look_of_the_last_m_leaves_hope(back: int):
    assert hopeless(Measured({"confidence": LARGE}, {109 - back: WIDE})) is None


def test_a_small_upper_bound_is_recovered_and_says_so():
    health = after(Measured({"confidence": SMALL}))
    assert health.recovered
    assert health.text.startswith("v1: confidence on all traffic drifts by 0.05, at most 0.10")


@pytest.mark.parametrize("effect", [WIDE, LARGE])
def test_what_may_still_be_beyond_tolerance_is_not_recovered(effect: Effect):
    """An interval that is too wide proves nothing, however small the estimate."""
    assert not after(Measured({"confidence": effect})).recovered


def test_it_must_have_lasted_for_m_windows():
    measure = Measured({"confidence": SMALL})
    assert not after(measure, ticks=range(100, 102)).recovered
    assert after(measure, ticks=range(100, 103)).recovered


@pytest.mark.parametrize("back", [0, 1, 2])
def test_each_of_the_last_m_looks_must_be_healthy(back: int):
    measure = Measured({"confidence": SMALL}, at={109 - back: LARGE})
    assert not after(measure).recovered


def test_a_look_before_the_last_m_does_not_matter():
    assert after(Measured({"confidence": SMALL}, at={106: LARGE})).recovered


def test_traffic_of_the_bad_version_proves_nothing():
    health = after(Measured({"confidence": SMALL}), version="v9")
    assert (health.recovered, health.text) == (False, "nothing was seen yet")


def quality(value: float) -> dict[str, Effect]:
    return {"confidence": SMALL, "accuracy": an_effect(value)}


def with_labels():
    return an_incident(
        findings=(a_finding(), a_finding("accuracy", kind=SignalKind.QUALITY)),
    )


def test_quality_can_object():
    assert not after(Measured(quality(0.4)), with_labels()).recovered


@pytest.mark.parametrize("value", [0.0, 0.15, 0.19])
def test_quality_that_is_not_surely_bad_does_not_hold_it_up(value: float):
    """Labels come late: an interval that holds the tolerance is no objection."""
    assert after(Measured(quality(value)), with_labels()).recovered


def test_quality_without_a_label_yet_does_not_hold_it_up():
    assert after(Measured({"confidence": SMALL}), with_labels()).recovered


def test_quality_alone_never_proves_recovery():
    only = an_incident(findings=(a_finding("accuracy", kind=SignalKind.QUALITY),))
    assert not after(Measured({"accuracy": SMALL}), only).recovered


def test_the_findings_of_the_named_slice_decide():
    """What was beyond tolerance around it need not be quiet."""
    own = a_finding("sharpness", kind=SignalKind.IMAGE, slice=CAMERA)
    incident = an_incident(slice=CAMERA, findings=(own, a_finding("brightness")))
    measure = Measured({"sharpness": SMALL, "brightness": LARGE})
    assert after(measure, incident).recovered
    assert [stream.signal for stream in measure.asked] == ["sharpness"]


def itself(measure, *, onset: int, tick: int, first: int | None = None):
    start = first if first is not None else max(onset - 5, tick - KEPT_TICKS + 1)
    return by_itself(
        an_incident(),
        ring(range(start, tick + 1)),
        measure,
        onset_tick=onset,
        tick=tick,
        windows=3,
    )


def test_no_look_reaches_back_to_the_onset():
    measure = Measured({"confidence": SMALL})
    assert not itself(measure, onset=100, tick=106).recovered
    assert itself(measure, onset=100, tick=107).recovered


def test_longer_stretches_are_tried_until_the_interval_is_narrow_enough():
    class Narrowing(Measured):
        def __call__(self, seen, streams):
            self.lengths.append(len(seen))
            return super().__call__(seen, streams)

    calls: list[int] = []

    def measure(seen, streams):
        calls.append(1)
        return dict.fromkeys(streams, SMALL if len(calls) > 4 else WIDE)

    assert itself(measure, onset=100, tick=140).recovered


def test_the_first_tick_after_a_moment_begins_after_it():
    assert tick_after(100.0, 1.0) == 101
    assert tick_after(100.2, 1.0) == 102
    assert tick_after(6000.0, 60.0) == 101
