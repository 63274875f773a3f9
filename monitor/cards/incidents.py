"""Of the report: what went wrong, what was done about it, and false pages against the budget."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts.types import Disposition
from dashboards.console import words
from dashboards.console.readmodels.card import CardSection, CardTable
from monitor.audit.realised import OUTSIDE_THE_BUDGET, realised
from monitor.retraining import orders
from monitor.settings.schema import Settings
from monitor.store.tables import ActionRow, IncidentRow

MOST = 100
STATIONS = (("page", "paged_at"), ("mitigate", "mitigated_at"), ("recover", "recovered_at"))


def rows_of(
    session: Session, model: str, deployment: str, *, since: datetime, until: datetime
) -> list[IncidentRow]:
    """Incidents that were detected in the time, oldest first."""
    return list(
        session.scalars(
            select(IncidentRow)
            .where(
                IncidentRow.model == model,
                IncidentRow.deployment == deployment,
                IncidentRow.detected_at >= since,
                IncidentRow.detected_at <= until,
            )
            .order_by(IncidentRow.detected_at, IncidentRow.id)
        )
    )


def incidents(rows: Sequence[IncidentRow], now: datetime) -> CardSection:
    """Each with its cause, how long it lasted and what people called it."""
    if not rows:
        return CardSection(title="Incidents", sentences=("None.",))
    causes = Counter(row.cause for row in rows)
    told = ", ".join(f"{count} {words.plain(cause)}" for cause, count in causes.most_common())
    sentences = [f"{len(rows)} in this time: {told}."]
    for name, end in (
        ("page", "paged_at"),
        ("mitigate", "mitigated_at"),
        ("recover", "recovered_at"),
    ):
        took = [
            (getattr(row, end) - row.onset_at).total_seconds()
            for row in rows
            if row.onset_at is not None and getattr(row, end) is not None
        ]
        if took:
            middle = words.duration(float(np.median(took)))
            sentences.append(f"Time to {name}, median of {len(took)}: {middle} from the onset.")
    table = CardTable(
        columns=("incident", "detected", "cause", "slice", "lasted", "state", "called"),
        rows=tuple(_line(row, now) for row in rows[-MOST:]),
    )
    return CardSection(title="Incidents", sentences=tuple(sentences), tables=(table,))


def _line(row: IncidentRow, now: datetime) -> tuple[str, ...]:
    began = row.onset_at or row.detected_at
    ended = row.recovered_at or row.resolved_at
    lasted = words.duration(((ended or now) - began).total_seconds())
    return (
        f"{row.id}: {row.title}",
        words.stamp(row.detected_at),
        words.plain(row.cause),
        row.slice,
        lasted if ended else f"{lasted} so far",
        row.state,
        words.plain(row.disposition) if row.disposition else "–",
    )


def budget(
    session: Session,
    settings: Settings,
    rows: Sequence[IncidentRow],
    *,
    since: datetime,
    until: datetime,
) -> CardSection:
    """False pages of this model, beside what the budget allows over the whole fleet."""
    outside = {kind.value for kind in OUTSIDE_THE_BUDGET}
    mine = [row for row in rows if row.kind not in outside]
    false = sum(row.disposition == Disposition.FALSE_ALARM.value for row in mine)
    undecided = sum(row.disposition is None for row in mine)
    days = (until - since) / timedelta(days=1)
    fleet = realised(session, settings.budget, now=until, days=days)
    sentences = (
        f"Evidence raised {len(mine)} incidents of this model: people called {false} of them "
        f"false, of {undecided} nobody said.",
        f"False pages of the whole fleet: {fleet.false_pages}; the budget allows "
        f"{fleet.budget_pages:.2g} in the {fleet.days:.0f} days that were judged.",
    )
    return CardSection(title="False pages against the budget", sentences=sentences)


def actions(
    session: Session, rows: Sequence[IncidentRow], model: str, deployment: str, since: datetime
) -> CardSection:
    """Rollbacks and re-label queues of the incidents; retrainings of the time."""
    ids = [row.id for row in rows]
    done: list[ActionRow] = []
    for first in range(0, len(ids), 500):
        done += session.scalars(
            select(ActionRow)
            .where(ActionRow.incident_id.in_(ids[first : first + 500]))
            .order_by(ActionRow.id)
        ).all()
    tables, sentences = [], []
    if done:
        lines = tuple(
            (
                str(one.incident_id),
                one.kind,
                words.plain(one.state),
                str(one.result.get("text", "") or one.decision.get("text", "")),
            )
            for one in done[-MOST:]
        )
        columns = ("incident", "action", "state", "what came of it")
        tables.append(CardTable(columns=columns, rows=lines))
    retrained = [
        one
        for one in orders.listed(session, model=model, deployment=deployment, limit=MOST)
        if one.created_at >= since
    ]
    if retrained:
        trained = tuple(
            (
                str(one.id),
                one.reason,
                words.plain(one.state),
                one.released_version or "–",
                str(one.judgement.get("text", "") or "–"),
            )
            for one in retrained
        )
        heads = ("retraining", "why", "state", "version", "did it help")
        tables.append(CardTable(columns=heads, rows=trained))
    if not tables:
        sentences.append("Nothing was rolled back, queued for labelling or trained anew.")
    return CardSection(title="What was done", sentences=tuple(sentences), tables=tuple(tables))
