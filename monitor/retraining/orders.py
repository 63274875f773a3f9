"""Retrainings in the database: proposed, asked for, withdrawn, and tied to the version they made.

proposed -> requested -> released -> helped | did_not_help | unproven; or withdrawn, or failed.

Of one model one retraining is under way at a time.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from zlib import crc32

from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts.types import TimelineEntry
from monitor.response import record
from monitor.response.fence import Fence, unfenced
from monitor.retraining import datasets
from monitor.settings.retraining import Retraining
from monitor.settings.schema import Settings
from monitor.store import audit, installation
from monitor.store.database import Sessions, take_turns
from monitor.store.known import must_be_known
from monitor.store.samples import SampleStore
from monitor.store.tables import DatasetRow, RetrainingRow
from vigil.errors import ConflictError, NotFoundError, VigilError

PROPOSED, REQUESTED, RELEASED, FAILED, WITHDRAWN = (
    "proposed requested released failed withdrawn".split()
)
UNDER_WAY = (PROPOSED, REQUESTED, RELEASED)
BY_HAND = "by hand"
_TURN = crc32(b"vigil retraining")
_LONGEST = 2000


def propose(
    sessions: Sessions,
    settings: Settings,
    samples: SampleStore,
    *,
    model: str,
    deployment: str,
    reason: str,
    actor: str,
    at: datetime,
    incident_id: int | None = None,
    trigger: str = "",
    fence: Fence = unfenced,
) -> int:
    """Freeze the labels of the last days as a dataset, and propose to train on it.

    The files are written before the transaction: they lie under their content's name, so that
    those of a proposal that came second harm nobody. Returns the retraining's number.

    Raises:
        VigilError: no reason is given, no label is there, or the incident is another model's.
        NotFoundError: no such model or incident.
        ConflictError: a retraining of the model is under way.
    """
    reason = " ".join(reason.split())
    if not 0 < len(reason) <= _LONGEST:
        raise VigilError(f"reason: expected 1 to {_LONGEST} characters, found {len(reason)}")
    watched = settings.model(model, deployment)
    rules = watched.retraining if watched else Retraining()
    with sessions() as session:
        must_be_known(session, model, deployment, declared=watched is not None)
        _check(session, model, deployment, incident_id)
        since = at - timedelta(days=rules.labels_of_days)
        gathered = datasets.gather(session, settings, model, deployment, since=since, until=at)
    made = datasets.frozen(gathered, settings, samples)
    shelf = datasets.shelf_of(settings, samples, model, deployment)
    where = datasets.put(shelf, model, deployment, made)
    with sessions.begin() as session:
        fence(session)
        take_turns(session, _TURN)
        _check(session, model, deployment, incident_id)
        kept = datasets.note(
            session,
            made,
            model=model,
            deployment=deployment,
            location=where,
            actor=actor,
            reason=reason,
            at=at,
        )
        row = RetrainingRow(
            model=model,
            deployment=deployment,
            incident_id=incident_id,
            dataset_id=kept.id,
            reason=reason,
            state=PROPOSED,
            hook=rules.hook,
            attempts={"trigger": trigger} if trigger else {},
            created_at=at,
            updated_at=at,
            actor=actor,
        )
        session.add(row)
        session.flush()
        text = f"Retraining {row.id} proposed on {made.items} labels: {reason}"
        changed(session, row, "proposed", text, actor=actor, at=at, dataset=made.sha256)
        return row.id


def _check(session: Session, model: str, deployment: str, incident_id: int | None) -> None:
    other = under_way(session, model, deployment)
    if other is not None:
        raise ConflictError(f"{model} in {deployment}: retraining {other.id} is {other.state}")
    if incident_id is None:
        return
    incident = record.get(session, incident_id)
    if (incident.model, incident.deployment) != (model, deployment):
        raise VigilError(
            f"incident {incident_id} is of {incident.model} in {incident.deployment}, not of "
            f"{model} in {deployment}"
        )


def request(session: Session, number: int, *, actor: str, at: datetime) -> RetrainingRow:
    """Someone allows a proposal: the hook is asked next, or people train by hand.

    Raises:
        NotFoundError: there is none of that number.
        ConflictError: it is not a proposal any more, or was allowed already.
    """
    row = get(session, number, lock=True)
    if row.state != PROPOSED or row.attempts.get("allowed_by"):
        said = "allowed already" if row.state == PROPOSED else row.state
        raise ConflictError(f"retraining {number} is {said}")
    row.attempts = {**row.attempts, "allowed_by": actor, "allowed_at": at.isoformat()}
    row.updated_at = at
    if row.hook == "none":
        row.state, row.requested_at, row.hook = REQUESTED, at, BY_HAND
        text = f"Retraining {number} is to be done by hand, asked for by {actor}"
    else:
        text = f"Retraining {number} allowed by {actor}: {row.hook} is asked"
    changed(session, row, "allowed", text, actor=actor, at=at)
    return row


def withdraw(
    session: Session, number: int, *, reason: str, actor: str, at: datetime
) -> RetrainingRow:
    """It is not wanted any more; what a hook has begun is not stopped.

    Raises:
        NotFoundError, ConflictError: as ``request``, or it has been judged.
        VigilError: no reason is given.
    """
    reason = " ".join(reason.split())[:_LONGEST]
    if not reason:
        raise VigilError("reason: expected why it is withdrawn, found none")
    row = get(session, number, lock=True)
    if row.state not in UNDER_WAY:
        raise ConflictError(f"retraining {number} is {row.state}")
    row.state, row.updated_at = WITHDRAWN, at
    text = f"Retraining {number} withdrawn: {reason}"
    changed(session, row, "withdrawn", text, actor=actor, at=at, reason=reason)
    return row


def name_version(
    session: Session, number: int, *, version: str, actor: str, at: datetime
) -> RetrainingRow:
    """The training made this version; it is judged once the version is released.

    Raises:
        NotFoundError: there is none of that number.
        ConflictError: it was not asked for, or made another version.
    """
    row = get(session, number, lock=True)
    if row.released_version == version:
        return row
    if row.state != REQUESTED or row.released_version is not None:
        other = f" and made {row.released_version}" if row.released_version else ""
        raise ConflictError(f"retraining {number} is {row.state}{other}")
    row.released_version, row.updated_at = version, at
    changed(
        session,
        row,
        "made",
        f"Retraining {number} made {version}",
        actor=actor,
        at=at,
        version=version,
    )
    return row


def get(session: Session, number: int, *, lock: bool = False) -> RetrainingRow:
    """Raises:
    NotFoundError: there is none of that number.
    """
    row = session.get(RetrainingRow, number, with_for_update=lock or None, populate_existing=True)
    if row is None:
        raise NotFoundError(f"retraining {number}: there is none of that number")
    return row


def under_way(session: Session, model: str, deployment: str) -> RetrainingRow | None:
    return session.scalar(
        select(RetrainingRow)
        .where(
            RetrainingRow.model == model,
            RetrainingRow.deployment == deployment,
            RetrainingRow.state.in_(UNDER_WAY),
        )
        .order_by(RetrainingRow.id.desc())
        .limit(1)
    )


def listed(
    session: Session,
    *,
    model: str | None = None,
    deployment: str | None = None,
    state: str | None = None,
    limit: int = 100,
) -> list[RetrainingRow]:
    """Newest first."""
    query = select(RetrainingRow).order_by(RetrainingRow.id.desc()).limit(limit)
    if model is not None:
        query = query.where(RetrainingRow.model == model)
    if deployment is not None:
        query = query.where(RetrainingRow.deployment == deployment)
    if state is not None:
        query = query.where(RetrainingRow.state == state)
    return list(session.scalars(query))


def dataset_of(session: Session, row: RetrainingRow) -> DatasetRow | None:
    return None if row.dataset_id is None else session.get(DatasetRow, row.dataset_id)


def order_id(session: Session, number: int) -> str:
    """Names the retraining to others: unique over installations, fit for Kubernetes."""
    return f"vigil-retrain-{installation.of(session)[:8].lower()}-{number}"


def changed(
    session: Session,
    row: RetrainingRow,
    what: str,
    text: str,
    *,
    actor: str,
    at: datetime,
    **data: Any,
) -> None:
    """Audit, and the timeline of the incident that it is about."""
    audit.record(
        session,
        what=f"retraining {what}",
        subject=f"retraining {row.id} of {row.model}/{row.deployment}",
        actor=actor,
        at=at,
        **data,
    )
    told: Mapping[str, Any] = {"retraining": row.id, **data}
    if row.incident_id is not None:
        record.note(
            session,
            row.incident_id,
            TimelineEntry(
                at=at, kind=f"retraining_{what}", actor=actor, text=f"{text}.", data=told
            ),
        )
