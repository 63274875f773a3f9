"""Annotations come back: each is written down once, and becomes a label when enough agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts.actions.queues.protocol import NONE_OF_THESE, Annotation
from monitor.ingest.box_labels import BoxLabelIn, LabelledBox, take_boxes
from monitor.ingest.cleaning import Refusal
from monitor.ingest.labels import LabelOutcome, take_labels
from monitor.ingest.receipts import LabelIn
from monitor.labelling import ledger
from monitor.labelling.votes import Vote, decided
from monitor.store import installation
from monitor.store.database import insert
from monitor.store.samples import SampleStore
from monitor.store.tables import AnnotationRow, LabelTaskRow
from vigil.values.texts import clean_text

_CHUNK = 500
_MOST_NAME = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Taken:
    """``annotations`` that are new or changed, tasks ``labelled`` by them, ``foreign`` ones that
    belong to no task, and what became of the labels."""

    annotations: int
    labelled: int
    foreign: int
    outcomes: tuple[LabelOutcome, ...]


def take(
    session: Session,
    annotations: Iterable[Annotation],
    *,
    now: datetime,
    wanted: int = 1,
    keys: Sequence[str] = (),
    samples: SampleStore | None = None,
) -> Taken:
    """Write annotations down, in one transaction with the labels that follow from them.

    An annotation that comes again changes nothing; one that its author changed replaces what was
    said, but the label of a record that was counted stays. The label of a task is what most of
    ``wanted`` or more people said; ``none of these`` stays with the task, as it is no class. Gold
    tasks check people and give no label. Tasks that expired or were withdrawn take labels still.

    Args:
        keys: of the model's cells, for predictions that no ledger has any more.
        samples: where the model's boxes are, which those of people are joined to. The first
            boxes of a task count, whatever is ``wanted``.
    """
    ours = installation.of(session)
    by_task: dict[int, list[Annotation]] = {}
    foreign = 0
    for one in annotations:
        number = ledger.row_id(ours, one.task)
        if number is None:
            foreign += 1
        else:
            by_task.setdefault(number, []).append(one)
    rows = {row.id: row for row in _locked(session, sorted(by_task))}
    foreign += sum(len(each) for number, each in by_task.items() if number not in rows)
    fresh, labelled = 0, []
    drawn: list[tuple[LabelTaskRow, Annotation]] = []
    for number in sorted(rows):
        new = sum(_note(session, number, one) for one in by_task[number])
        fresh += new
        boxed = [one for one in by_task[number] if one.boxes is not None]
        if boxed:
            if rows[number].state != ledger.LABELLED:
                _close(rows[number], now)
                drawn.append((rows[number], boxed[0]))
        elif new and _settle(session, rows[number], now, wanted):
            labelled.append(rows[number])
    outcomes = _labels(session, labelled, now, keys)
    if samples is not None:
        outcomes += _boxes(session, samples, drawn, now)
    return Taken(
        annotations=fresh,
        labelled=len(labelled) + len(drawn),
        foreign=foreign,
        outcomes=tuple(outcomes),
    )


def counted(outcomes: Iterable[LabelOutcome]) -> Counter[tuple[str, str, str]]:
    """Labels by model, deployment and what became of them."""
    return Counter((one.model, one.deployment, one.status) for one in outcomes)


def _locked(session: Session, numbers: Sequence[int]) -> Iterable[LabelTaskRow]:
    for first in range(0, len(numbers), _CHUNK):
        yield from session.scalars(
            select(LabelTaskRow)
            .where(LabelTaskRow.id.in_(numbers[first : first + _CHUNK]))
            .order_by(LabelTaskRow.id)
            .with_for_update()
        )


def _note(session: Session, number: int, one: Annotation) -> bool:
    """Whether it says anything new."""
    external = one.external_id[:_MOST_NAME]
    values = {
        "task_id": number,
        "external_id": external,
        "author": clean_text(one.author[:_MOST_NAME]),
        "label": one.label,
        "lead_time_s": one.lead_time_s,
        "at": one.at,
    }
    known = session.scalar(
        select(AnnotationRow)
        .where(AnnotationRow.task_id == number, AnnotationRow.external_id == external)
        .with_for_update()
    )
    if known is None:
        session.execute(insert(session, AnnotationRow).values(values).on_conflict_do_nothing())
        return True
    if known.label == one.label:
        return False
    known.label, known.at, known.lead_time_s = one.label, one.at, one.lead_time_s
    return True


def _settle(session: Session, row: LabelTaskRow, now: datetime, wanted: int) -> bool:
    """Whether the task has its first label now."""
    session.flush()
    said = session.execute(
        select(AnnotationRow.author, AnnotationRow.label, AnnotationRow.at)
        .where(AnnotationRow.task_id == row.id)
        .order_by(AnnotationRow.id)
    )
    label = decided(
        [Vote(author=author, label=label, at=at) for author, label, at in said], wanted=wanted
    )
    if label is None:
        return False
    first = row.state != ledger.LABELLED
    row.label = label
    if first:
        _close(row, now)
    return first


def _close(row: LabelTaskRow, now: datetime) -> None:
    row.state, row.labelled_at, row.ended_at, row.problem = ledger.LABELLED, now, now, ""


def _boxes(
    session: Session,
    samples: SampleStore,
    drawn: Sequence[tuple[LabelTaskRow, Annotation]],
    now: datetime,
) -> list[LabelOutcome]:
    """What people drew, joined to what the model drew; what could not be says why."""
    labels = [
        BoxLabelIn(
            id=row.record_id,
            boxes=tuple(LabelledBox(box=box.sides, label=box.label) for box in one.boxes or ()),
            author=one.author,
        )
        for row, one in drawn
        if not row.gold
    ]
    outcomes = take_boxes(session, samples, labels, now=now)
    by_record = {row.record_id: row for row, _ in drawn}
    for outcome in outcomes:
        if outcome.status == "rejected" and outcome.id in by_record:
            by_record[outcome.id].problem = f"{outcome.reason}: {outcome.detail}"
    return outcomes


def _labels(
    session: Session, rows: Sequence[LabelTaskRow], now: datetime, keys: Sequence[str]
) -> list[LabelOutcome]:
    wanted = [row for row in rows if not row.gold and row.label not in (None, NONE_OF_THESE)]
    by_record = {row.record_id: row for row in wanted}
    labels = [
        LabelIn(id=row.record_id, label=int(row.label or 0), author=_authors(session, row))
        for row in wanted
    ]
    outcomes = take_labels(session, labels, now=now)
    lost = [i for i, one in enumerate(outcomes) if one.reason == Refusal.UNKNOWN_RECORD]
    carried = [_carrying(labels[i], by_record[labels[i].id], keys) for i in lost]
    for i, outcome in zip(lost, take_labels(session, carried, now=now), strict=True):
        outcomes[i] = outcome
    for row, outcome in zip(wanted, outcomes, strict=True):
        if outcome.status == "rejected":
            row.problem = f"{outcome.reason}: {outcome.detail}"
    return outcomes


def _carrying(label: LabelIn, row: LabelTaskRow, keys: Sequence[str]) -> LabelIn:
    """The label with the prediction that was written down when it was picked."""
    prediction = int(row.data.get("prediction", -1))
    if prediction < 0:
        return label
    top = {int(one): float(p) for one, p in row.data.get("top", ())}
    metadata = row.data.get("metadata", {})
    return replace(
        label,
        model=row.model,
        version=row.version,
        deployment=row.deployment,
        prediction=prediction,
        confidence=min(1.0, max(0.0, top[prediction])) if prediction in top else None,
        metadata={key: str(metadata[key]) for key in keys if key in metadata},
    )


def _authors(session: Session, row: LabelTaskRow) -> str:
    query = select(AnnotationRow.author).where(
        AnnotationRow.task_id == row.id, AnnotationRow.label == row.label
    )
    return ", ".join(sorted({author for author in session.scalars(query) if author}))
