"""A canary that says roll back becomes an incident, so that what acts on one acts on it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from sqlalchemy.orm import Session

from alerts.actions.interlock import InterlockOutcome
from alerts.grouping import Belongs
from alerts.incidents import Change, Transition
from alerts.types import Incident, TimelineEntry
from detectors.streams import StreamKey
from monitor.checks.diagnosis import Diagnosis, Drift
from monitor.response import record, rollback_proposal
from monitor.response.bridge import Bridge
from monitor.response.canary_recovery import LABEL
from monitor.settings.schema import Settings
from monitor.store.tables import CanaryRow
from vigil.catalogue import ACCURACY
from vigil.types import WHOLE, Cause, ModelRef


def raise_regression(
    session: Session, settings: Settings, bridge: Bridge, row: CanaryRow, at: datetime
) -> Incident:
    """Open (or join) an incident on the candidate and propose the rollback.

    The randomised comparison is the counterfactual that a rollback asks for: the control answered
    the same traffic, better.
    """
    reason = str(row.result["reason"])
    incident, belongs = bridge.raise_alert(session, _diagnosis(row, reason, at))
    incident = _labelled(session, incident, row, reason, at)
    row.result = {**row.result, "incident": incident.id}
    watched = settings.model(row.model, row.deployment)
    if watched is None or belongs is Belongs.DISMISSED:
        return incident
    action = rollback_proposal.propose(session, watched, incident, at=at)
    if action is not None and action.plan.get("to_version") == row.control:
        said = {"outcome": InterlockOutcome.BETTER.value, "text": f"canary {row.id}: {reason}"}
        action.decision = {**action.decision, "interlock": said}
    return incident


def _diagnosis(row: CanaryRow, reason: str, at: datetime) -> Diagnosis:
    stream = StreamKey(row.model, row.deployment, WHOLE, ACCURACY.name)
    old, new = row.result["units"]
    points = 100.0 * float(row.result["difference"])
    return Diagnosis(
        model=ModelRef(name=row.model, version=row.candidate, deployment=row.deployment),
        slice=WHOLE,
        cause=Cause.MODEL_REGRESSION,
        reasons=(
            f"canary {row.id}: {reason}",
            f"traffic is split at random, {new} units to {row.candidate} and {old} to "
            f"{row.control}: what hits both can't explain it",
        ),
        drifts=(
            Drift(
                stream=stream,
                effect=None,
                evidence=0.0,  # evidence elsewhere counts ticks; this test counts units
                threshold=1.0 / row.alpha,
                novel=False,
                provisional=False,
                reason=f"wrong {points:.1f} points more often, over {new} and {old} units",
            ),
        ),
        onset=row.started_at,
        at=at,
        previous_version=row.control,
        release_started_at=row.started_at,
        began_with_release=True,
    )


def _labelled(
    session: Session, incident: Incident, row: CanaryRow, reason: str, at: datetime
) -> Incident:
    """An incident of the canary's own carries its number; one that was open already is told."""
    if incident.detected_at == at and incident.model_version == row.candidate:
        labels = {**incident.labels, LABEL: str(row.id)}
        following = replace(incident, version=incident.version + 1, labels=labels)
        why = "its canary is known"
        return record.save(
            session,
            Transition(change=Change.CHANGED, incident=following, entry=None, reason=why),
        )
    text = f"Canary {row.id}: {reason}."
    entry = TimelineEntry(at=at, kind="canary", actor="vigil", text=text)
    record.note(session, incident.id, entry)
    return incident
