"""The first baseline of a retrained version, where nobody uploaded one.

From the dataset's evaluation part, replayed through the new version, it judges at once. From the
version's first healthy windows it is provisional: what a version did first is not what it should
do, so a person looks at it and accepts it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts.actions.replay import Replays
from detectors.fit import fit_baseline
from monitor.labelling.quality_model import ENOUGH, standing_for
from monitor.labelling.quality_read import read
from monitor.response import record
from monitor.response.fence import Fence, unfenced
from monitor.retraining import orders
from monitor.retraining.apart import apart
from monitor.retraining.baseline_records import Records, evaluation, production
from monitor.retraining.datasets import labels_of
from monitor.retraining.judging import compared, has_baseline
from monitor.services import Services
from monitor.settings.schema import WatchedModel
from monitor.store import baselines
from monitor.store.tables import BaselineRow, RetrainingRow
from vigil.errors import BaselineError, ConflictError, NotFoundError
from vigil.types import WHOLE, ModelRef
from vigil.windows.baseline import Baseline

log = logging.getLogger("vigil.retraining")

EVERY = timedelta(minutes=10)
AUTHOR = "vigil"
_KEPT = "baseline"


class FirstBaselines:
    """Args:
    replays: by (model, deployment): what runs images through a version.
    """

    def __init__(self, services: Services, replays: Mapping[tuple[str, str], Replays]) -> None:
        self._services = services
        self._replays = replays
        self._asked_at: datetime | None = None

    def run_due(self, fence: Fence = unfenced) -> int:
        """Build what is missing and can be built; returns how many were."""
        now = self._services.clock.now()
        if self._asked_at is not None and now - self._asked_at < EVERY:
            return 0
        self._asked_at = now
        with self._services.sessions() as session:
            rows = session.scalars(
                select(RetrainingRow)
                .where(RetrainingRow.released_at.is_not(None))
                .order_by(RetrainingRow.id.desc())
                .limit(100)
            ).all()
            waiting = [
                row.id
                for row in rows
                if self._services.settings.model(row.model, row.deployment) is not None
                and not _state(row)
                and not has_baseline(session, row)
            ]
        return sum(apart(number, partial(self._build, number, fence)) for number in waiting)

    def _build(self, number: int, fence: Fence) -> bool:
        now = self._services.clock.now()
        with self._services.sessions() as session:
            row = orders.get(session, number)
            watched = self._services.settings.model(row.model, row.deployment)
            assert watched is not None
            found, reasons = self._records(session, row, now)
        built = None
        if found is not None:
            try:
                built = _fitted(row, watched, found, now)
            except BaselineError as error:
                reasons.append(f"{found.what}: {error}")
        with self._services.sessions.begin() as session:
            fence(session)
            row = orders.get(session, number, lock=True)
            if _state(row) or has_baseline(session, row):
                return False
            if built is None or found is None:
                why = "; ".join(reasons)
                if row.attempts.get(_KEPT, {}).get("why") != why:
                    row.attempts = {**row.attempts, _KEPT: {"state": "", "why": why}}
                return False
            _keep(session, row, built, found, now)
            return True

    def _records(
        self, session: Session, row: RetrainingRow, now: datetime
    ) -> tuple[Records | None, list[str]]:
        """The first source that has enough, and why each one before it has not."""
        reasons: list[str] = []
        replays = self._replays.get((row.model, row.deployment))
        if replays is None:
            reasons.append("evaluation part: neither an endpoint nor a function to replay through")
        else:
            try:
                found = self._evaluated(session, row, replays)
            except NotFoundError as error:
                reasons.append(f"evaluation part: {error}")
            else:
                if not found.why_not:
                    return found, reasons
                reasons.append(f"evaluation part: {found.why_not}")
        served, why_not = self._served(session, row, now)
        if served is None:
            reasons.append(f"production: {why_not}")
        return served, reasons

    def _evaluated(self, session: Session, row: RetrainingRow, replays: Replays) -> Records:
        kept = orders.dataset_of(session, row)
        if kept is None:
            raise NotFoundError("the dataset is gone")
        services = self._services
        lines = labels_of(session, services.settings, services.samples, kept.sha256)
        return evaluation(session, services, row, lines, replays)

    def _served(
        self, session: Session, row: RetrainingRow, now: datetime
    ) -> tuple[Records | None, str]:
        """Only where the version was healthy as far as incidents and labels know."""
        assert row.released_at is not None
        since = row.released_at
        of_it = [
            one.id
            for one in record.recent_incidents(session, row.model, row.deployment, since)
            if one.model_version == row.released_version and one.detected_at >= since
        ]
        if of_it:
            return None, f"it had an incident since its release (#{of_it[0]})"
        book = read(session, row.model, row.deployment, since=since, until=now)
        _, fair = standing_for(book.records, WHOLE, version=row.released_version or "")
        if len(fair) < ENOUGH:
            return None, f"{len(fair)} labels that stand for its traffic, {ENOUGH} needed"
        figures = compared(session, row, None, now=now)
        before, after = figures.before, figures.after
        if before is not None and after is not None and after.high < before.low:
            return None, "its labels say that it is worse than the versions before"
        labels = {one.record_id: one.label for one in fair}
        found = production(session, self._services, row, labels, until=now)
        return (None, found.why_not) if found.why_not else (found, "")


def accept(session: Session, number: int, *, actor: str, at: datetime) -> str:
    """A person looked at a provisional baseline: it judges the version from now on. Returns its
    hash.

    Raises:
        NotFoundError: no such retraining.
        ConflictError: there is no provisional one, or the version has a baseline by now.
    """
    row = orders.get(session, number, lock=True)
    kept: dict[str, Any] = row.attempts.get(_KEPT, {})
    if kept.get("state") != baselines.PROVISIONAL:
        found = kept.get("state") or "none"
        raise ConflictError(f"retraining {number}: expected a provisional baseline, found {found}")
    if has_baseline(session, row):
        raise ConflictError(f"{row.model} {row.released_version} has a baseline already")
    stored = session.scalar(select(BaselineRow).where(BaselineRow.sha256 == kept["sha256"]))
    if stored is None:
        raise NotFoundError(f"retraining {number}: its provisional baseline is gone")
    baselines.set_active(session, stored)
    row.attempts = {**row.attempts, _KEPT: {**kept, "state": baselines.ACTIVE, "by": actor}}
    row.updated_at = at
    text = f"The baseline of {row.released_version}, from {kept['what']}, is accepted by {actor}"
    orders.changed(
        session, row, "baseline_accepted", text, actor=actor, at=at, sha256=stored.sha256
    )
    return stored.sha256


def about(row: RetrainingRow) -> dict[str, Any]:
    """What is known of the first baseline: ``state`` (provisional, active, or empty with ``why``
    there is none yet), ``what`` it was built from, ``records``, ``labels``, ``sha256``."""
    found: dict[str, Any] = row.attempts.get(_KEPT, {})
    return dict(found)


def _state(row: RetrainingRow) -> str:
    return str(row.attempts.get(_KEPT, {}).get("state", ""))


def _fitted(row: RetrainingRow, watched: WatchedModel, found: Records, now: datetime) -> Baseline:
    assert row.released_version is not None
    model = ModelRef(name=row.model, version=row.released_version, deployment=row.deployment)
    return fit_baseline(
        model=model,
        batches=found.batches,
        keys=watched.keys,
        dataset=found.what,
        created_at=now,
        class_names=watched.class_names,
        author=AUTHOR,
        reason=f"retraining {row.id}",
    )


def _keep(
    session: Session, row: RetrainingRow, built: Baseline, found: Records, now: datetime
) -> None:
    is_provisional = found.what.startswith("production")
    stored = baselines.add(session, built, activate=not is_provisional)
    if is_provisional:
        stored.state = baselines.PROVISIONAL
    row.attempts = {
        **row.attempts,
        _KEPT: {
            "state": stored.state,
            "what": found.what,
            "records": built.records,
            "labels": found.labels,
            "sha256": built.sha256,
        },
    }
    row.updated_at = now
    then = "; it is provisional until a person accepts it" if is_provisional else ""
    text = (
        f"A baseline of {row.released_version} was built from {found.what}: {built.records} "
        f"records, {found.labels} labels{then}"
    )
    orders.changed(
        session,
        row,
        "baseline",
        text,
        actor=AUTHOR,
        at=now,
        sha256=built.sha256,
        state=stored.state,
    )
