"""An alert finds its incident, and the decision says why."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from alerts import incidents
from alerts.grouping import Belongs, alert_labels, group_key
from alerts.labels import labels_of
from alerts.pipeline.case import Arrival, Case, Known
from alerts.pipeline.stages import Pipeline, Rules
from alerts.silences.matchers import Matcher, Op
from alerts.silences.silence import Silence, SilenceKind
from alerts.types import AlertKind, Severity
from vigil.types import WHOLE, Cause, Slice

PIPELINE = Pipeline(Rules())
CAMERA_1, CAMERA_2 = Slice((("camera", "1"),)), Slice((("camera", "2"),))


def arrival_of(incident, **values):
    made = Arrival(
        fingerprint=incident.fingerprint,
        kind=incident.kind,
        cause=incident.cause,
        severity=Severity.ERROR,
        model=incident.model,
        version=incident.model_version,
        deployment=incident.deployment,
        slice=incident.slice,
        onset=incident.onset_at,
        together=timedelta(seconds=600),
        near=frozenset({incident.id}),
    )
    return replace(made, **values)


def ask(incident, among, *, now=None, silences=(), labels=None, **values):
    arrival = arrival_of(incident, **values)
    known = Known(recent=tuple(among), silences=tuple(silences))
    case = Case(
        at=now or incident.detected_at,
        labels=labels or labels_of(replace(incident, model=arrival.model, slice=arrival.slice)),
        known=known,
        arrival=arrival,
    )
    return PIPELINE.place(case).place or pytest.fail("no place")


def test_the_same_alert_belongs_to_its_open_incident(incident):
    """A fingerprint that an open incident has."""
    answer = ask(incident, [incident])
    assert (answer.belongs, answer.incident) == (Belongs.SAME, incident)


def test_another_slice_of_the_same_cause_joins(incident):
    """Another fingerprint, the same group."""
    answer = ask(incident, [incident], fingerprint="0" * 32)
    assert (answer.belongs, answer.incident) == (Belongs.JOINS, incident)
    assert "meter-reader/production/model_regression" in answer.reason


def test_an_unknown_cause_joins_what_is_open(incident):
    """One fault seen through two signals does not page twice, whenever the second begins."""
    late = incident.detected_at + timedelta(hours=3)
    answer = ask(
        incident,
        [incident],
        fingerprint="0" * 32,
        kind=AlertKind.UNKNOWN,
        cause=Cause.UNKNOWN,
        onset=late,
        now=late,
    )
    assert (answer.belongs, answer.incident) == (Belongs.JOINS, incident)


def test_what_began_with_an_incident_on_its_slice_joins_it(incident):
    """Whatever its cause; ten windows later it is a story of its own."""
    other = {
        "fingerprint": "0" * 32,
        "kind": AlertKind.DOMAIN_SHIFT,
        "cause": Cause.DOMAIN_SHIFT,
    }
    answer = ask(incident, [incident], **other)
    assert (answer.belongs, answer.incident) == (Belongs.JOINS, incident)
    assert answer.reason == "it began with incident 7 on all traffic"
    late = incident.detected_at + timedelta(seconds=601)
    assert ask(incident, [incident], **other, onset=late, now=late).belongs is Belongs.NEW


@pytest.mark.parametrize(
    "values",
    [
        {"near": frozenset()},
        {"model": "other", "near": frozenset()},
        {"kind": AlertKind.NO_DATA, "cause": Cause.NO_DATA},
        {"kind": AlertKind.BASELINE_DRIFT, "cause": Cause.DOMAIN_SHIFT},
    ],
)
def test_another_traffic_or_what_stands_alone_is_new(incident, values):
    """Two faults at once are two incidents."""
    answer = ask(incident, [incident], **{"fingerprint": "0" * 32, **values})
    assert (answer.belongs, answer.incident) == (Belongs.NEW, None)


def test_a_fault_that_comes_back_soon_reopens_its_incident(incident):
    """Within the given time only, of the same version, and never where none is given."""
    resolved = incidents.resolve(incident, at=incident.detected_at, actor="vigil").incident
    within = {"reopen_within": timedelta(seconds=300)}
    soon = incident.detected_at + timedelta(seconds=100)
    answer = ask(incident, [resolved], now=soon, **within)
    assert (answer.belongs, answer.incident) == (Belongs.REOPENS, resolved)
    late = incident.detected_at + timedelta(seconds=301)
    assert ask(incident, [resolved], now=late, **within).belongs is Belongs.NEW
    assert ask(incident, [resolved], now=soon).belongs is Belongs.NEW
    assert ask(incident, [resolved], now=soon, version="v3", **within).belongs is Belongs.NEW


def silent(incident, **values):
    made = {"kind": AlertKind.NO_DATA, "cause": Cause.NO_DATA, "fingerprint": "1" * 32, **values}
    return replace(incident, **made)


OTHER = {"fingerprint": "0" * 32, "near": frozenset()}


def test_sources_that_fall_silent_together_are_one_incident(incident):
    """A broken switch is not one page per camera; one that falls silent later is its own."""
    first = silent(incident, slice=CAMERA_1)
    answer = ask(first, [first], slice=CAMERA_2, **OTHER)
    assert (answer.belongs, answer.incident) == (Belongs.JOINS, first)
    assert answer.reason == "it began at the same time, as incident 7 does"
    late = first.onset_at + timedelta(seconds=601)
    assert ask(first, [first], slice=CAMERA_2, onset=late, **OTHER).belongs is Belongs.NEW


def test_a_silent_source_does_not_join_an_incident_that_is_silenced(incident):
    """Joining would hide it; what the silence covers too may join."""
    first = silent(incident, slice=CAMERA_1)
    silence = Silence(
        id=12,
        kind=SilenceKind.SILENCE,
        matchers=(Matcher(label="camera", op=Op.EQUAL, value="1"),),
        starts_at=first.detected_at - timedelta(hours=1),
        ends_at=first.detected_at + timedelta(hours=1),
        comment="known",
        created_by="ann",
        created_at=first.detected_at,
    )
    second = {"slice": CAMERA_2, "silences": [silence], **OTHER}
    assert ask(first, [first], **second).belongs is Belongs.NEW
    wide = replace(silence, matchers=(Matcher(label="camera", op=Op.LIKE, value=".+"),))
    assert ask(first, [first], **{**second, "silences": [wide]}).belongs is Belongs.JOINS


@pytest.mark.parametrize(
    ("whole", "alert", "reason"),
    [
        ({"labels": {"upstream": "kafka"}}, {"upstream": "kafka"}, "behind the upstream kafka"),
        ({"slice": CAMERA_1}, {"slice": CAMERA_1}, "it is about camera=1"),
    ],
)
def test_other_models_that_feel_a_fault_outside_join_or_become_a_part(
    incident, whole, alert, reason
):
    """A plain rule's alert joins; drift keeps an incident of its own, as a part."""
    alert = {"model": "lane-reader", **alert, **OTHER}
    dark = silent(incident, **whole)
    answer = ask(dark, [dark], **alert)
    assert (answer.belongs, answer.incident) == (Belongs.JOINS, dark)
    assert reason in answer.reason
    blurred = replace(
        incident, kind=AlertKind.INPUT_FAULT, cause=Cause.INPUT_FAULT, **{"labels": {}, **whole}
    )
    answer = ask(blurred, [blurred], **alert)
    assert (answer.belongs, answer.incident) == (Belongs.PART, blurred)
    assert answer.reason.startswith("part of incident 7: ")


@pytest.mark.parametrize(
    ("whole", "alert"),
    [
        ({}, {}),
        ({"labels": {"upstream": "kafka"}}, {"upstream": "mqtt"}),
        ({"slice": CAMERA_1}, {"slice": CAMERA_2}),
        ({"labels": {"upstream": "kafka"}}, {"upstream": "kafka", "cause": Cause.INPUT_FAULT}),
    ],
)
def test_models_that_share_nothing_do_not_meet(incident, whole, alert):
    """Neither the time nor the cause alone makes two models one incident."""
    dark = silent(incident, **{"labels": {}, **whole})
    assert ask(dark, [dark], model="lane-reader", **alert, **OTHER).belongs is Belongs.NEW


def test_one_release_on_several_models_is_told_once(incident):
    """Each keeps its incident, because each has its own rollback; a part has no parts."""
    labels = {
        "began_with_release": "yes",
        "release_started_at": incident.onset_at.isoformat(),
    }
    whole = replace(incident, labels=labels)
    alert = {
        "model": "lane-reader",
        "release_started_at": incident.onset_at + timedelta(seconds=60),
        "began_with_release": True,
        **OTHER,
    }
    answer = ask(whole, [whole], **alert)
    assert answer.belongs is Belongs.PART
    assert answer.reason == "part of incident 7: it began with the release of v2"
    assert ask(whole, [whole], **{**alert, "version": "v9"}).belongs is Belongs.NEW
    assert ask(whole, [whole], **{**alert, "began_with_release": False}).belongs is Belongs.NEW
    part = replace(whole, labels={**labels, "part_of": "3"})
    assert ask(part, [part], **alert).belongs is Belongs.NEW


def test_labels_tell_slices_apart_and_versions_not():
    """A rollback changes the version; the alert stays the same one."""
    common = {
        "kind": AlertKind.INPUT_FAULT,
        "model": "m",
        "deployment": "d",
        "cause": Cause.INPUT_FAULT,
    }
    whole = alert_labels(slice=WHOLE, **common)
    camera = alert_labels(slice=CAMERA_1, **common)
    assert whole["slice"] == "all traffic"
    assert camera["slice"] == "camera=1"
    assert not any("version" in key for key in whole)
    assert group_key("m", "d", Cause.INPUT_FAULT) == "m/d/input_fault"
