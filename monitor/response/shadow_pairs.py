"""The counterfactual that a shadow has answered already: the target ran on the same inputs.

A shadow records its answers in a deployment of its own, under the shadow id or the id of the input,
or with its uri. Its sampled answers are held against those of the version that serves, record by
record; that says more than windows of both, which hold other records too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts.actions.interlock import Interlock, InterlockOutcome, judge
from alerts.actions.plan import RollbackPlan
from alerts.actions.replay import Replayed
from alerts.types import Incident
from monitor.checks.references import References
from monitor.response.counterfactual import MOST_IMAGES, judge_outputs
from monitor.response.rollback_interlock import labels_of, sampled, versions_of
from monitor.response.side_by_side import shadows_of
from monitor.services import Services
from monitor.store.tables import ActionRow, WindowRow
from vigil.split import SHADOW
from vigil.windows.sample import Sample

LEAST_PAIRS = 30


class ShadowPairs:
    """Looks for the target's stored answers to the incident's inputs."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._references = References()

    def of(self, row: ActionRow, incident: Incident) -> Interlock:
        """The interlock of a rollback, by what a shadow answered."""
        if not row.plan:
            return judge(None, None, why_unavailable="there is no version to compare with")
        plan = RollbackPlan.from_json(row.plan)
        found: list[Interlock] = []
        with self._services.sessions() as session:
            versions = versions_of(session, self._references, plan)
            if versions is None:
                return judge(None, None, why_unavailable="a version has no baseline")
            # Images are read only where a shadow of the target ran at all.
            deployments = [
                one
                for one in shadows_of(plan.deployment)
                if self._ran(session, plan, incident, one)
            ]
            if not deployments:
                return judge(None, None, why_unavailable=_none(plan))
            serving = sampled(
                session,
                self._services,
                incident,
                deployment=plan.deployment,
                version=plan.from_version,
            )
            for deployment in deployments:
                shadow = sampled(
                    session,
                    self._services,
                    incident,
                    deployment=deployment,
                    version=plan.to_version,
                )
                ours, theirs = paired(serving, shadow)
                if len(ours) < LEAST_PAIRS:
                    found += _too_few(plan, len(ours)) if len(shadow) else []
                    continue
                records = serving.take(ours[-MOST_IMAGES:])
                answers = shadow.take(theirs[-MOST_IMAGES:])
                one = judge_outputs(
                    versions,
                    records,
                    Replayed(
                        version=plan.to_version,
                        probabilities=answers.probabilities.astype(np.float32),
                        embeddings=answers.embedding.astype(np.float32),
                    ),
                    incident.slice,
                    labels=labels_of(session, records),
                    by="the shadow",
                    on=f"the same {len(records)} records, which a shadow answered too,",
                )
                if one.outcome is not InterlockOutcome.UNAVAILABLE:
                    return one
                found.append(one)
        return found[0] if found else judge(None, None, why_unavailable=_none(plan))

    @staticmethod
    def _ran(session: Session, plan: RollbackPlan, incident: Incident, deployment: str) -> bool:
        windows = select(WindowRow.id).where(
            WindowRow.model == plan.model,
            WindowRow.deployment == deployment,
            WindowRow.version == plan.to_version,
            WindowRow.end_at > (incident.onset_at or incident.detected_at),
            WindowRow.sample_part.is_not(None),
        )
        return session.scalar(windows.limit(1)) is not None


def paired(serving: Sample, shadow: Sample) -> tuple[Sequence[int], Sequence[int]]:
    """Rows of both samples that belong to the same input: by the shadow's id, by the same id, else
    by a uri that only one record of each has. In the order of ``serving``. Pure."""
    by_id = {one.removeprefix(SHADOW): row for row, one in enumerate(shadow.ids)}
    by_uri = {uri: row for uri, row in _alone(shadow).items() if uri}
    ours, theirs = [], []
    mine = _alone(serving)
    for row, (record_id, uri) in enumerate(zip(serving.ids, serving.uris, strict=True)):
        other = by_id.get(record_id)
        if other is None and mine.get(uri) == row:
            other = by_uri.get(uri)
        if other is not None:
            ours.append(row)
            theirs.append(other)
    return ours, theirs


def _alone(sample: Sample) -> dict[str, int]:
    count = Counter(sample.uris)
    return {uri: row for row, uri in enumerate(sample.uris) if count[uri] == 1}


def _none(plan: RollbackPlan) -> str:
    return f"no shadow of {plan.to_version} answered the incident's records"


def _too_few(plan: RollbackPlan, pairs: int) -> list[Interlock]:
    why = (
        f"a shadow of {plan.to_version} runs, but of its sampled answers {pairs} belong to sampled "
        f"records of the incident, {LEAST_PAIRS} are needed"
    )
    return [judge(None, None, why_unavailable=why)]
