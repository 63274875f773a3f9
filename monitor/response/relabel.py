"""The re-label queue of an incident: its most informative images, for people to label."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from alerts.actions.queues.protocol import LabelQueue
from alerts.actions.relabel import drawable
from alerts.types import Disposition, Incident, MessageEvent, Severity, TimelineEntry
from monitor.checks.references import References
from monitor.labelling import ledger, pictures
from monitor.labelling.choosing import choose
from monitor.labelling.sending import send
from monitor.response import record
from monitor.response.announce import Announcer
from monitor.response.fence import Fence, unfenced
from monitor.response.sampled import records_of
from monitor.services import Services
from monitor.settings.schema import WatchedModel
from monitor.store import installation
from monitor.store.samples import Kind
from monitor.store.tables import ActionRow
from vigil.errors import ConflictError, RulerMismatchError
from vigil.types import Cause
from vigil.windows.sample import Sample

KIND = "relabel"
WAIT_WINDOWS = 5
"""So many windows are collected after the alarm before images are picked."""

_CALLED_FOR = (Cause.DOMAIN_SHIFT, Cause.UNKNOWN)
_MOST = 2500
_PRIORITY = {
    Severity.CRITICAL: 1.0,
    Severity.ERROR: 0.8,
    Severity.WARNING: 0.6,
    Severity.INFO: 0.5,
}


def propose(
    session: Session, watched: WatchedModel, incident: Incident, *, at: datetime
) -> ActionRow | None:
    """Write down that images are to be picked, where the cause calls for labels."""
    if incident.cause not in _CALLED_FOR or not watched.relabel.is_on:
        return None
    row = ActionRow(
        incident_id=incident.id,
        kind=KIND,
        state="proposed",
        plan={"budget": watched.relabel.budget, "slice": str(incident.slice)},
        plan_hash=f"relabel-{incident.id}",
        created_at=at,
        updated_at=at,
    )
    session.add(row)
    session.flush()
    return row


class Relabelling:
    """Picks and queues. ``queues`` by (model, deployment)."""

    def __init__(
        self,
        services: Services,
        announcer: Announcer,
        queues: Mapping[tuple[str, str], LabelQueue],
    ) -> None:
        self._services = services
        self._announcer = announcer
        self._queues = queues
        self._references = References()

    def advance(self, action_id: int, fence: Fence = unfenced) -> None:
        """Pick once enough was seen, write that down, and queue it; the queue takes a task once.

        Raises:
            LabelQueueError: the queue can't take them now.
        """
        now = self._services.clock.now()
        with self._services.sessions.begin() as session:
            fence(session)
            row = session.get_one(ActionRow, action_id, with_for_update=True)
            if row.state != "proposed":
                return
            incident = record.get(session, row.incident_id)
            wait = timedelta(seconds=WAIT_WINDOWS * self._services.settings.service.window_s)
            if now < row.created_at + wait:
                return
            is_picked = bool(ledger.of_action(session, action_id))
            name = f"{installation.of(session)[:6]}-incident-{incident.id}-action-{action_id}"
        family = (incident.model, incident.deployment)
        watched = self._services.settings.model(*family)
        queue = self._queues.get(family)
        if watched is None or queue is None:
            self.give_up(action_id, "its queue is no longer in the configuration")
            return
        if incident.disposition is Disposition.FALSE_ALARM:
            self.give_up(action_id, "the incident was a false alarm")
            return
        if not is_picked:
            self._pick(action_id, incident, watched, queue, name, fence)
        placed = send(self._services, queue, name, fence=fence)
        self._done(action_id, incident.id, placed.location if placed else queue.name, fence)

    def _pick(
        self,
        action_id: int,
        incident: Incident,
        watched: WatchedModel,
        queue: LabelQueue,
        name: str,
        fence: Fence,
    ) -> None:
        with self._services.sessions() as session:
            sample, uniform = self._sample(session, incident)
            baseline = self._references.of_version(session, incident.model, incident.model_version)
        picks = choose(
            self._services,
            watched,
            sample,
            baseline,
            may_draw=drawable(uniform),
            budget=watched.relabel.budget,
            seed=action_id,
            drifted=[finding.signal for finding in incident.findings],
        )
        if not picks:
            return
        looks = pictures.keep(self._services.samples, name, sample.take([p.row for p in picks]))
        with self._services.sessions.begin() as session:
            fence(session)
            row = session.get_one(ActionRow, action_id, with_for_update=True)
            if row.state != "proposed" or ledger.of_action(session, action_id):
                raise ConflictError(f"action {action_id}: another process picked for it")
            ledger.write(
                session,
                picks,
                queue=queue.name,
                batch=name,
                model=incident.model,
                deployment=incident.deployment,
                slice=str(incident.slice),
                action_id=action_id,
                at=self._services.clock.now(),
                looks=looks.kind,
                rules=watched.relabel,
                priority=_PRIORITY[incident.severity],
            )

    def _sample(self, session: Session, incident: Incident) -> tuple[Sample, Sample]:
        """The records of the incident's slice since its onset, and the uniform ones of them."""
        kinds: tuple[Kind, Kind] = ("informative", "uniform")
        store = self._services.samples
        found = [records_of(session, store, incident, kind=kind, limit=_MOST) for kind in kinds]
        try:
            return Sample.merge(found, len(kinds) * _MOST), found[1]
        except RulerMismatchError:
            return found[1], found[1]

    def _done(self, action_id: int, incident_id: int, location: str, fence: Fence) -> None:
        with self._services.sessions.begin() as session:
            fence(session)
            row = session.get_one(ActionRow, action_id, with_for_update=True)
            if row.state != "proposed":
                return
            now = self._services.clock.now()
            incident = record.get(session, incident_id)
            items = len(ledger.of_action(session, action_id))
            text = f"Queued {items} images of {incident.slice} for labelling in {location}."
            if not items:
                text = f"No image of {incident.slice} could be queued: the sample is empty."
            row.state, row.updated_at, row.executed_at, row.finished_at = "done", now, now, now
            row.result = {"text": text, "location": location, "items": items}
            record.note(
                session,
                incident_id,
                TimelineEntry(at=now, kind="relabel_queued", actor="vigil", text=text),
            )
            touched = record.touch(session, incident)
            self._announcer.tell(session, touched, MessageEvent.UPDATE, at=now, note=text)
        if items:
            self._services.metrics.count(
                "vigil_relabel_items_total",
                items,
                model=incident.model,
                deployment=incident.deployment,
            )

    def give_up(self, action_id: int, why: str) -> None:
        """End it as failed, and tell."""
        with self._services.sessions.begin() as session:
            row = session.get_one(ActionRow, action_id, with_for_update=True)
            if row.state != "proposed":
                return
            now = self._services.clock.now()
            text = f"Images could not be queued: {why}."
            row.state, row.updated_at, row.finished_at = "failed", now, now
            for task in ledger.of_action(session, action_id):
                if task.state == ledger.PICKED:
                    task.state, task.problem, task.ended_at = ledger.FAILED, why, now
            row.result = {"text": text}
            record.note(
                session,
                row.incident_id,
                TimelineEntry(at=now, kind="relabel_failed", actor="vigil", text=text),
            )
            incident = record.touch(session, record.get(session, row.incident_id))
            self._announcer.tell(session, incident, MessageEvent.UPDATE, at=now, note=text)
