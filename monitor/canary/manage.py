"""Canaries that people start and end; each change is audited."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from zlib import crc32

from sqlalchemy import Select, select
from sqlalchemy.orm import Session, undefer

from monitor.canary.state import CanaryRules, CanaryState
from monitor.canary.step import CanaryOutcome, look
from monitor.response.releases import announce
from monitor.settings.schema import Settings
from monitor.store import audit, releases
from monitor.store.database import take_turns
from monitor.store.tables import CanaryRow
from vigil.arguments import name_of
from vigil.errors import ConflictError, NotFoundError, VigilError

MARGIN, ALPHA = 0.01, 0.01
LONGEST_SEPARATOR = 20
_TURN = crc32(b"vigil canary")
LEAST = 1e-9
"""Of share and alpha; less overflows, and no traffic could show it."""


class CanaryError(VigilError):
    """A canary that can't be: what was expected, what came."""


def start(
    session: Session,
    settings: Settings,
    *,
    model: str,
    deployment: str,
    candidate: str,
    share: float,
    actor: str,
    at: datetime,
    control: str | None = None,
    margin: float = MARGIN,
    alpha: float = ALPHA,
    rules: CanaryRules | None = None,
) -> CanaryRow:
    """Watch ``candidate`` beside ``control``, by default the version that serves.

    Args:
        share: with which probability a unit goes to the candidate; the split is the caller's.
        margin: how much worse the candidate may be and still be accepted.
        alpha: the chance of each wrong verdict.
        rules: what counts as a unit.

    The candidate is announced as a release, where the newest is another, so that a rollback knows
    its way.

    Raises:
        CanaryError: a figure out of its range, or two versions that are one.
        ConflictError: one runs already.
        NotFoundError: what serves is not known.
    """
    rules = rules or CanaryRules()
    take_turns(session, _TURN)  # of two who start one at once, the second sees the first's
    running = session.scalar(_of(model, deployment).where(CanaryRow.state == "running"))
    if running is not None:
        raise ConflictError(
            f"canary {running.id} of {running.candidate} runs in {model}/{deployment}: end it first"
        )
    control = control or releases.main_version(session, model, deployment, but=candidate)
    if control is None:
        raise NotFoundError(f"{model}/{deployment}: what serves is not known; name the control")
    if control == candidate:
        raise CanaryError(f"expected two versions, found {candidate} twice")
    if len(rules.separator) > LONGEST_SEPARATOR or not 0 <= rules.least_inclusion <= 1:
        raise CanaryError(
            f"expected a separator of at most {LONGEST_SEPARATOR} characters and a least "
            f"inclusion from 0 to 1, found {rules.separator!r:.40} and {rules.least_inclusion}"
        )
    if 0 < min(share, alpha) < LEAST:
        raise CanaryError(f"expected share and alpha from {LEAST:g}, found {share:g} and {alpha:g}")
    try:
        name_of("control", control)
        state = CanaryState.new(share=share, margin=margin, alpha=alpha, rules=rules)
    except ValueError as error:
        raise CanaryError(f"canary: {error}") from None
    row = CanaryRow(
        model=model,
        deployment=deployment,
        control=control,
        candidate=candidate,
        share=share,
        margin=margin,
        alpha=alpha,
        state=CanaryOutcome.RUNNING.value,
        started_at=at,
        updated_at=at,
        actor=actor[:200],
        result=look(state).result,
        blob=state.to_bytes(),
    )
    session.add(row)
    session.flush()
    _audit(session, row, "canary started", actor, at, share=share, margin=margin, alpha=alpha)
    newest = releases.current(session, model, deployment, at)
    if newest is None or newest.version != candidate:
        announce(
            session,
            settings,
            model=model,
            deployment=deployment,
            version=candidate,
            actor=actor,
            at=at,
            note=f"canary {row.id}",
            share=share,
        )
    return row


def end(session: Session, canary_id: int, *, actor: str, at: datetime, note: str = "") -> CanaryRow:
    """End a canary, undecided.

    Raises:
        NotFoundError: there is none of that number.
        ConflictError: it is over.
    """
    row = held(session, canary_id)
    if row.state != CanaryOutcome.RUNNING:
        raise ConflictError(f"canary {canary_id} is over: {row.state}")
    row.state, row.ended_at, row.updated_at = CanaryOutcome.ENDED.value, at, at
    row.blob = None
    row.result = {**row.result, "ended_by": actor, "note": note}
    _audit(session, row, "canary ended", actor, at, note=note)
    return row


def held(session: Session, canary_id: int) -> CanaryRow:
    """One canary with its state, locked until the commit.

    Raises:
        NotFoundError: there is none of that number.
    """
    row = session.scalar(
        select(CanaryRow)
        .where(CanaryRow.id == canary_id)
        .options(undefer(CanaryRow.blob))
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if row is None:
        raise NotFoundError(f"canary {canary_id}: there is none of that number")
    return row


def listed(
    session: Session,
    model: str | None = None,
    deployment: str | None = None,
    candidate: str | None = None,
    *,
    limit: int = 100,
) -> Sequence[CanaryRow]:
    """Canaries, newest first."""
    query = _of(model, deployment).limit(limit)
    if candidate is not None:
        query = query.where(CanaryRow.candidate == candidate)
    return session.scalars(query).all()


def _of(model: str | None, deployment: str | None) -> Select[CanaryRow]:
    query = select(CanaryRow).order_by(CanaryRow.started_at.desc(), CanaryRow.id.desc())
    if model is not None:
        query = query.where(CanaryRow.model == model)
    if deployment is not None:
        query = query.where(CanaryRow.deployment == deployment)
    return query


def _audit(
    session: Session, row: CanaryRow, what: str, actor: str, at: datetime, **data: object
) -> None:
    subject = f"{row.model}@{row.candidate}/{row.deployment}"
    audit.record(session, what=what, subject=subject, actor=actor, at=at, canary=row.id, **data)
