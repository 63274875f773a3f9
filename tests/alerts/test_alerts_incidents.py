"""Incidents change by named transitions only, and a resolve beats whatever comes late."""

from __future__ import annotations

from datetime import timedelta

import pytest

from alerts import incidents
from alerts.incidents import Change
from alerts.types import Alert, Disposition, Finding, Incident, IncidentState, Message, Severity
from vigil.types import Slice

LATER = timedelta(seconds=60)


def test_the_usual_life_of_an_incident_keeps_all_its_times(incident):
    """Paged, acknowledged, mitigated, recovered, resolved: one version and entry each."""
    at = incident.detected_at
    steps = [
        lambda now: incidents.page_sent(now, at=at + LATER, receiver="pager"),
        lambda now: incidents.acknowledge(now, at=at + 2 * LATER, actor="kim"),
        lambda now: incidents.start_mitigation(
            now, at=at + 3 * LATER, actor="vigil", text="Rolling back."
        ),
        lambda now: incidents.mitigated(now, at=at + 4 * LATER, actor="vigil", text="Back on v1."),
        lambda now: incidents.recovered(now, at=at + 5 * LATER, text="Healthy for 3 windows."),
        lambda now: incidents.resolve(now, at=at + 6 * LATER, actor="vigil"),
    ]
    now, kinds = incident, []
    for step in steps:
        transition = step(now)
        assert transition.changed
        assert transition.incident.version == now.version + 1
        now = transition.incident
        kinds.append(transition.entry.kind)
    assert kinds == ["paged", "acknowledged", "mitigating", "mitigated", "recovered", "resolved"]
    assert now.state is IncidentState.RESOLVED
    times = (
        now.paged_at,
        now.acknowledged_at,
        now.mitigated_at,
        now.recovered_at,
        now.resolved_at,
    )
    assert times == tuple(at + n * LATER for n in (1, 2, 4, 5, 6))


def test_a_late_acknowledgement_does_not_undo_a_resolve(incident):
    """Resolve then acknowledge, or acknowledge then resolve: resolved either way."""
    at = incident.detected_at + LATER
    resolved = incidents.resolve(incident, at=at, actor="vigil").incident
    late = incidents.acknowledge(resolved, at=at, actor="kim")
    assert (late.change, late.entry) == (Change.STALE, None)
    assert late.incident == resolved
    other = incidents.acknowledge(incident, at=at, actor="kim").incident
    assert incidents.resolve(other, at=at, actor="vigil").incident.state is IncidentState.RESOLVED


@pytest.mark.parametrize(
    "late",
    [
        lambda one, at: incidents.start_mitigation(one, at=at, actor="vigil", text="x"),
        lambda one, at: incidents.mitigated(one, at=at, actor="vigil", text="x"),
        lambda one, at: incidents.mitigation_failed(one, at=at, actor="vigil", text="x"),
        lambda one, at: incidents.recovered(one, at=at, text="x"),
        lambda one, at: incidents.fired_again(one, at=at, findings=(), severity=Severity.INFO),
    ],
)
def test_nothing_but_a_reopen_moves_a_resolved_incident(incident, late):
    """Each late event answers ``stale`` and says why."""
    at = incident.detected_at + LATER
    resolved = incidents.resolve(incident, at=at, actor="kim").incident
    answer = late(resolved, at)
    assert answer.change is Change.STALE
    assert answer.incident == resolved
    assert "resolved" in answer.reason


def test_saying_it_twice_changes_nothing(incident):
    """The second acknowledgement, resolve or page answers ``already``."""
    at = incident.detected_at
    acknowledged = incidents.acknowledge(incident, at=at, actor="kim").incident
    assert incidents.acknowledge(acknowledged, at=at, actor="lee").change is Change.ALREADY
    resolved = incidents.resolve(incident, at=at, actor="kim").incident
    assert incidents.resolve(resolved, at=at, actor="kim").change is Change.ALREADY
    paged = incidents.page_sent(incident, at=at, receiver="pager").incident
    assert incidents.page_sent(paged, at=at + LATER, receiver="chat").incident.paged_at == at


def test_an_acknowledgement_leaves_a_running_mitigation_alone(incident):
    """The state stays ``mitigating``; the time of the acknowledgement is kept."""
    at = incident.detected_at
    busy = incidents.start_mitigation(incident, at=at, actor="vigil", text="x").incident
    taken = incidents.acknowledge(busy, at=at + LATER, actor="kim").incident
    assert (taken.state, taken.acknowledged_at) == (IncidentState.MITIGATING, at + LATER)


def test_a_failed_mitigation_gives_the_incident_back_to_people(incident):
    """To open, or to acknowledged where someone had it."""
    at = incident.detected_at
    busy = incidents.start_mitigation(incident, at=at, actor="vigil", text="x").incident
    failed = incidents.mitigation_failed(busy, at=at, actor="vigil", text="target is away")
    assert failed.incident.state is IncidentState.OPEN
    taken = incidents.acknowledge(busy, at=at, actor="kim").incident
    failed = incidents.mitigation_failed(taken, at=at, actor="vigil", text="target is away")
    assert failed.incident.state is IncidentState.ACKNOWLEDGED
    idle = incidents.mitigation_failed(incident, at=at, actor="vigil", text="x")
    assert idle.change is Change.STALE


def test_a_reopened_incident_is_open_and_unacknowledged(incident):
    """It keeps its onset and page, and loses what is no longer true."""
    at = incident.detected_at
    taken = incidents.acknowledge(incident, at=at, actor="kim").incident
    resolved = incidents.resolve(taken, at=at, actor="kim").incident
    again = incidents.reopen(resolved, at=at + LATER, actor="vigil", text="It is back.").incident
    assert again.state is IncidentState.OPEN
    assert (again.acknowledged_at, again.resolved_at) == (None, None)
    assert again.onset_at == incident.onset_at
    assert incidents.reopen(again, at=at, actor="vigil", text="x").change is Change.ALREADY


def test_firing_again_merges_findings_and_only_raises_severity(incident, make_finding, make_effect):
    """The newer finding of a signal and slice replaces the older; only news are told."""
    at = incident.detected_at + LATER
    stronger = make_finding(effect=make_effect(0.9))
    again = incidents.fired_again(incident, at=at, findings=[stronger], severity=Severity.WARNING)
    assert again.incident.findings == (stronger,)
    assert again.incident.severity is Severity.CRITICAL
    assert (again.changed, again.entry) == (True, None)
    camera = make_finding("entropy", slice=Slice((("camera", "north-2"),)))
    wider = incidents.fired_again(again.incident, at=at, findings=[camera], severity=Severity.INFO)
    assert wider.entry.text == "Also entropy on camera=north-2."
    assert len(wider.incident.findings) == 2
    assert wider.incident.last_firing_at == at


def test_findings_stay_bounded(incident, make_finding, make_effect):
    """However many streams drift, the incident keeps the largest."""
    many = [
        make_finding(
            slice=Slice((("camera", str(n)),)), effect=make_effect(0.3 + n / 1000, spread=0.01)
        )
        for n in range(200)
    ]
    wide = incidents.fired_again(
        incident, at=incident.detected_at, findings=many, severity=Severity.ERROR
    ).incident
    assert len(wide.findings) == incidents.MAX_FINDINGS
    assert str(wide.findings[0].slice) in {"all traffic", "camera=199"}


def test_a_disposition_may_be_corrected(incident):
    """False alarm, then true alarm: both are entries of the timeline."""
    at = incident.detected_at
    first = incidents.dispose(incident, at=at, actor="kim", disposition=Disposition.FALSE_ALARM)
    second = incidents.dispose(
        first.incident, at=at, actor="kim", disposition=Disposition.TRUE_ALARM, note="It was."
    )
    assert second.incident.disposition is Disposition.TRUE_ALARM
    assert second.entry.text == "Marked as true alarm by kim. It was."
    repeat = incidents.dispose(
        second.incident, at=at, actor="kim", disposition=Disposition.TRUE_ALARM
    )
    assert repeat.change is Change.ALREADY


def test_incidents_findings_and_messages_survive_json(incident, make_message, make_finding):
    """What is written is what is read, times with their zone included."""
    import json

    assert Incident.from_json(json.loads(json.dumps(incident.to_json()))) == incident
    finding = make_finding(effect=None, slice=Slice((("site", "a"), ("camera", "b"))), novel=True)
    assert Finding.from_json(json.loads(json.dumps(finding.to_json()))) == finding
    message = make_message()
    assert Message.from_json(json.loads(json.dumps(message.to_json()))) == message


def test_an_alert_is_known_by_its_labels_alone(incident):
    """Order and annotations do not matter; any label does."""
    at = incident.detected_at
    one = Alert(labels={"a": "1", "b": "2"}, starts_at=at)
    same = Alert(labels={"b": "2", "a": "1"}, annotations={"x": "y"}, starts_at=at + LATER)
    other = Alert(labels={"a": "1", "b": "3"}, starts_at=at)
    sly = Alert(labels={"a": '1","b":"2'}, starts_at=at)
    assert one.fingerprint == same.fingerprint
    assert len({one.fingerprint, other.fingerprint, sly.fingerprint}) == 3
