"""A page is about what is still so: the newest windows must be beyond the tolerance themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from detectors.streams import StreamKey
from monitor.checks.judge import Standing, newest_of, outcome_of
from monitor.checks.newest import newest_effects
from vigil.types import WHOLE, Effect, Outcome

STREAM = StreamKey("m", "prod", WHOLE, "sharpness")
OTHER = StreamKey("m", "prod", WHOLE, "brightness")
STANDING = Standing(
    stream=STREAM,
    z=40.0,
    evidence=1e9,
    onset_tick=97,
    onset_first=97,
    onset_last=97,
    provisional=False,
    exceeded=True,
)


def effect(low: float, *, records: int = 1000) -> Effect:
    return Effect(
        value=low + 0.05, low=low, high=low + 0.1, tolerance=0.15, unit="KS", records=records
    )


class Windows:
    """Effects over the last k windows of each stream, and the spans that were asked for."""

    def __init__(self, **per_window: float) -> None:
        self.per_window = {name: int(many) for name, many in per_window.items()}
        self.asked: list[tuple[int, tuple[str, ...]]] = []

    def __call__(self, first: int, streams: Sequence[StreamKey]) -> Mapping[StreamKey, Effect]:
        self.asked.append((first, tuple(one.signal for one in streams)))
        return {
            one: effect(0.3, records=self.per_window[one.signal] * (100 - first + 1))
            for one in streams
            if self.per_window[one.signal]
        }


@pytest.mark.parametrize(
    ("onset", "first"), [(100, None), (99, 100), (97, 100), (93, 99), (37, 85)]
)
def test_a_quarter_of_the_windows_since_the_onset_decides(onset, first):
    """Rounded up; one window alone is all there is."""
    over = Windows(sharpness=500)
    newest_effects([STREAM], onset=onset, tick=100, over=over)
    assert [start for start, _ in over.asked] == ([] if first is None else [first])


def test_thin_streams_take_more_windows_until_there_are_a_hundred_records():
    """Each stream for itself: a busy one beside it is not asked again."""
    over = Windows(sharpness=30, brightness=500)
    found = newest_effects([STREAM, OTHER], onset=85, tick=100, over=over)
    assert over.asked == [(97, ("sharpness", "brightness"))]
    assert found[STREAM].records == 120
    over = Windows(sharpness=20, brightness=500)
    found = newest_effects([STREAM, OTHER], onset=85, tick=100, over=over)
    assert over.asked == [(97, ("sharpness", "brightness")), (93, ("sharpness",))]
    assert found[STREAM].records == 160


@pytest.mark.parametrize("per_window", [0, 5])
def test_without_enough_records_the_effect_since_the_onset_decides(per_window):
    """Also where the stream went silent after its drift."""
    over = Windows(sharpness=per_window)
    assert newest_effects([STREAM], onset=85, tick=100, over=over) == {}


@pytest.mark.parametrize(
    ("newest", "outcome"),
    [(0.16, Outcome.DRIFTED), (0.15, Outcome.INCONCLUSIVE), (0.0, Outcome.INCONCLUSIVE)],
)
def test_what_is_over_does_not_page_and_says_why(newest, outcome):
    """It stays unsure, so that it pages if it comes back, and ends when its effect is small."""
    said, reason = outcome_of(STANDING, effect(0.3), effect(newest))
    assert said is outcome
    assert ("newest windows" in reason) is (outcome is Outcome.INCONCLUSIVE)


def test_a_stream_without_history_needs_twice_the_tolerance_in_the_newest_windows_too():
    """As in all since the onset."""
    provisional = replace(STANDING, provisional=True)
    assert outcome_of(provisional, effect(0.4), effect(0.2))[0] is Outcome.INCONCLUSIVE
    assert outcome_of(provisional, effect(0.4), effect(0.35))[0] is Outcome.DRIFTED


@pytest.mark.parametrize("low", [0.0, 0.15])
def test_the_newest_windows_of_what_does_not_page_are_not_measured(low):
    """It costs a measurement only before a page."""
    over = Windows(sharpness=500)
    assert newest_of([STANDING], {STREAM: effect(low)}, 100, over) == {}
    assert newest_of([STANDING], {}, 100, over) == {}
    labels = replace(STANDING, check="risk")
    assert newest_of([labels], {STREAM: effect(0.3)}, 100, over) == {}
    assert not over.asked
    assert set(newest_of([STANDING], {STREAM: effect(0.3)}, 100, over)) == {STREAM}
