"""What the database has for a canary: labelled records and outputs, in the order of arrival."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from detectors.methods.labels.labelled import Floats
from monitor.canary.state import BINS, CanaryRules
from monitor.canary.units import LabelledRecord
from monitor.store.tables import CanaryRow, LabelRow, LabelTaskRow, WindowRow
from monitor.store.windows import unpack_ledger
from vigil.windows.window import Ledger

SETTLE = timedelta(seconds=5)
"""Rows are read when they are so old: then all with smaller numbers are there, save those of a
transaction that took longer. Such a row is never counted, which harms nobody."""

MOST_LABELS = 20_000
MOST_WINDOWS = 500
_CHUNK = 500
_LEVELS = np.array([0.5, 0.8, 0.95])
_CLASSES = BINS // (len(_LEVELS) + 1)


def begins_at(session: Session, row: CanaryRow) -> datetime | None:
    """When both versions answer for sure: the end of the candidate's first window. None: it has
    sent none yet. What came before went to one version only, and would look like a wrong split."""
    return session.scalar(
        select(WindowRow.end_at)
        .where(
            WindowRow.model == row.model,
            WindowRow.deployment == row.deployment,
            WindowRow.version == row.candidate,
            WindowRow.records > 0,
            WindowRow.start_at >= row.started_at,
        )
        .order_by(WindowRow.end_at)
        .limit(1)
    )


def labelled(
    session: Session, row: CanaryRow, rules: CanaryRules, since: datetime, now: datetime
) -> tuple[list[LabelledRecord], int]:
    """Labels after the row's cursor of what was predicted from ``since`` on, and the new cursor."""
    found = session.execute(
        select(
            LabelRow.id,
            LabelRow.record_id,
            LabelRow.version,
            LabelRow.prediction,
            LabelRow.label,
            LabelRow.predicted_at,
            LabelRow.chosen,
        )
        .where(
            LabelRow.model == row.model,
            LabelRow.deployment == row.deployment,
            LabelRow.version.in_((row.control, row.candidate)),
            LabelRow.arrived_at >= row.started_at,
            LabelRow.arrived_at <= now - SETTLE,
            LabelRow.id > row.cursor,
        )
        .order_by(LabelRow.id)
        .limit(MOST_LABELS)
    ).all()
    mine = [one for one in found if one.predicted_at >= since]
    drawn = _inclusion(session, [one.record_id for one in mine]) if rules.least_inclusion else {}
    records = [
        LabelledRecord(
            record_id=one.record_id,
            is_new=one.version == row.candidate,
            wrong=one.prediction != one.label,
            inclusion=None if one.chosen else drawn.get(one.record_id, 1.0),
        )
        for one in mine
    ]
    return records, found[-1].id if found else row.cursor


def _inclusion(session: Session, ids: Sequence[str]) -> dict[str, float]:
    """With which probability records were drawn for labelling; those that were not are left out."""
    drawn: dict[str, float] = {}
    for first in range(0, len(ids), _CHUNK):
        rows = session.execute(
            select(LabelTaskRow.record_id, LabelTaskRow.inclusion).where(
                LabelTaskRow.record_id.in_(ids[first : first + _CHUNK]),
                LabelTaskRow.inclusion.is_not(None),
            )
        )
        for record_id, inclusion in rows:
            drawn[record_id] = max(inclusion or 0.0, drawn.get(record_id, 0.0))
    return drawn


def outputs(
    session: Session, row: CanaryRow, since: datetime, after: int, now: datetime
) -> tuple[Floats, Floats, int]:
    """Which version made each output, its bin, and the last window that was read."""
    found = session.execute(
        select(WindowRow.id, WindowRow.version, WindowRow.ledger)
        .where(
            WindowRow.model == row.model,
            WindowRow.deployment == row.deployment,
            WindowRow.version.in_((row.control, row.candidate)),
            WindowRow.id > after,
            WindowRow.start_at >= since,
            WindowRow.received_at <= now - SETTLE,
            WindowRow.ledger.is_not(None),
        )
        .order_by(WindowRow.id)
        .limit(MOST_WINDOWS)
    ).all()
    is_new, bins = [np.zeros(0)], [np.zeros(0)]
    for _, version, blob in found:
        if blob is None:
            continue
        binned = _binned(unpack_ledger(blob)[0])
        bins.append(binned)
        is_new.append(np.full(len(binned), float(version == row.candidate)))
    last = found[-1].id if found else after
    return np.concatenate(is_new), np.concatenate(bins), last


def _binned(ledger: Ledger) -> Floats:
    """The predicted class with its level of confidence; classes beyond the last share a bin."""
    known = ledger.prediction >= 0
    classes = np.minimum(ledger.prediction[known], _CLASSES - 1)
    levels = np.searchsorted(_LEVELS, np.nan_to_num(ledger.confidence[known]), side="right")
    return (classes * (len(_LEVELS) + 1) + levels).astype(np.float64)
