"""How a version is run: preprocessing, hardware, schema."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from monitor.store.tables import ReleaseRow, ServingSpanRow
from vigil.build import Build


def latest_build(session: Session, model: str, deployment: str, version: str) -> Build:
    """How a version is run, as its release says, else as its newest windows do; each part of its
    own."""
    release = session.scalar(
        select(ReleaseRow)
        .where(
            ReleaseRow.model == model,
            ReleaseRow.deployment == deployment,
            ReleaseRow.version == version,
        )
        .order_by(ReleaseRow.started_at.desc(), ReleaseRow.id.desc())
        .limit(1)
    )
    span = session.scalar(
        select(ServingSpanRow)
        .where(
            ServingSpanRow.model == model,
            ServingSpanRow.deployment == deployment,
            ServingSpanRow.version == version,
        )
        .order_by(ServingSpanRow.last_at.desc(), ServingSpanRow.id.desc())
        .limit(1)
    )
    said = build_of(release) if release else Build()
    shown = build_of(span) if span else Build()
    return Build(
        preprocessing=said.preprocessing or shown.preprocessing,
        hardware=said.hardware or shown.hardware,
        schema=said.schema or shown.schema,
    )


def build_of(row: ReleaseRow | ServingSpanRow) -> Build:
    """As it was announced, or as its windows say."""
    return Build(preprocessing=row.preprocessing, hardware=row.hardware, schema=row.schema_version)
