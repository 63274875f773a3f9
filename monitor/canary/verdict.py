"""What a deployer is told of a candidate: pass, fail, or that nobody knows yet.

Doubt and missing data are never a reason to roll back: only evidence is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from monitor.canary import manage
from monitor.canary.step import CanaryOutcome
from monitor.gate import keep
from monitor.gate.report import GateOutcome
from monitor.store.tables import IncidentRow
from vigil.types import Cause


class Result(StrEnum):
    """What Argo's conditions compare."""

    PASS = "pass"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


VALUES = {Result.PASS: 1, Result.INCONCLUSIVE: 0, Result.FAIL: -1}


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """What is known of a candidate. ``canary`` and ``gate``: how the latest of each came out.

    ``incident``: an open one that says that the candidate is worse. ``reason``: of the canary.
    """

    candidate: str
    canary: CanaryOutcome | None = None
    canary_id: int | None = None
    reason: str = ""
    units: tuple[int, int] = (0, 0)
    difference: float = 0.0
    accept: float = 1.0
    rollback: float = 1.0
    incident: int | None = None
    incident_title: str = ""
    gate: GateOutcome | None = None
    at: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    result: Result
    reasons: tuple[str, ...]
    evidence: Evidence

    @property
    def value(self) -> int:
        return VALUES[self.result]


def decide(evidence: Evidence) -> Verdict:
    """Fail where the canary says roll back, or an open incident says that it is worse; pass where
    the canary accepted it; else nobody knows. A gate says nothing of traffic."""
    reasons = []
    if evidence.incident is not None:
        reasons.append(f"incident {evidence.incident} is open: {evidence.incident_title}")
    if evidence.canary is not None:
        reasons.append(f"canary {evidence.canary_id} ({evidence.canary}): {evidence.reason}")
    else:
        reasons.append(f"there is no canary of {evidence.candidate or 'any version'}")
    result = Result.INCONCLUSIVE
    if evidence.canary is CanaryOutcome.ROLLBACK or evidence.incident is not None:
        result = Result.FAIL
    elif evidence.canary is CanaryOutcome.ACCEPT:
        result = Result.PASS
    return Verdict(result=result, reasons=tuple(reasons), evidence=evidence)


def evidence_of(session: Session, model: str, deployment: str, candidate: str = "") -> Evidence:
    """What the database knows; without a candidate, of that of the latest canary."""
    found = manage.listed(session, model, deployment, candidate or None, limit=1)
    canary = found[0] if found else None
    candidate = candidate or (canary.candidate if canary else "")
    incident = _incident(session, model, deployment, candidate) if candidate else None
    gates = keep.listed(session, model, deployment, candidate, limit=1) if candidate else ()
    known = Evidence(
        candidate=candidate,
        incident=incident.id if incident else None,
        incident_title=incident.title if incident else "",
        gate=GateOutcome(gates[0].outcome) if gates else None,
    )
    if canary is None:
        return known
    old, new = canary.result.get("units", (0, 0))
    return replace(
        known,
        canary=CanaryOutcome(canary.state),
        canary_id=canary.id,
        reason=str(canary.result.get("reason", "")),
        units=(int(old), int(new)),
        difference=float(canary.result.get("difference", 0.0)),
        accept=canary.evidence_accept,
        rollback=canary.evidence_rollback,
        at=canary.updated_at,
    )


def _incident(session: Session, model: str, deployment: str, candidate: str) -> IncidentRow | None:
    return session.scalar(
        select(IncidentRow)
        .where(
            IncidentRow.model == model,
            IncidentRow.deployment == deployment,
            IncidentRow.model_version == candidate,
            IncidentRow.cause == Cause.MODEL_REGRESSION.value,
            IncidentRow.state != "resolved",
        )
        .order_by(IncidentRow.id.desc())
        .limit(1)
    )
