"""The re-label queue of an incident: its most informative images, for people to label."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts.actions.label_queue import LabelQueue, LabelQueueError
from alerts.actions.relabel import Picked, pick
from alerts.types import Incident, MessageEvent, TimelineEntry
from monitor.checks.references import References
from monitor.response import record
from monitor.response.announce import Announcer
from monitor.services import Services
from monitor.settings.schema import WatchedModel
from monitor.store.tables import ActionRow, RelabelItemRow, WindowRow
from vigil.errors import RulerMismatchError
from vigil.sample import Sample
from vigil.types import Cause

KIND = "relabel"
WAIT_WINDOWS = 5
"""So many windows are collected after the alarm before images are picked."""

_CALLED_FOR = (Cause.DOMAIN_SHIFT, Cause.UNKNOWN)


def propose(
    session: Session, watched: WatchedModel, incident: Incident, *, at: datetime
) -> ActionRow | None:
    """Write down that images are to be picked, where the cause calls for labels."""
    if incident.cause not in _CALLED_FOR or watched.relabel.folder is None:
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

    def advance(self, action_id: int) -> None:
        """Pick and queue once enough was seen; the queue itself takes a batch once."""
        now = self._services.clock.now()
        with self._services.sessions() as session:
            row = session.get_one(ActionRow, action_id)
            if row.state != "proposed":
                return
            incident = record.get(session, row.incident_id)
            wait = timedelta(seconds=WAIT_WINDOWS * self._services.settings.service.window_s)
            if now < row.created_at + wait:
                return
            family = (incident.model, incident.deployment)
            watched = self._services.settings.model(*family)
            queue = self._queues.get(family)
            if watched is None or queue is None:
                return
            sample = self._sample(session, incident)
            baseline = self._references.of_version(session, incident.model, incident.model_version)
        reference = baseline.sample if baseline else Sample.empty()
        names = watched.class_names or (baseline.class_names if baseline else ())
        picks = pick(
            sample,
            reference,
            budget=watched.relabel.budget,
            rng=np.random.default_rng(action_id),
            class_names=names,
        )
        name = f"incident-{incident.id}-action-{action_id}"
        pixels = sample.thumbnails if sample.has_thumbnails else None
        try:
            queued = queue.put(name, picks, pixels)
        except LabelQueueError as error:
            self._failed(action_id, str(error))
            return
        self._done(action_id, incident.id, picks, queued.location, queued.images)

    def _sample(self, session: Session, incident: Incident) -> Sample:
        """The records of the incident's slice since its onset: informative and uniform ones."""
        since = incident.onset_at or incident.detected_at
        parts = session.scalars(
            select(WindowRow.sample_part)
            .where(
                WindowRow.model == incident.model,
                WindowRow.deployment == incident.deployment,
                WindowRow.version == incident.model_version,
                WindowRow.end_at > since,
                WindowRow.sample_part.is_not(None),
            )
            .order_by(WindowRow.end_at)
            .limit(500)
        ).all()
        names = [part for part in parts if part]
        found = [
            self._services.samples.read(
                names,
                kind=kind,
                model=incident.model,
                deployment=incident.deployment,
                version=incident.model_version,
                start=since,
                slice=incident.slice,
                limit=5000,
            )
            for kind in ("informative", "uniform")
        ]
        try:
            return Sample.merge(found, 5000)
        except RulerMismatchError:
            return found[1]

    def _done(
        self, action_id: int, incident_id: int, picks: list[Picked], location: str, images: int
    ) -> None:
        with self._services.sessions.begin() as session:
            row = session.get_one(ActionRow, action_id, with_for_update=True)
            if row.state != "proposed":
                return
            now = self._services.clock.now()
            incident = record.get(session, incident_id)
            for item in picks:
                data = item.to_json()
                data["image"] = f"images/{item.rank:04d}.png" if images else None
                session.add(
                    RelabelItemRow(
                        action_id=action_id,
                        record_id=item.record_id,
                        rank=item.rank,
                        reason=item.reason,
                        score=item.score,
                        data=data,
                    )
                )
            text = f"Queued {len(picks)} images of {incident.slice} for labelling in {location}."
            if not picks:
                text = f"No image of {incident.slice} could be queued: the sample is empty."
            row.state, row.updated_at, row.executed_at, row.finished_at = "done", now, now, now
            row.result = {"text": text, "location": location, "items": len(picks)}
            record.note(
                session,
                incident_id,
                TimelineEntry(at=now, kind="relabel_queued", actor="vigil", text=text),
            )
            touched = record.touch(session, incident)
            self._announcer.tell(session, touched, MessageEvent.UPDATE, at=now, note=text)
        if picks:
            self._services.metrics.count(
                "vigil_relabel_items_total",
                len(picks),
                model=incident.model,
                deployment=incident.deployment,
            )

    def _failed(self, action_id: int, why: str) -> None:
        with self._services.sessions.begin() as session:
            row = session.get_one(ActionRow, action_id, with_for_update=True)
            if row.state != "proposed":
                return
            now = self._services.clock.now()
            row.updated_at = now
            row.decision = {**row.decision, "attempts": int(row.decision.get("attempts", 0)) + 1}
            row.result = {"text": f"Images could not be queued yet: {why}."}
            if row.decision["attempts"] >= MOST_ATTEMPTS:
                row.state, row.finished_at = "failed", now
                row.result = {"text": f"Images could not be queued: {why}."}
                incident = record.touch(session, record.get(session, row.incident_id))
                self._announcer.tell(
                    session, incident, MessageEvent.UPDATE, at=now, note=row.result["text"]
                )


MOST_ATTEMPTS = 20
