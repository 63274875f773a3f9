"""Onsets with an interval: from standings to verdicts, and incidents that were written before."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np

from alerts.types import AlertKind, Incident, Severity
from detectors.evidence.engine import StepResult
from detectors.streams import StreamKey
from monitor.checks.judge import Onset, Rules, Standing, standings, verdicts
from vigil.types import WHOLE, Cause, Effect, Outcome, utc

STREAM = StreamKey("m", "prod", WHOLE, "sharpness")
RULES = Rules(tolerances={}, objectives={}, threshold=43_200.0)


def standing(best: int = 100, first: int = 98, last: int = 103) -> Standing:
    return Standing(
        stream=STREAM,
        z=8.0,
        evidence=1e6,
        onset_tick=best,
        onset_first=first,
        onset_last=last,
        provisional=False,
        exceeded=True,
    )


def test_an_onset_is_a_span_of_time():
    """From the start of the earliest window to the end of the latest."""
    onset = Onset.of(standing(), 105, 60.0)
    assert onset == Onset(at=utc(99 * 60), first=utc(97 * 60), last=utc(103 * 60))


def test_an_onset_lies_in_its_interval_and_before_now():
    """An estimate outside its interval widens it; the interval never ends in the future."""
    onset = Onset.of(standing(best=100, first=101, last=99), 105, 60.0)
    assert onset.first <= onset.at < onset.last
    assert Onset.of(standing(last=110), 103, 60.0).last == utc(103 * 60)


def test_what_came_late_began_in_its_window():
    """Late windows have a span of their own."""
    assert Onset.at_tick(100, 60.0) == Onset(
        at=utc(99 * 60), first=utc(99 * 60), last=utc(100 * 60)
    )


def test_verdicts_carry_the_interval():
    """For whoever reads the verdict alone."""
    effect = Effect(value=0.5, low=0.4, high=0.6, tolerance=0.15, unit="KS distance", records=900)
    onset = Onset.of(standing(), 105, 60.0)
    said = verdicts(
        [standing()],
        {STREAM: effect},
        version="v1",
        rules=RULES,
        at=utc(105 * 60),
        onsets={STREAM: onset},
    )
    assert [(v.outcome, v.onset, v.onset_first, v.onset_last) for v in said] == [
        (Outcome.DRIFTED, onset.at, onset.first, onset.last)
    ]


def test_standings_read_the_step():
    """Each column of a step lands in its own field."""
    result = StepResult(
        streams=(STREAM,),
        z=np.array([1.5]),
        p=np.array([0.1]),
        evidence=np.array([7.0]),
        log_evidence=np.log([7.0]),
        onset_tick=np.array([100]),
        onset_first=np.array([98]),
        onset_last=np.array([101]),
        provisional=np.array([True]),
        exceeded=np.array([False]),
    )
    (found,) = standings(result)["m", "prod"]
    assert (found.z, found.evidence) == (1.5, 7.0)
    assert (found.onset_first, found.onset_tick, found.onset_last) == (98, 100, 101)
    assert (found.provisional, found.exceeded) == (True, False)


def test_messages_written_before_the_interval_are_read():
    """The outbox may hold some across an upgrade."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    incident = Incident(
        id=1,
        group_key="g",
        fingerprint="f",
        kind=AlertKind.UNKNOWN,
        cause=Cause.UNKNOWN,
        severity=Severity.WARNING,
        model="m",
        model_version="v1",
        deployment="prod",
        slice=WHOLE,
        title="t",
        onset_at=now,
        onset_first_at=now - timedelta(minutes=2),
        onset_last_at=now + timedelta(minutes=1),
        detected_at=now,
        last_firing_at=now,
    )
    plain = incident.to_json()
    assert Incident.from_json(plain) == incident
    del plain["onset_first_at"], plain["onset_last_at"]
    assert Incident.from_json(plain).onset_first_at is None
