"""A model's ledger as its page shows it."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from dashboards.console.versionsview import (
    DifferenceLine,
    EventLine,
    ShareLine,
    SpanLine,
    VersionsView,
)
from monitor.serving.versions import Ledger, ledger
from monitor.settings.schema import Settings

SHORTEST = timedelta(minutes=10)
LONGEST = timedelta(days=30)


def versions_page(
    session: Session, settings: Settings, now: datetime, *, model: str, deployment: str
) -> VersionsView:
    """Raises:
    NotFoundError: nothing is known of such a model.
    """
    found = ledger(session, settings, model, deployment, at=now)
    first = min((one.first_at for one in found.spans), default=now - SHORTEST)
    said = found.announced
    return VersionsView(
        model=model,
        deployment=deployment,
        said=f"It {said.by}." if said else "",
        read_at=found.read_at,
        problem=found.problem,
        start=max(min(first, now - SHORTEST), now - LONGEST),
        end=now,
        shares=_shares(found),
        sees_traffic=bool(found.shares),
        differences=tuple(
            DifferenceLine(
                text=one.text,
                since=one.since,
                told=(now - one.since).total_seconds() >= found.patience_s,
            )
            for one in found.mismatches
        ),
        spans=tuple(
            SpanLine(
                version=one.version,
                build=", ".join(f"{what} {value}" for what, value in one.build.to_json().items()),
                first_at=one.first_at,
                last_at=one.last_at,
                records=one.records,
                share=one.share,
                serves=one.serves,
            )
            for one in found.spans
        ),
        events=tuple(
            EventLine(
                at=one.at,
                kind=one.kind,
                version=one.version,
                text=one.text,
                incident=one.incident,
            )
            for one in found.events
        ),
    )


def _shares(found: Ledger) -> tuple[ShareLine, ...]:
    """The versions of now, those with most traffic first."""
    said = found.announced.shares if found.announced else {}
    sure = not (found.announced and found.announced.any_share)
    registered = {found.registry} if found.registry else set()
    names = sorted(
        {*said, *found.shares, *registered},
        key=lambda version: (-found.shares.get(version, 0.0), -said.get(version, 0.0), version),
    )
    return tuple(
        ShareLine(
            version=version,
            announced=said.get(version) if sure else None,
            seen=found.shares.get(version) if found.shares else None,
            registered=version in registered,
        )
        for version in names
    )
