"""A page reads in the order that a person at 3 a.m. needs, in plain words and true figures."""

from __future__ import annotations

from datetime import timedelta

import pytest

from alerts import incidents
from alerts.severity import severity_of
from alerts.text import compose, headline, story
from alerts.types import AlertKind, MessageEvent, Severity
from alerts.wording import clock_time, duration, finding_words, number, slice_name
from vigil.types import WHOLE, Effect, SignalKind, Slice

CAMERA = Slice((("camera", "north-2"),))


def written(incident, event=MessageEvent.TRIGGER, **values):
    return compose(
        incident,
        event=event,
        id="one",
        now=incident.detected_at,
        base_url="http://vigil:8080/",
        **values,
    )


def test_a_page_answers_the_six_questions(make_incident):
    """What, where, since when, how sure, what vigil does, what you do."""
    incident = make_incident(
        labels={"previous_version": "v1", "release_started_at": "2026-03-01T02:58:25+00:00"}
    )
    page = written(incident, done=["Rolled back to v1."], todo="Check that v1 serves.")
    assert page.what == (
        "Confidence fell from 0.97 to 0.71 (62% of images affected, 55 to 69%; tolerated 15%).",
    )
    assert page.where == "all traffic of meter-reader v2 in production"
    assert page.since == "02:58:30 UTC, 1 min 30 s ago; 5 s after v2 was released"
    assert page.how_sure == (
        "Very sure: chance alone gets this far once in 17 years (a page needs 60 days). "
        "Cause: v1 was healthy on the same traffic."
    )
    assert page.done == ("Rolled back to v1.",)
    assert page.next == "vigil keeps watching and tells you here what changes."
    assert page.todo == "Check that v1 serves."
    assert page.runbook_url == "http://vigil:8080/runbooks/model_regression?incident=7"
    assert page.incident_url == "http://vigil:8080/incidents/7"


def test_a_resolved_page_tells_how_long_each_step_took(incident):
    """And asks for nothing at night."""
    at = incident.detected_at
    now = incidents.page_sent(incident, at=at + timedelta(seconds=2), receiver="x").incident
    now = incidents.recovered(now, at=at + timedelta(minutes=5), text="ok").incident
    now = incidents.resolve(now, at=at + timedelta(minutes=6), actor="vigil").incident
    assert story(now) == (
        "detected after 1 min 30 s",
        "paged after 1 min 32 s",
        "recovered after 6 min 30 s",
    )
    page = written(now, MessageEvent.RESOLVE)
    assert page.headline == "Resolved: meter-reader v2 is worse than v1"
    assert page.since == "02:58:30 UTC, until 03:06:00 UTC (7 min 30 s)"
    assert page.todo.startswith("Nothing now.")


@pytest.mark.parametrize("kind", list(AlertKind))
def test_every_kind_has_a_headline_of_one_line(kind, make_finding):
    """It names the model, and fits the strictest receiver (150 characters)."""
    line = headline(
        kind=kind,
        model="meter-reader",
        version="v2",
        slice=CAMERA,
        findings=[make_finding()],
        labels={"previous_version": "v1"},
    )
    assert len(line) <= 150
    assert "\n" not in line
    assert "meter-reader" in line or kind is AlertKind.VIGIL_SELF


def test_a_headline_leads_with_the_signal_that_shows_the_cause(make_finding, make_effect):
    """An input fault shows in the image, whatever else moved more."""
    findings = [
        make_finding(slice=CAMERA, effect=make_effect(0.9)),
        make_finding(
            "sharpness",
            kind=SignalKind.IMAGE,
            slice=CAMERA,
            effect=make_effect(0.4),
            before=1.213,
            now=0.431,
        ),
    ]
    line = headline(
        kind=AlertKind.INPUT_FAULT,
        model="meter-reader",
        version="v1",
        slice=CAMERA,
        findings=findings,
        labels={},
    )
    assert line == (
        "Bad images from camera north-2 reach meter-reader: sharpness fell from 1.21 to 0.43"
    )


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (
            {
                "signal": "latency_s",
                "effect": Effect(
                    value=0.034, low=0.021, high=0.047, tolerance=0, unit="s", records=9
                ),
            },
            "p99 latency is 34 ms over its objective (21 ms to 47 ms)",
        ),
        (
            {
                "signal": "accuracy",
                "effect": Effect(
                    value=0.12, low=0.08, high=0.16, tolerance=0.05, unit="", records=9
                ),
            },
            "accuracy fell by 12 points (8 to 16, tolerated 5 points)",
        ),
        (
            {
                "signal": "embedding",
                "before": None,
                "now": None,
                "effect": Effect(
                    value=0.31, low=0.28, high=0.4, tolerance=0.15, unit="", records=9
                ),
            },
            "embeddings moved (by 0.31 MMD, tolerated 0.15)",
        ),
        (
            {
                "signal": "embedding",
                "novel": True,
                "effect": Effect(value=0.31, low=0.28, high=0.4, tolerance=0.1, unit="", records=9),
            },
            "embeddings are unlike anything in the baseline "
            "(31% of images affected, 28 to 40%; tolerated 10%)",
        ),
        ({"effect": None, "reason": "98% of frames are black"}, "98% of frames are black"),
        ({"effect": None}, "confidence is out of bounds"),
        (
            {"before": None, "now": None, "slice": CAMERA},
            "confidence changed on camera north-2 "
            "(62% of images affected, 55 to 69%; tolerated 15%)",
        ),
    ],
)
def test_effects_are_put_in_the_unit_that_means_something(make_finding, values, words):
    """Milliseconds, points, shares of images."""
    assert finding_words(make_finding(**values), beside=WHOLE) == words


def test_rules_provisional_verdicts_and_endless_evidence_are_named(make_incident, make_finding):
    """No statistics are claimed where none were used; infinity is not printed."""
    rule = written(make_incident(findings=(make_finding(threshold=0.0),), reasons=()))
    assert rule.how_sure == "Certain: a plain rule was broken, no statistics involved."
    young = written(make_incident(findings=(make_finding(provisional=True),)))
    assert "Provisional: little history" in young.how_sure
    for evidence in (1e30, float("inf")):
        huge = written(make_incident(findings=(make_finding(evidence=evidence),)))
        assert "does not get this far in a thousand years" in huge.how_sure


def test_names_in_links_are_quoted(make_incident):
    """A model may be called anything."""
    page = written(make_incident(model="a/b c", runbook="x?y"))
    assert page.links[0].href == "http://vigil:8080/models/a%2Fb%20c/production"
    assert page.runbook_url == "http://vigil:8080/runbooks/x%3Fy?incident=7"


@pytest.mark.parametrize("released", ["nonsense", "2026-03-01T02:58:25", ""])
def test_a_release_time_that_can_not_be_read_is_left_out(make_incident, released):
    """A page goes out whatever the labels hold."""
    page = written(make_incident(labels={"release_started_at": released}))
    assert page.since == "02:58:30 UTC, 1 min 30 s ago"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0 s"),
        (0.42, "0.4 s"),
        (9.98, "10 s"),
        (59.7, "60 s"),
        (90, "1 min 30 s"),
        (3600, "1 h"),
        (7300, "2 h 1 min"),
        (266400, "3 days 2 h"),
        (366 * 86400, "1 year"),
        (9e9, "285 years"),
    ],
)
def test_durations_have_two_units_at_most(seconds, text):
    """A person sees the size at a glance."""
    assert duration(seconds) == text


def test_small_words(incident):
    """Numbers, dates and slices."""
    assert [number(x) for x in (0, 0.7123, 0.0123, 12345.6)] == ["0", "0.71", "0.012", "12 346"]
    assert slice_name(Slice((("site", "a"), ("camera", "b")))) == "site a, camera b"
    next_day = incident.detected_at + timedelta(days=1)
    assert clock_time(incident.detected_at, beside=next_day) == "2026-03-01 03:00:00 UTC"


def test_severity_grows_with_reach_and_size(make_finding, make_effect):
    """A slice a little off warns; far off or everywhere is worse; provisional is one less."""
    mild, far = [make_finding(effect=make_effect(0.3))], [make_finding(effect=make_effect(0.7))]
    kind = AlertKind.INPUT_FAULT
    assert severity_of(kind, CAMERA, mild) is Severity.WARNING
    assert severity_of(kind, CAMERA, far) is Severity.ERROR
    assert severity_of(kind, WHOLE, mild) is Severity.CRITICAL
    assert severity_of(kind, WHOLE, mild, provisional=True) is Severity.ERROR
    assert severity_of(kind, CAMERA, mild, provisional=True) is Severity.WARNING
    pages = set(AlertKind) - {AlertKind.BASELINE_DRIFT}
    assert all(severity_of(each, WHOLE, []).rank >= 1 for each in pages)
