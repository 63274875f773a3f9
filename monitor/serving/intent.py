"""What shall serve, and what does, read from the database."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from monitor.serving.builds import build_of
from monitor.serving.mismatch import Intent, Reality
from monitor.store.tables import CanaryRow, RegistryReadingRow, ReleaseRow, WindowRow
from vigil.build import NO_BUILD, Build

MEANT = ("announced", "rollback")
"""The origins of releases that somebody wanted; observed ones just came."""

LOOKED_AT_WINDOWS = 10

_BY = {"announced": "was announced", "rollback": "was put back by a rollback"}


def announced(session: Session, model: str, deployment: str, at: datetime) -> Intent | None:
    """As the last release says that somebody announced, or that a rollback made."""
    rows = session.scalars(
        select(ReleaseRow)
        .where(
            ReleaseRow.model == model,
            ReleaseRow.deployment == deployment,
            ReleaseRow.started_at <= at,
        )
        .order_by(ReleaseRow.started_at.desc(), ReleaseRow.id.desc())
    ).all()
    newest = next((row for row in rows if row.origin in MEANT), None)
    if newest is None:
        return None
    shares = {newest.version: newest.share}
    if newest.share < 1.0:
        before = [row.version for row in rows[rows.index(newest) :] if row.version not in shares]
        rest = newest.previous or next(iter(before), None)
        if rest is None:
            return None
        shares[rest] = 1.0 - newest.share
    over = _canary_over(session, newest)
    by = _BY[newest.origin]
    if newest.origin == "announced" and newest.actor:
        by = f"{by} by {newest.actor}"
    builds: dict[str, Build] = {}
    for row in rows:
        if row.version in shares and builds.get(row.version, NO_BUILD) == NO_BUILD:
            builds[row.version] = build_of(row)
    if over is not None:
        by = f"{by} for canary {over}, which is over"
    return Intent(
        shares=shares, at=newest.started_at, by=by, builds=builds, any_share=over is not None
    )


def _canary_over(session: Session, release: ReleaseRow) -> int | None:
    """The canary that ended after it had set the release's share; None where the share holds."""
    if release.share >= 1.0:
        return None
    row = session.execute(
        select(CanaryRow.id, CanaryRow.share, CanaryRow.ended_at)
        .where(
            CanaryRow.model == release.model,
            CanaryRow.deployment == release.deployment,
            CanaryRow.candidate == release.version,
        )
        .order_by(CanaryRow.started_at.desc(), CanaryRow.id.desc())
        .limit(1)
    ).first()
    if row is None or row.ended_at is None or row.ended_at < release.started_at:
        return None
    return int(row.id) if row.share == release.share else None


def registered(session: Session, model: str, deployment: str) -> Intent | None:
    """As the rollback target said when it was last asked."""
    row = session.get(RegistryReadingRow, (model, deployment))
    if row is None or row.version is None:
        return None
    return Intent(shares={row.version: 1.0}, at=row.changed_at, by="is what the registry says")


def seen(
    session: Session, model: str, deployment: str, at: datetime, *, window_s: float
) -> Reality:
    """What the windows of the last while say."""
    columns = (
        WindowRow.version,
        WindowRow.preprocessing,
        WindowRow.hardware,
        WindowRow.schema_version,
    )
    found = session.execute(
        select(*columns, func.sum(WindowRow.records))
        .where(
            WindowRow.model == model,
            WindowRow.deployment == deployment,
            WindowRow.end_at > at - timedelta(seconds=LOOKED_AT_WINDOWS * window_s),
            WindowRow.end_at <= at,
            WindowRow.origin == "live",
            WindowRow.records > 0,
        )
        .group_by(*columns)
    )
    records: Mapping[tuple[str, Build], int] = {
        (version, Build(preprocessing=prepared, hardware=hardware, schema=schema)): int(count)
        for version, prepared, hardware, schema, count in found
    }
    return Reality(records=records)
