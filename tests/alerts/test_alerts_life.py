"""Flapping is damped, severity falls with hysteresis, and a person's resolve is respected."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from alerts import incidents
from alerts.dismissed import News, hear, is_dismissed, latest_dismissed
from alerts.flapping import Damping
from alerts.incidents import Change
from alerts.severity import reweigh
from alerts.times import times_of
from alerts.types import AlertKind, IncidentState, Severity
from vigil.types import Slice

MINUTE = timedelta(minutes=1)
CAMERA = Slice((("camera", "7"),))
DAMPING = Damping(after=3, over_s=3600.0)


def test_an_incident_flaps_from_the_nth_reopening_within_the_time(incident):
    """Two within the hour do not flap, three do; three over two hours do not."""
    at = incident.detected_at
    assert not DAMPING.flaps([])
    assert not DAMPING.flaps([at, at + MINUTE])
    assert DAMPING.flaps([at, at + MINUTE, at + 60 * MINUTE])
    assert not DAMPING.flaps([at, at + 60 * MINUTE, at + 120 * MINUTE])


def test_what_flaps_stays_open_until_it_rested_as_long(incident):
    """The rest counts from when it went quiet."""
    at = incident.detected_at
    flaps = [at, at + MINUTE, at + 2 * MINUTE]
    quiet = at + 10 * MINUTE
    assert DAMPING.open_until(flaps, quiet_since=quiet) == quiet + 60 * MINUTE
    assert DAMPING.open_until(flaps[:2], quiet_since=quiet) is None


def test_each_reopening_is_counted(incident):
    at = incident.detected_at
    for n in (1, 2):
        incident = incidents.resolve(incident, at=at, actor="vigil").incident
        incident = incidents.reopen(incident, at=at, actor="vigil", text="Back.").incident
        assert incident.reopened == n


def look(make_finding, make_effect, value, spread=0.02, **values):
    return [make_finding(effect=make_effect(value, spread), slice=CAMERA, **values)]


@pytest.mark.parametrize(
    ("current", "value", "spread", "expected"),
    [
        # 3 tolerances are 0.45.
        (Severity.CRITICAL, 0.30, 0.02, Severity.ERROR),  # surely below: it falls
        (Severity.CRITICAL, 0.44, 0.02, Severity.CRITICAL),  # perhaps below: it stays
        (Severity.ERROR, 0.46, 0.02, Severity.ERROR),  # perhaps beyond: it stays
        (Severity.ERROR, 0.60, 0.02, Severity.CRITICAL),  # surely beyond: it rises
    ],
)
def test_severity_rises_by_the_lower_bound_and_falls_by_the_upper(
    make_finding, make_effect, current, value, spread, expected
):
    looks = [look(make_finding, make_effect, value, spread)] * 3
    assert reweigh(current, AlertKind.MODEL_REGRESSION, CAMERA, looks) is expected


def test_every_look_must_agree_before_severity_changes(make_finding, make_effect):
    """One quiet look among loud ones is chance; a look that saw nothing says nothing."""
    kind, now = AlertKind.MODEL_REGRESSION, Severity.CRITICAL
    quiet = look(make_finding, make_effect, 0.2)
    loud = look(make_finding, make_effect, 0.6)
    assert reweigh(now, kind, CAMERA, [quiet, loud, quiet]) is now
    assert reweigh(Severity.ERROR, kind, CAMERA, [loud, quiet, loud]) is Severity.ERROR
    assert reweigh(now, kind, CAMERA, [quiet, [], quiet]) is now
    assert reweigh(now, kind, CAMERA, []) is now


def test_a_finding_without_a_figure_keeps_the_severity(make_finding):
    """A plain rule has no effect size that could have shrunk."""
    looks = [[make_finding(effect=None, reason="black frames", slice=CAMERA)]]
    assert reweigh(Severity.ERROR, AlertKind.HARD_FAULT, CAMERA, looks) is Severity.ERROR


def test_a_change_of_severity_is_told_with_its_reason(incident):
    at = incident.detected_at
    eased = incidents.reweighed(incident, at=at, severity=Severity.ERROR, reason="less far off")
    assert eased.incident.severity is Severity.ERROR
    assert eased.entry.text == "Severity critical -> error: less far off."
    again = incidents.reweighed(eased.incident, at=at, severity=Severity.ERROR, reason="x")
    assert again.change is Change.ALREADY
    over = incidents.resolve(incident, at=at, actor="kim").incident
    stale = incidents.reweighed(over, at=at, severity=Severity.ERROR, reason="x")
    assert stale.change is Change.STALE


@pytest.fixture
def dismissed(incident):
    at = incident.detected_at + 5 * MINUTE
    return incidents.resolve(incident, at=at, actor="kim").incident


def heard(incident, **changed):
    values = {
        "inside": True,
        "severity": incident.severity,
        "version": incident.model_version,
        "released_at": None,
    }
    return hear(incident, **(values | changed))


def test_a_persons_resolve_holds_while_nothing_changes(dismissed):
    assert is_dismissed(dismissed)
    answer = heard(dismissed)
    assert (answer.heard, answer.news) == (False, News.NOTHING)
    assert "nothing has changed" in answer.reason
    assert not heard(dismissed, severity=Severity.INFO).heard
    assert not heard(dismissed, released_at=dismissed.detected_at).heard


@pytest.mark.parametrize(
    ("news", "changed"),
    [
        (News.SLICE, {"inside": False}),
        (News.RELEASE, {"version": "v3"}),
        (News.RELEASE, {"released_at": "later"}),
    ],
)
def test_a_change_is_heard_with_its_name(dismissed, news, changed):
    if changed.get("released_at"):
        changed = {"released_at": dismissed.resolved_at + MINUTE}
    answer = heard(dismissed, **changed)
    assert answer.heard
    assert answer.news is news


def test_a_higher_severity_is_heard(dismissed):
    mild = replace(dismissed, severity=Severity.WARNING)
    answer = heard(mild, severity=Severity.ERROR)
    assert (answer.news, answer.reason) == (
        News.SEVERITY,
        "incident 7 was resolved as warning; by now it is error",
    )


def test_quiet_ends_a_dismissal(dismissed):
    """Then the next alert is news: it went away and came back."""
    at = dismissed.resolved_at + MINUTE
    quiet = incidents.went_quiet(dismissed, at=at)
    assert quiet.incident.state is IncidentState.RESOLVED
    assert quiet.incident.recovered_at == at
    assert not is_dismissed(quiet.incident)
    assert incidents.went_quiet(quiet.incident, at=at).change is Change.ALREADY


def test_what_vigil_resolved_itself_was_over(incident):
    at = incident.detected_at
    over = incidents.recovered(incident, at=at, text="Healthy.").incident
    assert not is_dismissed(incidents.resolve(over, at=at, actor="vigil").incident)
    assert not is_dismissed(incident)


def test_only_the_latest_incident_of_a_group_can_be_dismissed(dismissed):
    """A later incident took its place, whatever became of that."""
    key = dismissed.group_key
    assert latest_dismissed(key, [dismissed]) is dismissed
    newer = replace(dismissed, id=9, state=IncidentState.OPEN, resolved_at=None)
    assert latest_dismissed(key, [newer, dismissed]) is None
    assert latest_dismissed("other", [dismissed]) is None
    assert latest_dismissed(key, []) is None


def test_a_dismissed_alert_is_written_down_once(dismissed):
    """However often it fires."""
    at = dismissed.resolved_at + MINUTE
    first = incidents.fires_unheard(dismissed, at=at, reason="nothing new")
    assert first.entry.kind == "decision"
    assert first.entry.data["outcome"] == "not_told"
    second = incidents.fires_unheard(first.incident, at=at + MINUTE, reason="nothing new")
    assert (second.changed, second.entry) == (True, None)
    assert second.incident.last_firing_at == at + MINUTE


def test_times_count_from_the_onset_and_the_answer_from_the_page(incident):
    onset = incident.onset_at
    lived = replace(
        incident,
        detected_at=onset + 2 * MINUTE,
        paged_at=onset + 3 * MINUTE,
        acknowledged_at=onset + 7 * MINUTE,
        recovered_at=onset + 30 * MINUTE,
    )
    found = {one.step: (one.seconds, one.since) for one in times_of(lived)}
    assert found == {
        "detect": (120.0, "onset"),
        "page": (180.0, "onset"),
        "acknowledge": (240.0, "page"),
        "mitigate": (None, "onset"),
        "recover": (1800.0, "onset"),
    }
    unknown = {one.step: one for one in times_of(replace(lived, onset_at=None, paged_at=None))}
    assert (unknown["detect"].seconds, unknown["detect"].since) == (0.0, "detection")
    assert unknown["acknowledge"].since == "detection"
