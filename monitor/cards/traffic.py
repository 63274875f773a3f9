"""Of the report: which versions served, how much, and what was measured of it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from dashboards.console import words
from dashboards.console.readmodels.card import CardSection, CardTable
from monitor.checks import coverage
from monitor.settings.schema import WatchedModel
from monitor.store import releases
from monitor.store.tables import BaselineRow, WindowRow
from vigil.catalogue import base_of, in_order, signal_of
from vigil.types import WHOLE


def versions(
    session: Session, model: str, deployment: str, *, since: datetime, until: datetime
) -> CardSection:
    """Inferences by version, from the windows that are kept, and the releases."""
    rows = session.execute(
        select(
            WindowRow.version,
            func.sum(WindowRow.records),
            func.min(WindowRow.start_at),
            func.max(WindowRow.end_at),
            func.sum(WindowRow.dropped),
        )
        .where(
            WindowRow.model == model,
            WindowRow.deployment == deployment,
            WindowRow.end_at > since,
            WindowRow.end_at <= until,
        )
        .group_by(WindowRow.version)
        .order_by(func.min(WindowRow.start_at))
    ).all()
    total = sum(int(records or 0) for _, records, *_ in rows)
    served = tuple(
        (
            version,
            words.count(int(records or 0)),
            words.share(int(records or 0) / total) if total else "–",
            words.stamp(first),
            words.stamp(last),
        )
        for version, records, first, last, _ in rows
    )
    lost = sum(int(dropped or 0) for *_, dropped in rows)
    sentences = [f"{words.count(total)} inferences in the windows that are kept."]
    if lost:
        sentences.append(f"{words.count(lost)} more were dropped before they were summed.")
    came = [
        row
        for row in releases.rows(session, model, deployment, limit=200)
        if since <= row.started_at <= until
    ]
    announced = tuple(
        (words.stamp(row.started_at), row.version, row.previous or "–", row.origin, row.note)
        for row in came
    )
    tables = []
    if served:
        columns = ("version", "inferences", "share", "from", "to")
        tables.append(CardTable(columns=columns, rows=served, numeric=(1, 2)))
    if announced:
        columns = ("release", "version", "after", "known by", "note")
        tables.append(CardTable(columns=columns, rows=announced))
    return CardSection(title="Versions", sentences=tuple(sentences), tables=tuple(tables))


def measured(
    session: Session, model: str, deployment: str, watched: WatchedModel | None
) -> CardSection:
    """The signals, what never pages of each, and the smallest shift that would show."""
    found = {
        one.signal: one.text
        for one in coverage.read(session, model, deployment)
        if one.slice == str(WHOLE)
    }
    own = watched.tolerance if watched else {}
    rows = tuple(
        (
            words.plain(name),
            signal.description,
            f"{own.get(name, signal.tolerance):g}",
            found[name],
        )
        for name in in_order(found)
        if base_of(name) == name and (signal := signal_of(name)) is not None
    )
    keys = ", ".join(watched.keys) if watched and watched.keys else "none declared"
    sentences = [f"Slices by: {keys}. Every inference is counted in the signals below."]
    if not rows:
        sentences = [f"Slices by: {keys}. No signal has been judged yet."]
    tables = (
        (
            CardTable(
                columns=("signal", "meaning", "tolerance", "smallest lasting shift that shows"),
                rows=rows,
                numeric=(2,),
            ),
        )
        if rows
        else ()
    )
    return CardSection(title="What is measured", sentences=tuple(sentences), tables=tables)


def baseline_fact(session: Session, model: str, version: str) -> str:
    """The baseline of the version that serves, in a few words."""
    row = session.scalar(
        select(BaselineRow)
        .where(
            BaselineRow.model == model,
            BaselineRow.version == version,
            BaselineRow.state == "active",
        )
        .order_by(BaselineRow.created_at.desc())
        .limit(1)
    )
    if row is None:
        return "none: its drift from training is not known"
    return (
        f"{row.sha256[:12]} of {row.created_at:%Y-%m-%d}, {words.count(row.records)} records of "
        f"{row.dataset}"
    )
