"""Canaries, gates and controls as the console shows them."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from dashboards.console.releasesview import (
    CanaryLine,
    CheckLine,
    ControlLine,
    GateLine,
    ReleasesView,
)
from monitor.canary import manage as canaries
from monitor.controls import manage as controls
from monitor.gate import keep as gates
from monitor.settings.schema import Settings
from monitor.store.tables import CanaryRow, ControlRow, GateRow

MOST = 50


def releases_page(session: Session, settings: Settings) -> ReleasesView:
    """The newest of each."""
    return ReleasesView(
        canaries=tuple(_canary(row) for row in canaries.listed(session, limit=MOST)),
        gates=tuple(_gate(row) for row in gates.listed(session, limit=MOST)),
        controls=tuple(_control(row) for row in controls.listed(session, limit=MOST)),
        startable=tuple((one.name, one.deployment) for one in settings.models),
        settable=tuple(
            (one.name, one.deployment) for one in settings.models if one.controls.target != "none"
        ),
    )


def _canary(row: CanaryRow) -> CanaryLine:
    old, new = row.result.get("units", (0, 0))
    return CanaryLine(
        id=row.id,
        model=row.model,
        deployment=row.deployment,
        candidate=row.candidate,
        control=row.control,
        share=row.share,
        margin=row.margin,
        alpha=row.alpha,
        state=row.state,
        reason=str(row.result.get("reason", "")),
        difference=float(row.result.get("difference", 0.0)),
        units=(int(old), int(new)),
        accept=row.evidence_accept,
        rollback=row.evidence_rollback,
        outputs_differ=bool(row.result.get("outputs_differ")),
        left_out=int(row.result.get("left_out", 0)),
        started_at=row.started_at,
        ended_at=row.ended_at,
        incident=row.result.get("incident"),
    )


def _gate(row: GateRow) -> GateLine:
    return GateLine(
        id=row.id,
        model=row.model,
        deployment=row.deployment,
        candidate=row.candidate,
        control=row.control,
        outcome=row.outcome,
        at=row.at,
        actor=row.actor,
        checks=tuple(_check(one) for one in row.checks),
    )


def _check(one: dict[str, Any]) -> CheckLine:
    return CheckLine(**{name: one[name] for name in CheckLine.__dataclass_fields__})


def _control(row: ControlRow) -> ControlLine:
    return ControlLine(
        id=row.id,
        model=row.model,
        deployment=row.deployment,
        what=row.what,
        name=row.name,
        before=row.before,
        after=row.after,
        state=row.state,
        why=str(row.result.get("text") or row.decision.get("text") or ""),
        reason=row.reason,
        plan_hash=row.plan_hash,
        actor=row.actor,
        approved_by=row.approved_by or "",
        incident=row.incident_id,
        at=row.created_at,
        can_undo=row.state == "done" and "undone_by" not in row.result,
    )
