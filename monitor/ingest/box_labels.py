"""Boxes that people drew on images, joined to those that the model drew on the same record.

Only records that were sampled have the model's boxes; of any other record there is nothing to
compare with. The first boxes of a record stay, as its first label does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts.actions.picking.drawn import drawn_by_model
from monitor.ingest.cleaning import Refusal
from monitor.ingest.labels import LabelOutcome, find_places, found_names
from monitor.store.database import insert
from monitor.store.samples import Kind, SampleStore
from monitor.store.tables import BoxLabelRow, WindowRow
from vigil.arguments import NAME_LIMIT
from vigil.types import utc
from vigil.values.texts import clean_text
from vigil.windows.sample import Sample

MOST_BOXES = 1000
_MOST_CLASS = 2**31
_CHUNK = 500
_KINDS: tuple[Kind, ...] = ("uniform", "informative")


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelledBox:
    """``box``: left, top, right, bottom in shares of the image's sides, in [0, 1]."""

    box: tuple[float, float, float, float]
    label: int


@dataclass(frozen=True, kw_only=True, slots=True)
class BoxLabelIn:
    """All objects on the image of a record; none, where there is none. ``also``: other names that
    the record may have left under."""

    id: str
    boxes: tuple[LabelledBox, ...]
    author: str = ""
    also: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Found:
    """What was sampled of a record. ``inclusion`` is None where it was kept for its looks."""

    window: WindowRow
    sample: Sample
    row: int
    inclusion: float | None


def take_boxes(
    session: Session, samples: SampleStore, labels: Sequence[BoxLabelIn], *, now: datetime
) -> list[LabelOutcome]:
    """Store boxes beside the model's; one outcome for each, in order."""
    names = found_names(session, [(one.id, *one.also) for one in labels])
    labels = [replace(one, id=name, also=()) for one, name in zip(labels, names, strict=True)]
    usable = [label for label in labels if problem_of(label) is None]
    known = _known(session, [label.id for label in usable])
    sampled = _sampled(session, samples, [one.id for one in usable if one.id not in known])
    outcomes, rows = [], []
    for label in labels:
        problem = problem_of(label)
        found = sampled.get(label.id)
        truth = [[*(round(side, 6) for side in one.box), one.label] for one in label.boxes]
        if problem is not None:
            outcomes.append(_rejected(label, Refusal.MALFORMED, problem))
        elif label.id in known:
            outcomes.append(_again(label, known[label.id], truth))
        elif found is None or found.sample.objects is None:
            why = "it was not sampled" if found is None else "the model drew no boxes there"
            outcomes.append(_rejected(label, Refusal.UNKNOWN_RECORD, f"no boxes to compare: {why}"))
        else:
            known[label.id] = truth
            rows.append(_row(label, truth, found, now))
            window = found.window
            outcomes.append(
                LabelOutcome(
                    id=label.id,
                    status="accepted",
                    model=window.model,
                    deployment=window.deployment,
                )
            )
    if rows:
        session.execute(insert(session, BoxLabelRow).on_conflict_do_nothing(), rows)
    return outcomes


def problem_of(label: BoxLabelIn) -> str | None:
    """What is wrong with a label; None where nothing is."""
    if not 0 < len(label.id) <= NAME_LIMIT:
        return f"id: expected 1 to {NAME_LIMIT} characters, found {len(label.id)}"
    if len(label.boxes) > MOST_BOXES:
        return f"boxes: expected at most {MOST_BOXES}, found {len(label.boxes)}"
    for number, one in enumerate(label.boxes, start=1):
        left, top, right, bottom = one.box
        fits = all(math.isfinite(side) and 0 <= side <= 1 for side in one.box)
        if not (fits and left < right and top < bottom):
            return (
                f"box {number}: expected left < right and top < bottom in shares of the image, "
                f"from 0 to 1, found {list(one.box)}"
            )
        if not 0 <= one.label < _MOST_CLASS:
            return f"box {number}: expected a class from 0, found {one.label}"
    return None


def _known(session: Session, ids: Sequence[str]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for first in range(0, len(ids), _CHUNK):
        rows = session.execute(
            select(BoxLabelRow.record_id, BoxLabelRow.truth).where(
                BoxLabelRow.record_id.in_(ids[first : first + _CHUNK])
            )
        )
        found.update({row.record_id: row.truth for row in rows})
    return found


def _sampled(session: Session, samples: SampleStore, ids: Sequence[str]) -> dict[str, _Found]:
    """Each window's sample is read for itself: with it goes the probability of being in it."""
    wanted: dict[int, set[str]] = {}
    for record_id, (place, _) in find_places(session, ids).items():
        wanted.setdefault(place, set()).add(record_id)
    found: dict[str, _Found] = {}
    for number, records in sorted(wanted.items()):
        window = session.get(WindowRow, number)
        if window is None or window.sample_part is None:
            continue
        for kind in _KINDS:
            sample = samples.read(
                [window.sample_part],
                kind=kind,
                model=window.model,
                deployment=window.deployment,
                version=window.version,
                start=window.start_at,
                end=window.end_at,
            )
            inclusion = sample.inclusion
            for row, record_id in enumerate(sample.ids):
                if record_id in records:
                    drawn = float(inclusion[row]) if kind == "uniform" else None
                    one = _Found(window=window, sample=sample, row=row, inclusion=drawn)
                    found.setdefault(record_id, one)
    return found


def _row(label: BoxLabelIn, truth: list[Any], found: _Found, now: datetime) -> dict[str, Any]:
    window, sample, row = found.window, found.sample, found.row
    assert sample.objects is not None
    return {
        "record_id": label.id,
        "model": window.model,
        "version": window.version,
        "deployment": window.deployment,
        "cell": dict(sample.metadata[row]),
        "found": drawn_by_model(sample.objects, row),
        "truth": truth,
        "inclusion": found.inclusion,
        "predicted_at": utc(float(sample.time_s[row])),
        "arrived_at": now,
        "author": clean_text(label.author[:NAME_LIMIT]),
    }


def _again(label: BoxLabelIn, stored: list[Any], truth: list[Any]) -> LabelOutcome:
    if stored == truth:
        return LabelOutcome(id=label.id, status="duplicate")
    counts = f"expected the {len(stored)} boxes of before, found {len(truth)} others"
    return _rejected(label, Refusal.OTHER_LABEL_EXISTS, counts)


def _rejected(label: BoxLabelIn, reason: Refusal, detail: str) -> LabelOutcome:
    shown = clean_text(label.id[:NAME_LIMIT])
    return LabelOutcome(id=shown, status="rejected", reason=reason, detail=detail)
