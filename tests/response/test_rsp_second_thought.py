"""The cause of an incident after its images were run through the version before."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rsp_stage import Stage
from sqlalchemy import select

from alerts.actions.interlock import Interlock, InterlockOutcome
from alerts.types import Incident
from monitor.response import record, relabel
from monitor.response.second_thought import KIND, reconsider
from monitor.store.tables import ActionRow
from vigil.errors import ConflictError
from vigil.types import Cause

NO_BETTER = Interlock(outcome=InterlockOutcome.NO_BETTER, text="v1 is no better: figures")


def thought(
    stage: Stage, incident: Incident, interlock: Interlock = NO_BETTER, *, watched: bool = True
) -> Incident:
    model = stage.services.settings.models[0] if watched else None
    with stage.services.sessions.begin() as session:
        return reconsider(session, model, incident, interlock, at=stage.clock.now())


def to_label(stage: Stage, incident: Incident) -> int:
    with stage.services.sessions() as session:
        rows = select(ActionRow.id).where(
            ActionRow.incident_id == incident.id, ActionRow.kind == relabel.KIND
        )
        return len(session.scalars(rows).all())


@pytest.mark.parametrize("cause", [Cause.MODEL_REGRESSION, Cause.UNKNOWN])
def test_where_the_version_before_is_as_bad_the_world_changed(
    lone_stage: Stage, cause: Cause
) -> None:
    """The reason comes first, the incident is another, and images are to be labelled."""
    incident = lone_stage.incident(cause=cause)
    found = thought(lone_stage, incident)
    assert (found.cause, found.version) == (Cause.DOMAIN_SHIFT, incident.version + 1)
    text = "Not the release: v1 is no better: figures. The world changed, for both versions."
    assert found.reasons == (text, *incident.reasons)
    assert lone_stage.incident_row(incident).cause == "domain_shift"
    assert lone_stage.timeline(incident)[-1] == KIND
    assert to_label(lone_stage, incident) == 1


@pytest.mark.parametrize(
    ("interlock", "values"),
    [
        (replace(NO_BETTER, outcome=InterlockOutcome.BETTER), {}),
        (replace(NO_BETTER, outcome=InterlockOutcome.UNAVAILABLE), {}),
        (NO_BETTER, {"cause": Cause.INPUT_FAULT}),
        (NO_BETTER, {"cause": Cause.DOMAIN_SHIFT}),
        (NO_BETTER, {"labels": {}}),
        (NO_BETTER, {"labels": {"began_with_release": "no"}}),
    ],
)
def test_otherwise_the_cause_stays(lone_stage: Stage, interlock: Interlock, values) -> None:
    """No counterfactual says nothing, and a fault that did not begin with a release never was
    the release's."""
    incident = lone_stage.incident(**values)
    assert thought(lone_stage, incident, interlock) is incident
    assert lone_stage.timeline(incident) == ["detected"]
    assert to_label(lone_stage, incident) == 0


def test_images_are_proposed_once_and_only_of_a_model_that_is_watched(lone_stage: Stage) -> None:
    incident = lone_stage.incident()
    found = thought(lone_stage, incident, watched=False)
    assert (found.cause, to_label(lone_stage, incident)) == (Cause.DOMAIN_SHIFT, 0)
    _, action = lone_stage.to_label()
    with lone_stage.services.sessions() as session:
        other = record.get(session, session.get_one(ActionRow, action).incident_id)
    thought(lone_stage, replace(other, cause=Cause.UNKNOWN))
    assert to_label(lone_stage, other) == 1


def test_who_is_overtaken_says_so(lone_stage: Stage) -> None:
    """Someone moved the incident meanwhile: nothing is written over what they did."""
    incident = lone_stage.incident()
    with lone_stage.services.sessions.begin() as session:
        record.touch(session, record.get(session, incident.id))
    with pytest.raises(ConflictError):
        thought(lone_stage, incident)
    assert lone_stage.incident_row(incident).cause == "model_regression"
