"""An incident's runbook is chosen by its kind and by what tells most of it; its values are live."""

from __future__ import annotations

from dataclasses import replace

import pytest
import small_fleet as fleet
from rsp_stage import Stage, a_finding, an_effect, an_incident

from alerts.types import AlertKind
from monitor.runbook_values import general_values, page_name, page_of, values_of
from runbooks.library import VARIABLES, load
from vigil.types import WHOLE, Cause, SignalKind, Slice


@pytest.mark.parametrize(
    ("kind", "signal", "page"),
    [
        (AlertKind.UNKNOWN, "calibration", "calibration"),
        (AlertKind.UNKNOWN, "accuracy", "slice_regression"),
        (AlertKind.UNKNOWN, "sharpness", "unknown"),
        (AlertKind.SERVICE_FAULT, "latency_s", "latency"),
        (AlertKind.MODEL_REGRESSION, "accuracy", "model_regression"),
        (AlertKind.LABELS_SILENT, "labels", "label_pipeline"),
    ],
)
def test_the_page_is_about_the_leading_signal(kind: AlertKind, signal: str, page: str) -> None:
    finding = a_finding(signal, kind=SignalKind.QUALITY)
    assert page_name(load(), kind, (finding,), WHOLE) == page


def test_an_incident_whose_page_has_gone_gets_the_one_of_its_kind() -> None:
    """A page of the user's own may be renamed between two starts."""
    gone = an_incident(runbook="ours", kind=AlertKind.UNKNOWN, findings=())
    found = page_of(load(), gone)
    assert found is not None
    assert found.name == "unknown"


def test_values_are_the_incidents_own(lone_stage: Stage) -> None:
    """What is furthest beyond tolerance comes first; a waiting action gives its plan's hash."""
    camera = Slice((("camera", "n1"),))
    worst = a_finding(slice=camera, effect=an_effect(0.9))
    incident, action = lone_stage.bad_release(findings=(a_finding(value=0.3), worst))
    settings = lone_stage.services.settings
    with lone_stage.services.sessions() as session:
        values = values_of(session, settings, incident, now=fleet.NOON)
    assert set(values) == VARIABLES
    assert values["worst_slices"] == "camera n1 (6.0 times its tolerance)"
    assert values["action"] == str(action)
    assert values["plan_hash"] == lone_stage.action(action).plan_hash
    assert values["previous_version"] == "v1"
    page = load().get("model_regression").fill(values)
    assert f"vigil actions approve {action} {values['plan_hash']}" in page


def test_every_variable_has_a_general_value(lone_stage: Stage) -> None:
    """A page that is read without an incident has no hole."""
    assert set(general_values(lone_stage.services.settings)) == VARIABLES


def test_an_incident_without_figures_is_still_told(lone_stage: Stage) -> None:
    bare = replace(an_incident(), findings=(), cause=Cause.UNKNOWN)
    with lone_stage.services.sessions() as session:
        values = values_of(session, lone_stage.services.settings, bare, now=fleet.NOON)
    assert (values["effect"], values["worst_slices"]) == ("", "all traffic")
