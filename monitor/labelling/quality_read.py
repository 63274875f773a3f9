"""Labelled records, tasks and annotations of one model, read from the tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from monitor.labelling.quality_boxes import BoxRecord
from monitor.labelling.quality_values import Drawn, LabelledRecord, Said, TaskState
from monitor.store.tables import ActionRow, AnnotationRow, BoxLabelRow, LabelRow, LabelTaskRow
from vigil.types import Slice, utc

MOST_LABELS = 50_000
MOST_BOXED = 5_000
_CHUNK = 500
T = TypeVar("T")
_ORDER = {Drawn.DAILY: 0, Drawn.INCIDENT: 1, Drawn.CHOSEN: 2}


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelBook:
    """Everything about the labels of a model: predictions of ``since`` and later."""

    records: tuple[LabelledRecord, ...]
    tasks: tuple[TaskState, ...]
    said: tuple[Said, ...]
    boxes: tuple[BoxRecord, ...] = ()


def read(
    session: Session, model: str, deployment: str, *, since: datetime, until: datetime
) -> LabelBook:
    """At most ``MOST_LABELS`` records, the newest; tasks and annotations of those picked since."""
    tasks = session.scalars(
        select(LabelTaskRow)
        .where(
            LabelTaskRow.model == model,
            LabelTaskRow.deployment == deployment,
            LabelTaskRow.picked_at >= since,
            LabelTaskRow.picked_at <= until,
        )
        .order_by(LabelTaskRow.id)
    ).all()
    labels = session.scalars(
        select(LabelRow)
        .where(
            LabelRow.model == model,
            LabelRow.deployment == deployment,
            LabelRow.predicted_at >= since,
            LabelRow.predicted_at <= until,
        )
        .order_by(LabelRow.predicted_at.desc(), LabelRow.id.desc())
        .limit(MOST_LABELS)
    ).all()
    best = _best(tasks)
    best |= _older(
        session, model, deployment, [r.record_id for r in labels if r.record_id not in best]
    )
    incidents = _incidents(session, best.values())
    records = [_of_label(row, best.get(row.record_id), incidents) for row in labels]
    known = {row.record_id for row in labels}
    keys = {key for row in labels for key in row.cell}
    records += [
        _of_task(row, incidents, keys)
        for row in best.values()
        if row.label is not None and row.record_id not in known and row.picked_at >= since
    ]
    return LabelBook(
        records=tuple(records),
        tasks=tuple(_state(row) for row in tasks),
        said=tuple(_said(session, tasks)),
        boxes=tuple(_boxes(session, model, deployment, since=since, until=until)),
    )


def _boxes(
    session: Session, model: str, deployment: str, *, since: datetime, until: datetime
) -> list[BoxRecord]:
    """At most ``MOST_BOXED`` records, the newest. One that nobody picked was drawn by the tap."""
    rows = session.scalars(
        select(BoxLabelRow)
        .where(
            BoxLabelRow.model == model,
            BoxLabelRow.deployment == deployment,
            BoxLabelRow.predicted_at >= since,
            BoxLabelRow.predicted_at <= until,
        )
        .order_by(BoxLabelRow.predicted_at.desc(), BoxLabelRow.id.desc())
        .limit(MOST_BOXED)
    ).all()
    tasks = _older(session, model, deployment, [row.record_id for row in rows])
    incidents = _incidents(session, tasks.values())
    return [
        BoxRecord(
            record=_of_boxes(row, tasks.get(row.record_id), incidents),
            found=row.found,
            truth=row.truth,
        )
        for row in rows
    ]


def _of_boxes(
    row: BoxLabelRow, task: LabelTaskRow | None, incidents: Mapping[int, int]
) -> LabelledRecord:
    sampling = _sampling(task, incidents)
    if not sampling and row.inclusion is None:
        sampling = {"drawn": Drawn.CHOSEN}
    elif not sampling:
        sampling = {"inclusion": row.inclusion}
    return LabelledRecord(
        record_id=row.record_id,
        version=row.version,
        cell={str(key): str(value) for key, value in row.cell.items()},
        prediction=-1,
        confidence=0.0,
        label=-1,
        predicted_at=row.predicted_at,
        arrived_at=row.arrived_at,
        author=row.author,
        **sampling,
    )


def _parts(ids: Sequence[T]) -> Iterator[Sequence[T]]:
    """As many at once as a database takes in one question."""
    return (ids[first : first + _CHUNK] for first in range(0, len(ids), _CHUNK))


def _best(tasks: Iterable[LabelTaskRow]) -> dict[str, LabelTaskRow]:
    """The task of each record that says most of how it was drawn; gold items draw nothing."""
    best: dict[str, LabelTaskRow] = {}
    for row in tasks:
        known = best.get(row.record_id)
        if known is None or _ORDER[_drawn(row)] < _ORDER[_drawn(known)]:
            best[row.record_id] = row
    return best


def _older(
    session: Session, model: str, deployment: str, ids: Sequence[str]
) -> dict[str, LabelTaskRow]:
    """Tasks of these records, whenever they were picked."""
    found: list[LabelTaskRow] = []
    for part in _parts(ids):
        found += session.scalars(
            select(LabelTaskRow).where(
                LabelTaskRow.record_id.in_(part),
                LabelTaskRow.model == model,
                LabelTaskRow.deployment == deployment,
            )
        )
    return _best(found)


def _incidents(session: Session, tasks: Iterable[LabelTaskRow]) -> dict[int, int]:
    """The incident of each action that picked."""
    actions = sorted({row.action_id for row in tasks if row.action_id is not None})
    found: dict[int, int] = {}
    for part in _parts(actions):
        rows = session.execute(
            select(ActionRow.id, ActionRow.incident_id).where(ActionRow.id.in_(part))
        )
        found.update((action, incident) for action, incident in rows)
    return found


def _drawn(row: LabelTaskRow) -> Drawn:
    if row.gold or row.inclusion is None or not 0 < row.inclusion <= 1:
        return Drawn.CHOSEN
    return Drawn.DAILY if row.action_id is None else Drawn.INCIDENT


def _sampling(row: LabelTaskRow | None, incidents: Mapping[int, int]) -> dict[str, Any]:
    if row is None:
        return {}
    drawn = _drawn(row)
    return {
        "drawn": drawn,
        "inclusion": 1.0 if drawn is Drawn.CHOSEN or row.inclusion is None else row.inclusion,
        "population": _slice(row.slice),
        "top": _top(row.data),
        "incident_id": None if row.action_id is None else incidents.get(row.action_id),
    }


def _of_label(
    row: LabelRow, task: LabelTaskRow | None, incidents: Mapping[int, int]
) -> LabelledRecord:
    return LabelledRecord(
        record_id=row.record_id,
        version=row.version,
        cell={str(key): str(value) for key, value in row.cell.items()},
        prediction=row.prediction,
        confidence=row.confidence,
        label=row.label,
        predicted_at=row.predicted_at,
        arrived_at=row.arrived_at,
        author=row.author,
        **(_sampling(task, incidents) if task or not row.chosen else {"drawn": Drawn.CHOSEN}),
    )


def _of_task(row: LabelTaskRow, incidents: Mapping[int, int], keys: set[str]) -> LabelledRecord:
    """A label that is not among the labels of predictions: none of the classes, or just come.

    Of its metadata only what makes slices counts: the ``keys`` that labels of predictions have.
    """
    metadata = (row.data.get("metadata") or {}).items()
    top, said = _top(row.data), int(row.data.get("prediction", -1))
    at = row.data.get("time_s")
    return LabelledRecord(
        record_id=row.record_id,
        version=row.version,
        cell={str(key): str(value) for key, value in metadata if not keys or key in keys},
        prediction=said,
        confidence=dict(top).get(said, 0.0),
        label=-1 if row.label is None else row.label,
        predicted_at=utc(float(at)) if isinstance(at, int | float) else row.picked_at,
        arrived_at=row.labelled_at or row.picked_at,
        **_sampling(row, incidents),
    )


def _top(data: Mapping[str, Any]) -> tuple[tuple[int, float], ...]:
    return tuple((int(kind), float(p)) for kind, p in data.get("top") or ())


def _slice(text: str) -> Slice:
    try:
        return Slice.parse(text)
    except ValueError:
        return Slice((("", text),))  # not readable: traffic that no slice lies in


def _state(row: LabelTaskRow) -> TaskState:
    return TaskState(
        task_id=row.id,
        record_id=row.record_id,
        state=row.state,
        drawn=_drawn(row),
        slice=row.slice,
        picked_at=row.picked_at,
        queued_at=row.queued_at,
        labelled_at=row.labelled_at,
        gold_label=row.gold_label if row.gold else None,
    )


def _said(session: Session, tasks: Sequence[LabelTaskRow]) -> list[Said]:
    of = {row.id: row.record_id for row in tasks}
    ids, found = list(of), []
    for part in _parts(ids):
        rows = session.scalars(
            select(AnnotationRow).where(AnnotationRow.task_id.in_(part)).order_by(AnnotationRow.id)
        )
        found += [
            Said(
                task_id=row.task_id,
                record_id=of[row.task_id],
                author=row.author,
                label=row.label,
                at=row.at,
                lead_time_s=row.lead_time_s,
            )
            for row in rows
        ]
    return found
