"""What was done, or refused, about an incident; the rows hold JSON that other parts wrote, so what
is missing or of another shape is left out rather than raised."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from dashboards.console.readmodels import ActionView, DeliveryView, ReasonLine, RelabelItem
from monitor.labelling import pictures
from monitor.store.samples import SampleStore
from monitor.store.tables import ActionRow, LabelTaskRow, OutboxRow
from vigil.errors import NotFoundError

MOST_ITEMS = 24


def actions_of(
    session: Session, incident_id: int, class_names: Sequence[str] = ()
) -> tuple[ActionView, ...]:
    rows = session.scalars(
        select(ActionRow).where(ActionRow.incident_id == incident_id).order_by(ActionRow.id)
    )
    return tuple(_action(session, row, class_names) for row in rows)


def deliveries_of(session: Session, incident_id: int) -> tuple[DeliveryView, ...]:
    rows = session.scalars(
        select(OutboxRow).where(OutboxRow.incident_id == incident_id).order_by(OutboxRow.id)
    )
    return tuple(
        DeliveryView(
            receiver=row.receiver,
            event=row.event,
            state=row.state,
            attempts=row.attempts,
            created_at=row.created_at,
            delivered_at=row.delivered_at,
            next_attempt_at=row.next_attempt_at,
            error=row.last_error,
            receipt=", ".join(f"{key} {value}" for key, value in row.receipt.items()),
        )
        for row in rows
    )


def _action(session: Session, row: ActionRow, class_names: Sequence[str]) -> ActionView:
    items = session.scalars(
        select(LabelTaskRow)
        .where(LabelTaskRow.action_id == row.id)
        .order_by(LabelTaskRow.rank)
        .limit(MOST_ITEMS)
    ).all()
    total = session.scalar(
        select(func.count()).select_from(LabelTaskRow).where(LabelTaskRow.action_id == row.id)
    )
    return ActionView(
        id=row.id,
        kind=row.kind,
        state=row.state,
        summary=_summary(row),
        reasons=reasons_of(row.decision),
        interlock=_interlock(row.decision),
        result=_result(row.result),
        plan=tuple((str(key), _plain(value)) for key, value in row.plan.items()),
        plan_hash=row.plan_hash,
        created_at=row.created_at,
        executed_at=row.executed_at,
        finished_at=row.finished_at,
        approved_by=row.approved_by,
        items=tuple(item_of(item, class_names) for item in items),
        item_count=total or 0,
    )


def reasons_of(decision: Mapping[str, Any]) -> tuple[ReasonLine, ...]:
    """The guard's reasons in its own order, the most telling first."""
    out = []
    for reason in _list(decision.get("reasons")):
        if isinstance(reason, Mapping):
            text = str(reason.get("text", ""))
            out.append(
                ReasonLine(
                    outcome=str(reason.get("outcome", "")),
                    code=str(reason.get("code", "")),
                    text=text,
                )
            )
        elif reason:
            out.append(ReasonLine(outcome="", code="", text=str(reason)))
    return tuple(out)


def image_of(row: LabelTaskRow) -> str | None:
    """Where the page finds the item's thumbnail; None where no pixels are kept."""
    return f"/relabel/{row.id}.png" if row.looks == pictures.PIXELS else None


def image_bytes(session: Session, samples: SampleStore, item_id: int) -> bytes:
    """The thumbnail of a picked item, as PNG.

    Raises:
        NotFoundError: no such item, or none of its pixels are kept.
    """
    row = session.get(LabelTaskRow, item_id)
    looks = pictures.of(samples, row.batch) if row is not None and row.looks else None
    raw = looks.png(row.record_id) if looks is not None and row is not None else None
    if raw is None:
        raise NotFoundError(f"item {item_id}: no image is kept")
    return raw


def item_of(row: LabelTaskRow, class_names: Sequence[str]) -> RelabelItem:
    """A picked image as pages show it."""
    metadata = row.data.get("metadata")
    where = (
        " · ".join(f"{key}={value}" for key, value in metadata.items())
        if isinstance(metadata, Mapping)
        else ""
    )
    return RelabelItem(
        record_id=row.record_id,
        rank=row.rank,
        reason=row.reason,
        score=row.score,
        image=image_of(row),
        prediction=_prediction(row.data.get("prediction"), class_names),
        where=where,
    )


def _prediction(value: Any, class_names: Sequence[str]) -> str:
    if isinstance(value, int) and 0 <= value < len(class_names):
        return class_names[value]
    return "" if value is None or value == -1 else str(value)


def _summary(row: ActionRow) -> str:
    plan = row.plan
    if row.kind == "rollback" and plan.get("to_version"):
        return f"{plan.get('from_version', '?')} → {plan['to_version']}"
    return str(plan.get("text") or plan.get("summary") or "")


def _interlock(decision: Mapping[str, Any]) -> str:
    value = decision.get("interlock")
    if isinstance(value, Mapping):
        return str(value.get("text", ""))
    return str(value or "")


def _result(result: Mapping[str, Any]) -> str:
    for key in ("text", "message", "error", "summary"):
        if result.get(key):
            proof = result.get("proof")
            return f"{result[key]} {proof}" if proof else str(result[key])
    return ", ".join(f"{key.replace('_', ' ')} {_plain(value)}" for key, value in result.items())


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_plain(inner)}" for key, inner in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(_plain(inner) for inner in value)
    return "–" if value is None else str(value)


def _list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, (list, tuple)) else ()
