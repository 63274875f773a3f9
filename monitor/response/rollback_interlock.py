"""The counterfactual of a rollback: which images to replay, and what was found before."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts.actions.interlock import Interlock, InterlockOutcome, judge
from alerts.actions.plan import RollbackPlan
from alerts.actions.replay import Replays
from alerts.types import Incident
from monitor.checks.references import References
from monitor.response.counterfactual import Versions, compare
from monitor.services import Services
from monitor.store.tables import ActionRow, LabelRow, WindowRow
from vigil.windows.sample import Sample

HOLDS = timedelta(hours=1)
"""So long a counterfactual speaks for a rollback that waits; then it is asked for anew."""


class Counterfactuals:
    """Replays incidents through their rollback's target. ``replays`` by (model, deployment)."""

    def __init__(self, services: Services, replays: Mapping[tuple[str, str], Replays]) -> None:
        self._services = services
        self._replays = replays
        self._references = References()

    def of(self, row: ActionRow, incident: Incident) -> Interlock:
        """The interlock of a rollback; images are read only where they can be replayed."""
        client = self._replays.get((incident.model, incident.deployment))
        versions, sample, labels = None, Sample.empty(), dict[str, int]()
        if row.plan:
            plan = RollbackPlan.from_json(row.plan)
            with self._services.sessions() as session:
                versions = versions_of(session, self._references, plan)
                if versions is not None and client is not None:
                    sample = sampled(
                        session,
                        self._services,
                        incident,
                        deployment=plan.deployment,
                        version=plan.from_version,
                    )
                    labels = labels_of(session, sample)
        if versions is None:
            return judge(None, None, why_unavailable="a version has no baseline")
        return compare(versions, sample, incident.slice, client, labels=labels)


def versions_of(session: Session, references: References, plan: RollbackPlan) -> Versions | None:
    """The two versions of a plan; None where one has no baseline."""
    current = references.of_version(session, plan.model, plan.from_version)
    target = references.of_version(session, plan.model, plan.to_version)
    if current is None or target is None:
        return None
    return Versions(model=plan.model, deployment=plan.deployment, current=current, target=target)


def sampled(
    session: Session, services: Services, incident: Incident, *, deployment: str, version: str
) -> Sample:
    """What a version saw of the incident's slice since its onset, in a deployment: the latest
    windows."""
    since = incident.onset_at or incident.detected_at
    parts = session.scalars(
        select(WindowRow.sample_part)
        .where(
            WindowRow.model == incident.model,
            WindowRow.deployment == deployment,
            WindowRow.version == version,
            WindowRow.end_at > since,
            WindowRow.sample_part.is_not(None),
        )
        .order_by(WindowRow.end_at.desc())
        .limit(200)
    ).all()
    return services.samples.read(
        [part for part in parts if part],
        model=incident.model,
        deployment=deployment,
        version=version,
        start=since,
        slice=incident.slice,
    )


def labels_of(session: Session, sample: Sample) -> dict[str, int]:
    """The labels of a sample's records that have come, by id."""
    found: dict[str, int] = {}
    for first in range(0, len(sample), 500):
        ids = sample.ids[first : first + 500]
        rows = session.execute(
            select(LabelRow.record_id, LabelRow.label).where(LabelRow.record_id.in_(ids))
        )
        found.update({row.record_id: row.label for row in rows})
    return found


def interlock_from(row: ActionRow) -> Interlock | None:
    """What was found before; None where nothing was tried yet."""
    said: dict[str, Any] = row.decision.get("interlock", {})
    if not said:
        return None
    return Interlock(outcome=InterlockOutcome(said["outcome"]), text=said["text"])


def is_old(row: ActionRow, now: datetime) -> bool:
    """Whether what speaks for the target was found too long ago to stand for today's traffic."""
    said: dict[str, Any] = row.decision.get("interlock", {})
    found_at = datetime.fromisoformat(said["at"]) if "at" in said else row.created_at
    better = said.get("outcome") == InterlockOutcome.BETTER.value
    return better and now > found_at + HOLDS


def to_json(interlock: Interlock, found_at: datetime) -> dict[str, str]:
    """As the row's decision keeps it."""
    return {
        "outcome": interlock.outcome.value,
        "text": interlock.text,
        "at": found_at.isoformat(),
    }
