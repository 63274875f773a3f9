"""Which version serves, since when."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from monitor.store.audit import record
from monitor.store.tables import ReleaseRow
from vigil.build import NO_BUILD, Build

ANNOUNCED, OBSERVED, ROLLBACK = "announced", "observed", "rollback"

_NEWEST_FIRST = (ReleaseRow.started_at.desc(), ReleaseRow.id.desc())


def announce(
    session: Session,
    *,
    model: str,
    deployment: str,
    version: str,
    actor: str,
    at: datetime,
    known_good: bool = False,
    note: str = "",
    frozen_by: str | None = None,
    share: float = 1.0,
    build: Build = NO_BUILD,
) -> ReleaseRow:
    """This version serves from ``at`` on.

    Announcing what serves already makes no second release: an observed one becomes announced, and
    ``known_good``, ``note``, ``build`` and ``share`` are taken over. ``share`` of the traffic: the
    rest stays with what served before. ``frozen_by``: the freeze that it came in, for the audit.
    """
    serving = current(session, model, deployment, at)
    if serving is not None and serving.version == version:
        row = serving
        row.origin = ANNOUNCED if row.origin == OBSERVED else row.origin
        row.known_good = row.known_good or known_good
        row.note = note or row.note
        row.actor = row.actor or actor
        row.share = share
    else:
        row = ReleaseRow(
            model=model,
            deployment=deployment,
            version=version,
            previous=main_version(session, model, deployment, but=version, at=at),
            started_at=at,
            origin=ANNOUNCED,
            actor=actor,
            known_good=known_good,
            note=note,
            share=share,
        )
        session.add(row)
    row.preprocessing = build.preprocessing or row.preprocessing or ""
    row.hardware = build.hardware or row.hardware or ""
    row.schema_version = build.schema or row.schema_version or ""
    record(
        session,
        what="release announced",
        subject=f"{model}@{version}/{deployment}",
        actor=actor,
        at=at,
        known_good=known_good,
        **({"share": share} if share < 1.0 else {}),
        **build.to_json(),
        **({"during": frozen_by} if frozen_by else {}),
    )
    session.flush()
    return row


def current(
    session: Session, model: str, deployment: str, at: datetime | None = None
) -> ReleaseRow | None:
    """The release that serves at a time, by default the newest; None where none is known."""
    query = select(ReleaseRow).where(ReleaseRow.model == model, ReleaseRow.deployment == deployment)
    if at is not None:
        query = query.where(ReleaseRow.started_at <= at)
    return session.scalar(query.order_by(*_NEWEST_FIRST).limit(1))


def main_version(
    session: Session,
    model: str,
    deployment: str,
    *,
    but: str | None = None,
    at: datetime | None = None,
) -> str | None:
    """The version that most of the traffic goes to, as announced: beside a canary, its control.

    ``but``: any other than this one. None where nothing is known.
    """
    query = select(ReleaseRow).where(ReleaseRow.model == model, ReleaseRow.deployment == deployment)
    if at is not None:
        query = query.where(ReleaseRow.started_at <= at)
    for row in session.scalars(query.order_by(*_NEWEST_FIRST).limit(100)):
        both = (row.version, row.previous) if row.share >= 0.5 else (row.previous, row.version)
        for version in both:
            if version is not None and version != but:
                return version
    return None


def rows(
    session: Session,
    model: str | None = None,
    deployment: str | None = None,
    *,
    limit: int = 100,
) -> Sequence[ReleaseRow]:
    """Releases, newest first."""
    query = select(ReleaseRow)
    if model is not None:
        query = query.where(ReleaseRow.model == model)
    if deployment is not None:
        query = query.where(ReleaseRow.deployment == deployment)
    return session.scalars(query.order_by(*_NEWEST_FIRST).limit(limit)).all()
