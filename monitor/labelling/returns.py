"""Gives each queue what was picked from daily traffic, asks it what people said, takes that in."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from alerts.actions.queues.protocol import LabelQueue, Poll
from monitor.labelling import ledger
from monitor.labelling.sending import send
from monitor.labelling.state import Family, state_of
from monitor.labelling.taking import Taken, counted, take
from monitor.response.fence import Fence, unfenced
from monitor.services import Services
from monitor.store import installation
from monitor.store.database import is_away
from monitor.store.tables import LabelQueueRow, LabelTaskRow
from vigil.errors import VigilError

log = logging.getLogger("vigil.labels")

OVERLAP = timedelta(minutes=5)
"""The queue's clock may be behind ours: what changed so shortly before the last time is asked for
again."""

STILL_ASKED = timedelta(days=14)
"""A task that has its label is asked about so much longer: a second opinion shows agreement."""

LONGEST_WAIT_S = 3600.0


class LabelReturns:
    """Label queues by (model, deployment), asked by turns."""

    def __init__(self, services: Services, queues: Mapping[Family, LabelQueue]) -> None:
        self._services = services
        self._queues = queues

    def run_due(self, fence: Fence = unfenced) -> int:
        """Ask every queue that is due; returns the number of labels that came."""
        return sum(self.ask(family, fence=fence) for family in self._queues if self._is_due(family))

    def ask(self, family: Family, *, fence: Fence = unfenced, sending: bool = True) -> int:
        """Ask a queue now. One that fails is asked less and less often; the others are not held up.

        Args:
            sending: also give it what it has not got; only for the process that leads, because
                two that look for a task at once would both make it.

        Returns:
            How many tasks got their label.
        """
        queue = self._queues[family]
        now = self._services.clock.now()
        with self._services.sessions() as session:
            state = session.get(LabelQueueRow, family)
            asked_at = state.asked_at if state else None
            batches = self._unsent(session, family) if sending else []
        try:
            for batch in batches:
                send(self._services, queue, batch, fence=fence)
            with self._services.sessions() as session:
                rows = self._asked_about(session, family, queue.name, now)
                ours = installation.of(session)
            refs = [ledger.as_ref(row, ours) for row in rows]
            poll = queue.poll(refs, since=_since(rows, asked_at)) if refs else Poll()
        except Exception as error:
            if is_away(error):
                raise
            said = str(error) if isinstance(error, VigilError) else type(error).__name__
            log.warning("labels of %s/%s: %s", *family, said)
            self._failed(family, queue.name, said, now, fence)
            return 0
        taken = self._take(family, queue.name, poll, now, fence)
        for (model, deployment, status), count in counted(taken.outcomes).items():
            self._services.metrics.count(
                "vigil_labels_total", count, model=model, deployment=deployment, status=status
            )
        return taken.labelled

    def _take(self, family: Family, name: str, poll: Poll, now: datetime, fence: Fence) -> Taken:
        watched = self._services.settings.model(*family)
        with self._services.sessions.begin() as session:
            fence(session)
            taken = take(
                session,
                poll.annotations,
                now=now,
                wanted=watched.relabel.annotators if watched else 1,
                keys=watched.keys if watched else (),
                samples=self._services.samples,
            )
            row = state_of(session, family, name)
            row.failures = 0
            if not poll.problems:  # what can't be read is asked for again, until it can
                row.asked_at = now
            row.problem = "; ".join(poll.problems)
            row.due_at = now + timedelta(seconds=self._poll_s(family))
        return taken

    def _asked_about(
        self, session: Session, family: Family, name: str, now: datetime
    ) -> Sequence[LabelTaskRow]:
        return session.scalars(
            select(LabelTaskRow)
            .where(
                LabelTaskRow.model == family[0],
                LabelTaskRow.deployment == family[1],
                LabelTaskRow.queue == name,
                LabelTaskRow.external_id.is_not(None),
                or_(LabelTaskRow.state == ledger.QUEUED, LabelTaskRow.ended_at > now - STILL_ASKED),
            )
            .order_by(LabelTaskRow.id)
        ).all()

    def _unsent(self, session: Session, family: Family) -> list[str]:
        """Batches of daily traffic that the queue has not got; those of incidents are sent by the
        incident's action."""
        return list(
            session.scalars(
                select(LabelTaskRow.batch)
                .where(
                    LabelTaskRow.model == family[0],
                    LabelTaskRow.deployment == family[1],
                    LabelTaskRow.state == ledger.PICKED,
                    LabelTaskRow.action_id.is_(None),
                )
                .distinct()
                .order_by(LabelTaskRow.batch)
            )
        )

    def _is_due(self, family: Family) -> bool:
        with self._services.sessions() as session:
            row = session.get(LabelQueueRow, family)
            return row is None or row.due_at is None or row.due_at <= self._services.clock.now()

    def _poll_s(self, family: Family) -> float:
        watched = self._services.settings.model(*family)
        return watched.relabel.poll_s if watched else 60.0

    def _failed(self, family: Family, name: str, problem: str, now: datetime, fence: Fence) -> None:
        with self._services.sessions.begin() as session:
            fence(session)
            row = state_of(session, family, name)
            row.problem, row.failures = problem, row.failures + 1
            wait = min(LONGEST_WAIT_S, self._poll_s(family) * 2.0 ** min(row.failures, 20))
            row.due_at = now + timedelta(seconds=wait)


def _since(rows: Sequence[LabelTaskRow], asked_at: datetime | None) -> datetime | None:
    """What changed since then is new to us; None: all of it.

    A task may have lain in its queue for long before that was written down, where a process was
    killed or an answer was lost: of such a one everything since it was picked is asked for.
    """
    if asked_at is None:
        return None
    late = asked_at - OVERLAP
    return min([late, *(row.picked_at for row in rows if row.queued_at and row.queued_at > late)])
