"""The page of label queues."""

from __future__ import annotations

from sqlalchemy.orm import Session

from dashboards.console.labelsview import LabelBatchLine, LabelQueueLine, LabelsView
from monitor.labelling import overview
from monitor.settings.schema import Settings
from monitor.web.console.queries_actions import item_of

MOST_SHOWN = 24


def labels_page(session: Session, settings: Settings) -> LabelsView:
    """Every queue, the latest batches, and what to label next."""
    names = {(one.name, one.deployment): one.class_names for one in settings.models}
    return LabelsView(
        queues=tuple(
            LabelQueueLine(
                model=one.model,
                deployment=one.deployment,
                place=one.name or one.kind or "not configured any more",
                waiting=one.waiting,
                labelled=one.counts.get("labelled", 0),
                expired=one.counts.get("expired", 0) + one.counts.get("expiring", 0),
                withdrawn=one.counts.get("withdrawn", 0) + one.counts.get("withdrawing", 0),
                oldest_at=one.oldest_at,
                asked_at=one.asked_at,
                problem=one.problem,
                failing=one.failures > 0,
            )
            for one in overview.queues(session, settings)
        ),
        batches=tuple(
            LabelBatchLine(
                batch=one.batch,
                model=one.model,
                deployment=one.deployment,
                slice=one.slice if one.slice != "all traffic" else "",
                incident_id=one.incident_id,
                picked_at=one.picked_at,
                total=one.total,
                waiting=one.waiting,
                labelled=one.counts.get("labelled", 0),
            )
            for one in overview.batches(session)
        ),
        waiting=tuple(
            item_of(row, names.get((row.model, row.deployment), ()))
            for row in overview.next_ones(session, limit=MOST_SHOWN)
        ),
    )
