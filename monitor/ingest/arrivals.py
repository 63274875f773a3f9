"""What windows say beside their numbers: who is alive, and which version serves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from monitor.store.database import insert, take_turns
from monitor.store.tables import ReleaseRow, SourceRow
from vigil.windows.window import Window

OBSERVED = "observed"
_TURN = 0x72656C73


def update_sources(session: Session, windows: Iterable[Window]) -> None:
    """Note that these sources are alive, and with which version."""
    latest: dict[tuple[str, str, str], list[Window]] = {}
    for window in windows:
        key = (window.source, window.model.name, window.model.deployment)
        latest.setdefault(key, []).append(window)
    for (source, model, deployment), group in sorted(latest.items()):
        newest = max(group, key=lambda window: window.end)
        with_records = [window.end for window in group if window.summary.total_records]
        # Another request may bring the same source at this moment: one of them makes the row.
        session.execute(
            insert(session, SourceRow)
            .values(
                source=source,
                model=model,
                deployment=deployment,
                version=newest.model.version,
                boot=newest.boot,
                first_seen_at=min(window.start for window in group),
                last_window_at=newest.end,
                retired=False,
            )
            .on_conflict_do_nothing()
        )
        row = session.get_one(SourceRow, (source, model, deployment), with_for_update=True)
        if newest.end >= row.last_window_at:
            row.version, row.boot, row.last_window_at = (
                newest.model.version,
                newest.boot,
                newest.end,
            )
            row.retired = any(window.final for window in group if window.end >= newest.end)
        if with_records:
            row.last_record_at = max([*with_records, row.last_record_at or with_records[0]])


@dataclass(frozen=True, kw_only=True, slots=True)
class FirstSeen:
    """The first window of a version in a deployment, as far as this request knows."""

    model: str
    deployment: str
    version: str
    at: datetime


def first_seen(windows: Iterable[Window]) -> list[FirstSeen]:
    """When each version with records first appears in these windows, oldest first."""
    starts: dict[tuple[str, str, str], datetime] = {}
    for window in windows:
        if not window.summary.total_records:
            continue
        key = (window.model.name, window.model.deployment, window.model.version)
        starts[key] = min(window.start, starts.get(key, window.start))
    ordered = sorted(starts.items(), key=lambda item: (item[1], item[0]))
    return [FirstSeen(model=m, deployment=d, version=v, at=at) for (m, d, v), at in ordered]


def observe_releases(session: Session, sightings: Iterable[FirstSeen]) -> list[ReleaseRow]:
    """Record a release for each version that nobody announced; returns the new rows.

    A window that comes late moves the start of an observed release back. Replicas that start a
    version at the same moment make one release.
    """
    new = []
    for seen in sightings:
        rows = _releases(session, seen)
        own = [row for row in rows if row.version == seen.version]
        if not own:
            take_turns(session, _TURN)
            rows = _releases(session, seen)
            own = [row for row in rows if row.version == seen.version]
        if own:
            if own[0].origin == OBSERVED and seen.at < own[0].started_at:
                own[0].started_at = seen.at
            continue
        before = [row for row in rows if row.started_at <= seen.at]
        row = ReleaseRow(
            model=seen.model,
            deployment=seen.deployment,
            version=seen.version,
            previous=before[-1].version if before else None,
            started_at=seen.at,
            origin=OBSERVED,
        )
        session.add(row)
        session.flush()
        new.append(row)
    return new


def _releases(session: Session, seen: FirstSeen) -> Sequence[ReleaseRow]:
    return session.scalars(
        select(ReleaseRow)
        .where(ReleaseRow.model == seen.model, ReleaseRow.deployment == seen.deployment)
        .order_by(ReleaseRow.started_at, ReleaseRow.id)
    ).all()
