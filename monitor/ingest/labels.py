"""Labels find their predictions: in the ledger, by id, or in the label itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from monitor.ingest.cleaning import Refusal
from monitor.ingest.receipts import LabelIn, LabelReceipt
from monitor.store.database import insert
from monitor.store.tables import LabelRow, LabelTaskRow, LedgerIdRow, WindowRow
from monitor.store.windows import unpack_ledger
from vigil.arguments import NAME_LIMIT
from vigil.types import ModelRef
from vigil.values.texts import MAX_TEXT, clean_text
from vigil.windows.window import Ledger

_LABEL_LIMIT = 2**31
_KEYS_LIMIT = 32
_CHUNK = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class Prediction:
    """What was predicted for a record, and where it belongs."""

    model: ModelRef
    cell: dict[str, str]
    prediction: int
    confidence: float
    at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelOutcome:
    """What became of a label; model and deployment are empty where they can't be known."""

    id: str
    status: Literal["accepted", "duplicate", "rejected"]
    reason: str = ""
    detail: str = ""
    model: str = ""
    deployment: str = ""

    @property
    def receipt(self) -> LabelReceipt:
        reason = f"{self.reason}: {self.detail}" if self.reason else ""
        return LabelReceipt(id=self.id, status=self.status, reason=reason)


def take_labels(
    session: Session, labels: Sequence[LabelIn], *, now: datetime, judged_by: int | None = None
) -> list[LabelOutcome]:
    """Store labels beside their predictions; the first label of a record stays.

    ``judged_by``: the tick that has counted them already, where one has.
    """
    labels = _found_names(session, labels)
    usable = [label for label in labels if _problem(label) is None]
    known = known_labels(session, [label.id for label in usable])
    predictions = find_predictions(
        session, [label.id for label in usable if label.id not in known and not _carries(label)]
    )
    chosen = picked_for_its_score(session, [label.id for label in usable])
    outcomes, rows = [], []
    for label in labels:
        problem = _problem(label)
        if problem is not None:
            outcomes.append(_rejected(label, Refusal.MALFORMED, problem))
            continue
        if label.id in known:
            outcomes.append(_again(label, known[label.id]))
            continue
        found = _carried(label, now) if _carries(label) else predictions.get(label.id)
        if found is None:
            outcomes.append(
                _rejected(label, Refusal.UNKNOWN_RECORD, "no window that came in has this record")
            )
            continue
        if found.prediction < 0:
            outcomes.append(
                _rejected(label, Refusal.UNKNOWN_RECORD, "nothing was predicted for this record")
            )
            continue
        known[label.id] = label.label
        rows.append(_row(label, found, now, judged_by, chosen=label.id in chosen))
        outcomes.append(
            LabelOutcome(
                id=label.id,
                status="accepted",
                model=found.model.name,
                deployment=found.model.deployment,
            )
        )
    if rows:
        session.execute(insert(session, LabelRow).on_conflict_do_nothing(), rows)
    return outcomes


def _found_names(session: Session, labels: Sequence[LabelIn]) -> list[LabelIn]:
    found = found_names(session, [(one.id, *one.also) for one in labels])
    return [replace(one, id=name, also=()) for one, name in zip(labels, found, strict=True)]


def found_names(session: Session, names: Sequence[tuple[str, ...]]) -> list[str]:
    """Of each record with several names, the one that its ledger has: ids are hashed, and a salt
    may have changed since it was recorded. The first, where none or only one is known."""
    several = [name for each in names if len(each) > 1 for name in each]
    places = find_places(session, several) if several else {}
    return [next((name for name in each if name in places), each[0]) for each in names]


def picked_for_its_score(session: Session, ids: Sequence[str]) -> set[str]:
    """Which of these records were queued for what they showed, and never drawn at random.

    Pictures that a model is unsure of are more often wrong than its traffic is: as a sample of the
    traffic their labels would accuse a healthy model.
    """
    drawn: dict[str, bool] = {}
    for first in range(0, len(ids), _CHUNK):
        rows = session.execute(
            select(LabelTaskRow.record_id, LabelTaskRow.inclusion).where(
                LabelTaskRow.record_id.in_(ids[first : first + _CHUNK]),
                LabelTaskRow.gold.is_(False),
            )
        )
        for record_id, inclusion in rows:
            drawn[record_id] = drawn.get(record_id, False) or inclusion is not None
    return {record_id for record_id, fairly in drawn.items() if not fairly}


def find_predictions(session: Session, ids: Iterable[str]) -> dict[str, Prediction]:
    """What was predicted for these records, where a ledger still has them."""
    places = find_places(session, ids)
    by_window: dict[int, list[str]] = {}
    for record_id, (window_id, _) in places.items():
        by_window.setdefault(window_id, []).append(record_id)
    found: dict[str, Prediction] = {}
    windows = list(by_window)
    for first in range(0, len(windows), _CHUNK):
        rows = session.execute(
            select(
                WindowRow.id,
                WindowRow.model,
                WindowRow.version,
                WindowRow.deployment,
                WindowRow.start_at,
                WindowRow.ledger,
            ).where(WindowRow.id.in_(windows[first : first + _CHUNK]))
        )
        for window_id, model, version, deployment, start, blob in rows:
            if blob is None:
                continue
            ledger, keys, cells = unpack_ledger(blob)
            for record_id in by_window[window_id]:
                row = _row_of(ledger, record_id, places[record_id][1])
                if row is None:
                    continue
                found[record_id] = Prediction(
                    model=ModelRef(name=model, version=version, deployment=deployment),
                    cell=dict(zip(keys, cells[int(ledger.cell[row])], strict=True)),
                    prediction=int(ledger.prediction[row]),
                    confidence=float(ledger.confidence[row]),
                    at=start,
                )
    return found


def _row_of(ledger: Ledger, record_id: str, place: int) -> int | None:
    """The row of a record; ``place`` as ``find_places`` says. None: it is not there any more.

    Records that were forgotten leave the others behind them fewer places on than they were stored.
    """
    if not ledger.ids:
        rows = np.flatnonzero(ledger.counter == np.uint64(place))
        return int(rows[0]) if len(rows) else None
    if place < len(ledger.ids) and ledger.ids[place] == record_id:
        return place
    try:
        return ledger.ids.index(record_id, 0, place)
    except ValueError:
        return None


def find_places(session: Session, ids: Iterable[str]) -> dict[str, tuple[int, int]]:
    """The window of each record, with its position there (chosen ids) or its counter."""
    wanted = list(dict.fromkeys(ids))
    places = _chosen_ids(session, wanted)
    return places | _counted_ids(session, [one for one in wanted if one not in places])


def _chosen_ids(session: Session, ids: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Record id to window and position, for ids that the caller chose."""
    found: dict[str, tuple[int, int]] = {}
    for first in range(0, len(ids), _CHUNK):
        rows = session.execute(
            select(LedgerIdRow.record_id, LedgerIdRow.window_id, LedgerIdRow.position).where(
                LedgerIdRow.record_id.in_(ids[first : first + _CHUNK])
            )
        )
        found.update({record_id: (window, position) for record_id, window, position in rows})
    return found


def _counted_ids(session: Session, ids: Iterable[str]) -> dict[str, tuple[int, int]]:
    """Record id to window and counter, for ids of the form ``source.boot.counter``."""
    groups: dict[tuple[str, str], list[tuple[int, str]]] = {}
    for record_id in ids:
        source, _, rest = record_id.rpartition(".")
        source, _, boot = source.rpartition(".")
        if source and boot and rest.isascii() and rest.isdigit() and int(rest) < 2**63:
            groups.setdefault((source, boot), []).append((int(rest), record_id))
    found: dict[str, tuple[int, int]] = {}
    for (source, boot), members in groups.items():
        counters = [counter for counter, _ in members]
        spans = session.execute(
            select(WindowRow.id, WindowRow.counter_low, WindowRow.counter_high)
            .where(
                WindowRow.source == source,
                WindowRow.boot == boot,
                WindowRow.counter_high >= min(counters),
                WindowRow.counter_low <= max(counters),
                WindowRow.ledger.is_not(None),
            )
            .order_by(WindowRow.id)
        ).all()
        for window_id, low, high in spans:
            inside = [m for m in members if low <= m[0] <= high and m[1] not in found]
            blob = inside and session.scalar(
                select(WindowRow.ledger).where(WindowRow.id == window_id)
            )
            if not blob:
                continue
            ledger, _, _ = unpack_ledger(blob)
            if ledger.ids:
                continue
            present = np.isin([counter for counter, _ in inside], ledger.counter.astype(np.int64))
            for (counter, record_id), here in zip(inside, present, strict=True):
                if here:
                    found[record_id] = (window_id, counter)
    return found


def known_labels(session: Session, ids: Sequence[str]) -> dict[str, int]:
    """The labels of those of these records that have one."""
    found: dict[str, int] = {}
    for first in range(0, len(ids), _CHUNK):
        rows = session.execute(
            select(LabelRow.record_id, LabelRow.label).where(
                LabelRow.record_id.in_(ids[first : first + _CHUNK])
            )
        )
        found.update((record_id, label) for record_id, label in rows)
    return found


def _problem(label: LabelIn) -> str | None:
    if not 0 < len(label.id) <= NAME_LIMIT or "\x00" in label.id:
        return f"id: expected 1 to {NAME_LIMIT} characters, found {len(label.id)}"
    if clean_text(label.id) != label.id:
        return f"id: expected text, found {label.id!r:.80}"
    if not 0 <= label.label < _LABEL_LIMIT:
        return f"label: expected a class from 0, found {label.label}"
    if label.prediction is not None:
        if not (label.model and label.version):
            return "a label that carries its prediction: expected model and version, found none"
        for what, name in (
            ("model", label.model),
            ("version", label.version),
            ("deployment", label.deployment),
        ):
            if not 0 < len(name) <= NAME_LIMIT or not name.isprintable():
                return (
                    f"{what}: expected 1 to {NAME_LIMIT} printable characters, found {name!r:.80}"
                )
        if not _is_cell(label.metadata or {}):
            return (
                f"metadata: expected at most {_KEYS_LIMIT} keys and values of at most "
                f"{MAX_TEXT} characters, found more"
            )
        if not 0 <= label.prediction < _LABEL_LIMIT:
            return f"prediction: expected a class from 0, found {label.prediction}"
        if label.confidence is not None and not 0 <= label.confidence <= 1:
            return f"confidence: expected 0 to 1, found {label.confidence}"
    return None


def _is_cell(metadata: Mapping[str, str]) -> bool:
    return len(metadata) <= _KEYS_LIMIT and all(
        len(key) <= MAX_TEXT and len(value) <= MAX_TEXT for key, value in metadata.items()
    )


def _carries(label: LabelIn) -> bool:
    return label.prediction is not None


def _carried(label: LabelIn, now: datetime) -> Prediction:
    assert label.prediction is not None
    return Prediction(
        model=ModelRef(
            name=label.model or "", version=label.version or "", deployment=label.deployment
        ),
        cell={clean_text(k): clean_text(v) for k, v in (label.metadata or {}).items()},
        prediction=label.prediction,
        confidence=label.confidence if label.confidence is not None else float("nan"),
        at=now,
    )


def _again(label: LabelIn, stored: int) -> LabelOutcome:
    if stored == label.label:
        return LabelOutcome(id=label.id, status="duplicate")
    return _rejected(
        label, Refusal.OTHER_LABEL_EXISTS, f"expected {stored} as before, found {label.label}"
    )


def _rejected(label: LabelIn, reason: Refusal, detail: str) -> LabelOutcome:
    shown = clean_text(label.id[:NAME_LIMIT])
    return LabelOutcome(id=shown, status="rejected", reason=reason, detail=detail)


def _row(
    label: LabelIn, found: Prediction, now: datetime, judged_by: int | None, *, chosen: bool
) -> dict[str, object]:
    confidence = found.confidence if np.isfinite(found.confidence) else 0.0
    return {
        "record_id": label.id,
        "model": found.model.name,
        "version": found.model.version,
        "deployment": found.model.deployment,
        "cell": found.cell,
        "prediction": found.prediction,
        "confidence": confidence,
        "label": label.label,
        "predicted_at": found.at,
        "arrived_at": now,
        "author": clean_text(label.author[:NAME_LIMIT]),
        "chosen": chosen,
        "judged_by": judged_by,
    }
