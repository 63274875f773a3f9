"""How many inferences an incident touched, and how many were wrong as far as labels know."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from alerts.types import Incident
from dashboards.console.readmodels.postmortem import Impact
from monitor.settings.schema import WatchedModel
from monitor.store.tables import LabelRow, WindowRow
from monitor.store.windows import unpack_summary
from vigil.errors import VigilError
from vigil.types import Slice
from vigil.windows import wire
from vigil.windows.summary import membership

MOST_WINDOWS = 4000
MOST_SLICES = 6
MOST_LABELS = 50_000
BEFORE = timedelta(days=7)


def impact_of(
    session: Session, incident: Incident, watched: WatchedModel | None, *, now: datetime
) -> Impact:
    """From the onset to the recovery, or to the resolve, or until now where it lasts."""
    start = incident.onset_at or incident.detected_at
    ended = incident.recovered_at or incident.resolved_at
    end = max(ended or now, start)
    slices = _slices(incident)
    counts, of_all, exact = _inferences(session, incident, slices, start, end)
    during = _labels(session, incident, start, end)
    before = _labels(session, incident, start - BEFORE, start)
    return Impact(
        start=start,
        end=end,
        over=ended is not None,
        inferences=counts[0],
        of_all=of_all,
        exact=exact,
        slices=tuple(
            (str(slice), count) for slice, count in zip(slices[1:], counts[1:], strict=True)
        ),
        labelled=during[0],
        wrong=during[1],
        labelled_before=before[0],
        wrong_before=before[1],
        cost=_cost(watched, counts[0], during, before),
        currency=watched.currency if watched else "",
    )


def _slices(incident: Incident) -> list[Slice]:
    """The incident's own first, then those of its findings."""
    found = sorted(incident.findings, key=lambda one: -one.size)
    named = dict.fromkeys(one.slice for one in found if one.slice != incident.slice)
    return [incident.slice, *list(named)[:MOST_SLICES]]


def _inferences(
    session: Session, incident: Incident, slices: Sequence[Slice], start: datetime, end: datetime
) -> tuple[list[int], int, bool]:
    """Inferences in each slice, all of them, and whether each window was read.

    Where there are more than ``MOST_WINDOWS``, every k-th is read and the share scaled up.
    """
    mine = (
        WindowRow.model == incident.model,
        WindowRow.deployment == incident.deployment,
        WindowRow.end_at > start,
        WindowRow.end_at <= end,
        WindowRow.records > 0,
    )
    total = int(session.scalar(select(func.sum(WindowRow.records)).where(*mine)) or 0)
    if all(slice.is_whole for slice in slices):
        return [total] * len(slices), total, True
    ids = list(session.scalars(select(WindowRow.id).where(*mine).order_by(WindowRow.id)))
    step = -(-len(ids) // MOST_WINDOWS) or 1
    picked = ids[::step]
    counts, read = [0] * len(slices), 0
    for first in range(0, len(picked), 500):
        chosen = WindowRow.id.in_(picked[first : first + 500])
        for records, blob in session.execute(
            select(WindowRow.records, WindowRow.blob).where(chosen)
        ):
            if blob is None:
                continue
            try:
                summary, _, _ = unpack_summary(blob)
            except (VigilError, *wire.UNREADABLE):
                continue
            read += records
            rows = membership(slices, summary.layout.keys, summary.cells)
            for place in range(len(slices)):
                counts[place] += int(summary.records[rows[place]].sum())
    exact = step == 1 and read == total
    if not exact and read:
        counts = [round(count * total / read) for count in counts]
    return counts, total, exact


def _labels(
    session: Session, incident: Incident, start: datetime, end: datetime
) -> tuple[int, int]:
    """Labels of what was predicted in the slice meanwhile, and how many say that it was wrong."""
    rows = session.execute(
        select(LabelRow.cell, LabelRow.prediction, LabelRow.label)
        .where(
            LabelRow.model == incident.model,
            LabelRow.deployment == incident.deployment,
            LabelRow.predicted_at >= start,
            LabelRow.predicted_at < end,
        )
        .order_by(LabelRow.predicted_at.desc())
        .limit(MOST_LABELS)
    )
    pairs = incident.slice.pairs
    kept = [row for row in rows if all(row.cell.get(key) == value for key, value in pairs)]
    return len(kept), sum(row.prediction != row.label for row in kept)


def _cost(
    watched: WatchedModel | None,
    inferences: int,
    during: tuple[int, int],
    before: tuple[int, int],
) -> float | None:
    """What the answers cost that were wrong beyond the usual; None where that is not known."""
    if watched is None or watched.error_cost is None or not during[0] or not before[0]:
        return None
    more = during[1] / during[0] - before[1] / before[0]
    return max(0.0, more) * inferences * watched.error_cost
