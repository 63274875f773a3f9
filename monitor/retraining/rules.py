"""What the rules of retraining look at, read from the tables."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from monitor.labelling.quality_model import quality_on
from monitor.labelling.quality_read import read
from monitor.retraining import orders
from monitor.retraining.trigger import TriggerFacts
from monitor.settings.schema import WatchedModel
from monitor.store import releases
from monitor.store.tables import ActionRow, LabelRow, LabelTaskRow, ReleaseRow, RetrainingRow
from vigil.types import WHOLE


def facts_of(session: Session, watched: WatchedModel, now: datetime) -> TriggerFacts:
    """Of one model; accuracy is read only where a rule asks for it."""
    model, deployment, rules = watched.name, watched.deployment, watched.retraining
    busy = orders.under_way(session, model, deployment)
    last = next(iter(orders.listed(session, model=model, deployment=deployment, limit=1)), None)
    serving = _serving(session, model, deployment, now)
    served_since = serving.started_at if serving else None
    since = now - timedelta(days=rules.labels_of_days)
    accuracy = None
    if rules.accuracy_below is not None and serving is not None and busy is None:
        book = read(session, model, deployment, since=max(since, serving.started_at), until=now)
        part = quality_on(book.records, WHOLE, version=serving.version)
        accuracy = part.quality.accuracy if part else None
    return TriggerFacts(
        labelled=_labelled(session, model, deployment, since),
        accuracy=accuracy,
        version=serving.version if serving else "",
        served_since=served_since,
        labels_since=_labels(session, model, deployment, served_since) if served_since else 0,
        under_way=busy.id if busy else None,
        last_at=last.created_at if last else None,
    )


def _serving(session: Session, model: str, deployment: str, at: datetime) -> ReleaseRow | None:
    """The release that most of the traffic goes to: beside a canary, its control's."""
    version = releases.main_version(session, model, deployment, at=at)
    rows = releases.rows(session, model, deployment)
    return next((row for row in rows if row.version == version and row.started_at <= at), None)


def _labelled(session: Session, model: str, deployment: str, since: datetime) -> dict[int, int]:
    """Labelled images of each incident that no retraining was asked for."""
    asked = select(RetrainingRow.incident_id).where(RetrainingRow.incident_id.is_not(None))
    rows = session.execute(
        select(ActionRow.incident_id, LabelTaskRow.record_id)
        .join(ActionRow, ActionRow.id == LabelTaskRow.action_id)
        .where(
            LabelTaskRow.model == model,
            LabelTaskRow.deployment == deployment,
            LabelTaskRow.state == "labelled",
            LabelTaskRow.gold.is_(False),
            LabelTaskRow.picked_at >= since,
            ActionRow.incident_id.not_in(asked),
        )
        .distinct()
    )
    return dict(Counter(incident for incident, _ in rows))


def _labels(session: Session, model: str, deployment: str, since: datetime) -> int:
    return int(
        session.scalar(
            select(func.count())
            .select_from(LabelRow)
            .where(
                LabelRow.model == model,
                LabelRow.deployment == deployment,
                LabelRow.arrived_at >= since,
            )
        )
        or 0
    )
