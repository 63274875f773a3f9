"""Tasks that nobody needs to label any more: marked at once, taken out of their queue by a job."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from alerts.actions.queues.protocol import LabelQueue
from monitor.labelling import ledger, pictures
from monitor.response.fence import Fence, unfenced
from monitor.services import Services
from monitor.store import installation
from monitor.store.database import is_away
from monitor.store.samples import SampleStore
from monitor.store.tables import AnnotationRow, LabelTaskRow
from vigil.errors import VigilError

log = logging.getLogger("vigil.labels")

_STEP = 500
_LEAVING = {ledger.WITHDRAWING: ledger.WITHDRAWN, ledger.EXPIRING: ledger.EXPIRED}


def withdraw(rows: Sequence[LabelTaskRow], why: str, *, at: datetime) -> int:
    """Mark tasks that wait; those with a label keep it. Returns how many were marked."""
    marked = 0
    for row in rows:
        if row.state in ledger.OPEN:
            row.state = ledger.WITHDRAWN if row.external_id is None else ledger.WITHDRAWING
            row.problem, row.ended_at = why, at
            marked += 1
    return marked


def forget(
    session: Session, samples: SampleStore, record_id: str, *, at: datetime
) -> tuple[LabelTaskRow, ...]:
    """Strike a record from its tasks: what it was, what people said of it, what it looked like.

    The rows stay, nameless, until their queue has given them back.
    """
    rows = tuple(
        session.scalars(
            select(LabelTaskRow).where(LabelTaskRow.record_id == record_id).with_for_update()
        )
    )
    for row in rows:
        session.execute(delete(AnnotationRow).where(AnnotationRow.task_id == row.id))
        pictures.strike(samples, row.batch, [record_id])
        row.record_id, row.data, row.reason, row.looks = f"forgotten-{row.id}", {}, "", ""
        row.label = row.gold_label = None
        row.state = ledger.WITHDRAWN if row.external_id is None else ledger.WITHDRAWING
        row.problem, row.ended_at = "forgotten", at
    return rows


class Withdrawals:
    """Takes marked tasks out of their queues."""

    def __init__(self, services: Services, queues: Mapping[tuple[str, str], LabelQueue]) -> None:
        self._services = services
        self._queues = queues

    def run_due(self, fence: Fence = unfenced) -> int:
        """Returns how many were taken out. A queue that fails is asked again the next time."""
        return sum(self._of(family, queue, fence) for family, queue in self._queues.items())

    def _of(self, family: tuple[str, str], queue: LabelQueue, fence: Fence) -> int:
        waiting = (
            select(LabelTaskRow)
            .where(
                LabelTaskRow.model == family[0],
                LabelTaskRow.deployment == family[1],
                LabelTaskRow.queue == queue.name,
                LabelTaskRow.state.in_(_LEAVING),
            )
            .order_by(LabelTaskRow.id)
            .limit(_STEP)
        )
        with self._services.sessions() as session:
            ours = installation.of(session)
            refs = {row.id: ledger.as_ref(row, ours) for row in session.scalars(waiting)}
        if not refs:
            return 0
        try:
            queue.withdraw(list(refs.values()))
        except Exception as error:
            if is_away(error):
                raise
            said = str(error) if isinstance(error, VigilError) else type(error).__name__
            log.warning("tasks of %s/%s stay in their queue: %s", *family, said)
            return 0
        with self._services.sessions.begin() as session:
            fence(session)
            rows = session.scalars(
                select(LabelTaskRow).where(LabelTaskRow.id.in_(refs)).with_for_update()
            )
            for row in rows:
                row.state = _LEAVING.get(row.state, row.state)
        return len(refs)
