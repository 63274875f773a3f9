"""Retrained versions are tied to their releases and judged by the labels that came since."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from alerts.types import Incident
from detectors.quality.estimate import Estimate
from monitor.labelling.quality_model import quality_on
from monitor.labelling.quality_read import read
from monitor.labelling.quality_values import LabelledRecord
from monitor.response import record
from monitor.response.fence import Fence, unfenced
from monitor.retraining import orders
from monitor.retraining.apart import apart
from monitor.retraining.judge import Compared, Judgement, judge
from monitor.services import Services
from monitor.settings.retraining import Retraining
from monitor.store.tables import (
    BaselineRow,
    LabelRow,
    LabelTaskRow,
    ReleaseRow,
    RetrainingRow,
)
from vigil.types import WHOLE, Slice

BEFORE = timedelta(days=30)
"""How far back the versions before are looked at, where no incident says since when."""


MOST_SLICES = 12


class Judging:
    def __init__(self, services: Services) -> None:
        self._services = services

    def run_due(self, fence: Fence = unfenced) -> int:
        """Ties what was asked for to its release, judges what is due; returns how many moved."""
        with self._services.sessions() as session:
            rows = session.execute(
                select(RetrainingRow.id, RetrainingRow.state)
                .where(RetrainingRow.state.in_((orders.REQUESTED, orders.RELEASED)))
                .order_by(RetrainingRow.id)
            ).all()
        moved = 0
        for number, state in rows:
            step = self._tie if state == orders.REQUESTED else self._judge
            moved += apart(number, partial(step, number, fence))
        return moved

    def _tie(self, number: int, fence: Fence) -> bool:
        with self._services.sessions.begin() as session:
            fence(session)
            row = orders.get(session, number, lock=True)
            if row.state != orders.REQUESTED:
                return False
            release = _release_of(session, row)
            if release is None:
                return False
            now = self._services.clock.now()
            row.state, row.updated_at = orders.RELEASED, now
            row.released_version, row.released_at = release.version, release.started_at
            known = has_baseline(session, row)
            expected = "" if known else f"; a baseline of {release.version} is expected"
            text = f"{release.version}, made by retraining {number}, is released{expected}"
            orders.changed(
                session, row, "released", text, actor="vigil", at=now, version=release.version
            )
            return True

    def _judge(self, number: int, fence: Fence) -> bool:
        """Once: when there are enough labels, or when the time is up."""
        now = self._services.clock.now()
        with self._services.sessions() as session:
            row = orders.get(session, number)
            rules = self._rules(row)
            assert row.released_at is not None
            overdue = now >= row.released_at + timedelta(days=rules.judge_within_days)
            if not overdue and _labels_since(session, row) < rules.judge_after_labels:
                return False
            incident = record.get(session, row.incident_id) if row.incident_id else None
            found = compared(session, row, incident, now=now)
            enough = found.after is not None and found.after.records >= rules.judge_after_labels
            if not (overdue or enough):
                return False
            result = judge(found, least_gain=rules.least_gain)
        with self._services.sessions.begin() as session:
            fence(session)
            row = orders.get(session, number, lock=True)
            if row.state != orders.RELEASED:
                return False
            self._settle(session, row, found, result, incident, now)
            return True

    def _rules(self, row: RetrainingRow) -> Retraining:
        watched = self._services.settings.model(row.model, row.deployment)
        return watched.retraining if watched else Retraining()

    def _settle(
        self,
        session: Session,
        row: RetrainingRow,
        found: Compared,
        result: Judgement,
        incident: Incident | None,
        now: datetime,
    ) -> None:
        row.state, row.judged_at, row.updated_at = result.verdict.value, now, now
        row.judgement = {
            "why": result.why.value,
            "text": result.text,
            "slice": found.slice,
            "before": found.before and asdict(found.before),
            "after": found.after and asdict(found.after),
            "rise": result.rise and asdict(result.rise),
            "elsewhere": result.elsewhere and asdict(result.elsewhere),
            "slices": {
                name: [one and asdict(one) for one in both] for name, both in found.others.items()
            },
            "baseline": has_baseline(session, row),
            "detector": _detector(row, incident),
        }
        seen = row.judgement["detector"]
        text = f"Retraining {row.id}: {result.text}" + (f"; {seen}" if seen else "")
        orders.changed(
            session, row, "judged", text, actor="vigil", at=now, verdict=result.verdict.value
        )
        self._services.metrics.count(
            "vigil_retrainings_total",
            model=row.model,
            deployment=row.deployment,
            outcome=result.verdict.value,
        )


def compared(
    session: Session, row: RetrainingRow, incident: Incident | None, *, now: datetime
) -> Compared:
    """The slice and the rest, before the release and since, by labels that may stand for them.

    ``others``: the further slices that the incident named, for people; they judge nothing.
    """
    assert row.released_at is not None
    assert row.released_version is not None
    began = (incident.onset_at or incident.detected_at) if incident else row.released_at - BEFORE
    piece = incident.slice if incident else WHOLE
    named = {one.slice for one in incident.findings} - {piece} if incident else set()
    book = read(session, row.model, row.deployment, since=began, until=now)
    new = [one for one in book.records if one.version == row.released_version]
    after = [one for one in new if one.predicted_at >= row.released_at]
    before = [
        one
        for one in book.records
        if one.version != row.released_version and one.predicted_at < row.released_at
    ]
    return Compared(
        slice=str(piece),
        version=row.released_version,
        before=_accuracy(before, piece),
        after=_accuracy(after, piece),
        rest_before=_rest(before, piece),
        rest_after=_rest(after, piece),
        others={
            str(one): (_accuracy(before, one), _accuracy(after, one))
            for one in sorted(named)[:MOST_SLICES]
        },
    )


def _accuracy(records: Iterable[LabelledRecord], piece: Slice) -> Estimate | None:
    part = quality_on(records, piece)
    return part.quality.accuracy if part else None


def _rest(records: Iterable[LabelledRecord], piece: Slice) -> Estimate | None:
    if piece.is_whole:
        return None
    return _accuracy([one for one in records if not one.is_in(piece)], WHOLE)


def has_baseline(session: Session, row: RetrainingRow) -> bool:
    """Whether the version that was made has an active baseline."""
    return (
        session.scalar(
            select(BaselineRow.id)
            .where(
                BaselineRow.model == row.model,
                BaselineRow.version == row.released_version,
                BaselineRow.state == "active",
            )
            .limit(1)
        )
        is not None
    )


def _release_of(session: Session, row: RetrainingRow) -> ReleaseRow | None:
    """The first release of the version that was named, or one whose note names the order."""
    mine = (
        ReleaseRow.model == row.model,
        ReleaseRow.deployment == row.deployment,
        ReleaseRow.started_at >= row.created_at,
    )
    query = select(ReleaseRow).where(*mine).order_by(ReleaseRow.started_at, ReleaseRow.id)
    if row.released_version is not None:
        named = query.where(ReleaseRow.version == row.released_version)
        return session.scalar(named.limit(1))
    order = orders.order_id(session, row.id)
    hinted = session.scalars(query.where(ReleaseRow.note.contains(order, autoescape=True)))
    return next((one for one in hinted if order in one.note.split()), None)


def _labels_since(session: Session, row: RetrainingRow) -> int:
    """Labels of the new version, picked ones too: cheap, and never fewer than those that count."""
    labels = session.scalar(
        select(func.count())
        .select_from(LabelRow)
        .where(
            LabelRow.model == row.model,
            LabelRow.deployment == row.deployment,
            LabelRow.version == row.released_version,
        )
    )
    tasks = session.scalar(
        select(func.count())
        .select_from(LabelTaskRow)
        .where(
            LabelTaskRow.model == row.model,
            LabelTaskRow.deployment == row.deployment,
            LabelTaskRow.version == row.released_version,
            LabelTaskRow.label == -1,
        )
    )
    return int(labels or 0) + int(tasks or 0)


def _detector(row: RetrainingRow, incident: Incident | None) -> str:
    """What the detector that fired says of the time since: it proves no rise of accuracy."""
    if incident is None or row.released_at is None:
        return ""
    if incident.recovered_at is None:
        return "the detector that fired has not seen it recover"
    if incident.recovered_at < row.released_at:
        return "the detector that fired saw it recover before the release"
    return f"the detector that fired saw it recover at {incident.recovered_at:%Y-%m-%d %H:%M} UTC"
