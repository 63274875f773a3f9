"""Gates in the database: what was held against what, by whom, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from monitor.gate.report import GateReport
from monitor.gate.words import check_dict
from monitor.store import audit
from monitor.store.tables import GateRow


def keep(
    session: Session,
    report: GateReport,
    *,
    model: str,
    deployment: str,
    candidate: str,
    control: str,
    actor: str,
    at: datetime,
) -> GateRow:
    """Note a gate, with its checks; ``candidate`` and ``control`` are versions."""
    row = GateRow(
        model=model,
        deployment=deployment,
        candidate=candidate,
        control=control,
        at=at,
        actor=actor[:200],
        outcome=report.outcome.value,
        checks=[check_dict(one) for one in report.checks],
    )
    session.add(row)
    audit.record(
        session,
        what="gate",
        subject=f"{model}@{candidate}/{deployment}",
        actor=actor,
        at=at,
        outcome=report.outcome.value,
        control=control,
    )
    session.flush()
    return row


def listed(
    session: Session,
    model: str | None = None,
    deployment: str | None = None,
    candidate: str | None = None,
    *,
    limit: int = 100,
) -> Sequence[GateRow]:
    """Gates, newest first."""
    query = select(GateRow).order_by(GateRow.at.desc(), GateRow.id.desc()).limit(limit)
    for column, value in (
        (GateRow.model, model),
        (GateRow.deployment, deployment),
        (GateRow.candidate, candidate),
    ):
        if value is not None:
            query = query.where(column == value)
    return session.scalars(query).all()
