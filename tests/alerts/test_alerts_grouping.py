"""An alert finds its incident, and the decision says why."""

from __future__ import annotations

from datetime import timedelta

import pytest

from alerts import incidents
from alerts.grouping import Belongs, alert_labels, decide, group_key
from alerts.types import AlertKind
from vigil.types import WHOLE, Cause, Slice


def ask(incident, among, **values):
    facts = {
        "fingerprint": incident.fingerprint,
        "model": incident.model,
        "deployment": incident.deployment,
        "cause": incident.cause,
        "now": incident.detected_at,
        **values,
    }
    return decide(incidents=among, **facts)


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
    """One fault seen through two signals does not page twice."""
    answer = ask(incident, [incident], fingerprint="0" * 32, cause=Cause.UNKNOWN)
    assert (answer.belongs, answer.incident) == (Belongs.JOINS, incident)


@pytest.mark.parametrize(
    "values",
    [
        {"cause": Cause.INPUT_FAULT},
        {"model": "other"},
        {"deployment": "canary"},
    ],
)
def test_another_model_deployment_or_cause_is_new(incident, values):
    """Two faults at once are two incidents."""
    answer = ask(incident, [incident], **{"fingerprint": "0" * 32, **values})
    assert (answer.belongs, answer.incident) == (Belongs.NEW, None)


def test_a_fault_that_comes_back_soon_reopens_its_incident(incident):
    """Within the given time only, and never where none is given."""
    resolved = incidents.resolve(incident, at=incident.detected_at, actor="vigil").incident
    soon = incident.detected_at + timedelta(seconds=100)
    answer = ask(incident, [resolved], now=soon, reopen_within_s=300)
    assert (answer.belongs, answer.incident) == (Belongs.REOPENS, resolved)
    late = incident.detected_at + timedelta(seconds=301)
    assert ask(incident, [resolved], now=late, reopen_within_s=300).belongs is Belongs.NEW
    assert ask(incident, [resolved], now=soon).belongs is Belongs.NEW


def test_labels_tell_slices_apart_and_versions_not():
    """A rollback changes the version; the alert stays the same one."""
    common = {
        "kind": AlertKind.INPUT_FAULT,
        "model": "m",
        "deployment": "d",
        "cause": Cause.INPUT_FAULT,
    }
    whole = alert_labels(slice=WHOLE, **common)
    camera = alert_labels(slice=Slice((("camera", "1"),)), **common)
    assert whole["slice"] == "all traffic"
    assert camera["slice"] == "camera=1"
    assert not any("version" in key for key in whole)
    assert group_key("m", "d", Cause.INPUT_FAULT) == "m/d/input_fault"
