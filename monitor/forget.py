"""Deletes one record everywhere, because the person on the picture asked for it.

Sums stay as they are: nobody can be read out of a count. Baselines are immutable: build a new one
where its sample holds the record. Its label tasks are taken out of their queues, as soon as those
answer.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from monitor.ingest.labels import find_places
from monitor.labelling import withdrawing
from monitor.retraining import datasets
from monitor.services import Services
from monitor.store import audit
from monitor.store.tables import BoxLabelRow, LabelRow, LedgerIdRow, WindowRow
from monitor.store.windows import pack_ledger, unpack_ledger
from vigil.windows.window import Ledger


@dataclass(frozen=True, kw_only=True, slots=True)
class Forgotten:
    """What was deleted. ``tasks``: label tasks that are taken out of their queues."""

    ledger: bool
    sampled: int
    labels: int
    tasks: int


def forget(services: Services, record_id: str, *, actor: str) -> Forgotten:
    """Delete the record from ledgers, samples, labels, re-label queues and datasets.

    The audit keeps only a hash of the id. Asking again is harmless.
    """
    with services.sessions() as session:
        places = find_places(session, [record_id])
        part = None
        if record_id in places:
            part = session.scalar(
                select(WindowRow.sample_part).where(WindowRow.id == places[record_id][0])
            )
    parts = [part] if part else services.samples.parts()
    sampled = sum(services.samples.forget(name, record_id) for name in parts)
    with services.sessions.begin() as session:
        in_ledger = record_id in places and _strike(session, places[record_id][0], record_id)
        session.execute(delete(LedgerIdRow).where(LedgerIdRow.record_id == record_id))
        labels = session.scalars(
            delete(LabelRow).where(LabelRow.record_id == record_id).returning(LabelRow.id)
        ).all()
        session.execute(delete(BoxLabelRow).where(BoxLabelRow.record_id == record_id))
        now = services.clock.now()
        tasks = withdrawing.forget(session, services.samples, record_id, at=now)
        datasets.forget(session, services.settings, services.samples, record_id)
        audit.record(
            session,
            what="record forgotten",
            subject=hashlib.sha256(record_id.encode()).hexdigest(),
            actor=actor,
            at=now,
        )
    return Forgotten(ledger=in_ledger, sampled=sampled, labels=len(labels), tasks=len(tasks))


def _strike(session: Session, window_id: int, record_id: str) -> bool:
    """Take a record out of the ledger of its window."""
    row = session.get(WindowRow, window_id, with_for_update=True)
    if row is None or row.ledger is None:
        return False
    ledger, keys, cells = unpack_ledger(row.ledger)
    if ledger.ids:
        keep = np.array([one != record_id for one in ledger.ids])
    else:
        keep = ledger.counter != np.uint64(int(record_id.rpartition(".")[2]))
    left = Ledger(
        counter=ledger.counter[keep],
        cell=ledger.cell[keep],
        prediction=ledger.prediction[keep],
        confidence=ledger.confidence[keep],
        ids=tuple(one for one, kept in zip(ledger.ids, keep, strict=True) if kept)
        if ledger.ids
        else (),
    )
    row.ledger = pack_ledger(left, keys, cells)
    return bool((~keep).any())
