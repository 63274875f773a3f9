"""A model's quality, its labels and its retrainings, as the console shows them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from dashboards.console import words
from dashboards.console.qualityview import QualityView, RetrainingLine, SuspectLine
from dashboards.console.readmodels.card import CardTable
from monitor.cards import quality as cards
from monitor.labelling.quality import QualityReport, report_on
from monitor.labelling.quality_labellers import Labeller
from monitor.labelling.quality_read import read
from monitor.labelling.quality_suspects import Suspect
from monitor.labelling.quality_words import interval
from monitor.retraining import orders
from monitor.retraining.first_baseline import about
from monitor.retraining.judging import has_baseline
from monitor.settings.schema import Settings
from monitor.store.baselines import PROVISIONAL
from monitor.store.known import must_be_known
from monitor.store.tables import RetrainingRow
from vigil.types import Slice

SPANS = {"1d": timedelta(days=1), "7d": timedelta(days=7), "30d": timedelta(days=30)}
SPANS |= {"90d": timedelta(days=90)}
USUAL = "30d"
MOST_SUSPECTS = 25


def quality_page(
    session: Session,
    settings: Settings,
    now: datetime,
    *,
    model: str,
    deployment: str,
    span: str,
) -> QualityView:
    """``span``: one of ``SPANS``; another becomes the usual one.

    Raises:
        NotFoundError: there is no such model.
    """
    watched = settings.model(model, deployment)
    must_be_known(session, model, deployment, declared=watched is not None)
    span = span if span in SPANS else USUAL
    since = now - SPANS[span]
    book = read(session, model, deployment, since=since, until=now)
    found = report_on(book, settings, model, deployment, since=since, now=now)
    names = watched.class_names if watched else ()
    rows = orders.listed(session, model=model, deployment=deployment, limit=50)
    return QualityView(
        model=model,
        deployment=deployment,
        span=span,
        spans=tuple(SPANS),
        sections=(
            cards.of_the_model(found, names),
            *cards.of_the_boxes(found),
            cards.calibration(found, book.records),
            cards.of_the_labels(found),
        ),
        people=_people(found),
        suspects=tuple(_suspect(one, names) for one in found.suspects[:MOST_SUSPECTS]),
        suspects_more=max(0, len(found.suspects) - MOST_SUSPECTS),
        retrainings=tuple(_retraining(session, row) for row in rows),
        can_propose=bool(book.records) and not any(row.state in orders.UNDER_WAY for row in rows),
    )


def _people(found: QualityReport) -> CardTable | None:
    if not found.labellers.people:
        return None
    return CardTable(
        columns=("labeller", "labels", "last 7 days", "gold items right", "alike again", "each"),
        rows=tuple(_labeller(one) for one in found.labellers.people),
        numeric=(1, 2, 5),
    )


def _labeller(one: Labeller) -> tuple[str, ...]:
    return (
        one.name or "(no name)",
        words.count(one.labels),
        words.count(one.recent),
        interval(one.gold) if one.gold else "–",
        interval(one.again) if one.again else "–",
        words.duration(one.median_lead_s),
    )


def _suspect(one: Suspect, names: tuple[str, ...]) -> SuspectLine:
    return SuspectLine(
        record_id=one.record_id,
        slice=str(Slice(tuple(sorted(one.cell.items())))),
        version=one.version,
        predicted=cards.class_name(one.prediction, names),
        confidence=one.confidence,
        labelled=cards.class_name(one.label, names),
        kinds=tuple(kind.value for kind in one.kinds),
        reasons=one.reasons,
    )


def _retraining(session: Session, row: RetrainingRow) -> RetrainingLine:
    kept = orders.dataset_of(session, row)
    first = about(row)
    told = row.judgement.get("text") or row.receipt.get("text") or ""
    return RetrainingLine(
        id=row.id,
        name=orders.order_id(session, row.id),
        state=row.state,
        reason=row.reason,
        incident_id=row.incident_id,
        at=row.created_at,
        actor=row.actor,
        hook=row.hook if row.hook != "none" else orders.BY_HAND,
        items=kept.items if kept else 0,
        dataset=kept.sha256 if kept else "",
        version=row.released_version or "",
        told=str(told),
        waits=row.state == orders.PROPOSED and not row.attempts.get("allowed_by"),
        under_way=row.state in orders.UNDER_WAY,
        baseline=_baseline(first),
        accepts=first.get("state") == PROVISIONAL and not has_baseline(session, row),
    )


def _baseline(first: dict[str, Any]) -> str:
    """Of the version that was made, in words; empty where nothing was tried."""
    if first.get("state"):
        return (
            f"baseline {first['state']}, from {first['what']}: {words.count(first['records'])} "
            f"records, {words.count(first['labels'])} labels"
        )
    return f"no baseline yet ({first['why']})" if first.get("why") else ""
