"""Records that a person should look at: the model was surely wrong, or the label is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from detectors.quality.label_noise import noise_candidates
from monitor.labelling.quality_values import LabelledRecord, Said, TaskState

CONFIDENT = 0.9
MOST = 200


class Suspicion(StrEnum):
    """Why a record is listed.

    * ``gold_missed``: a gold item was labelled otherwise than is known.
    * ``disputed``: labellers say different things of it.
    * ``label_noise``: by confident learning, its label may be wrong.
    * ``confident_error``: the model was sure, and the label says otherwise.
    """

    GOLD_MISSED = "gold_missed"
    DISPUTED = "disputed"
    LABEL_NOISE = "label_noise"
    CONFIDENT_ERROR = "confident_error"


@dataclass(frozen=True, kw_only=True, slots=True)
class Suspect:
    """``label`` as it stands; ``reasons`` in the order of ``Suspicion``, one sentence each."""

    record_id: str
    version: str
    cell: Mapping[str, str]
    prediction: int
    confidence: float
    label: int
    kinds: tuple[Suspicion, ...]
    reasons: tuple[str, ...]


def suspects(
    records: Sequence[LabelledRecord],
    tasks: Sequence[TaskState] = (),
    said: Sequence[Said] = (),
    *,
    class_names: Sequence[str] = (),
    confident: float = CONFIDENT,
) -> list[Suspect]:
    """At most ``MOST``, those with the most reasons first, then the surest."""

    def name(kind: int) -> str:
        if kind < 0:
            return "none of the classes"
        return class_names[kind] if kind < len(class_names) else str(kind)

    found: dict[str, dict[Suspicion, str]] = defaultdict(dict)
    gold = {one.task_id: one.gold_label for one in tasks if one.gold_label is not None}
    voices: dict[str, dict[str, int]] = defaultdict(dict)
    for voice in said:
        who = voice.author or f"task {voice.task_id}"
        voices[voice.record_id][who] = voice.label
        known = gold.get(voice.task_id)
        if known is not None and known != voice.label:
            text = f"{who} said {name(voice.label)}; known to be {name(known)}"
            found[voice.record_id][Suspicion.GOLD_MISSED] = text
    for record_id, each in voices.items():
        if len(set(each.values())) > 1:
            told = ", ".join(f"{author} {name(what)}" for author, what in sorted(each.items()))
            found[record_id][Suspicion.DISPUTED] = f"labellers differ: {told}"
    for row, suggested in _noise(records):
        one = records[row]
        found[one.record_id][Suspicion.LABEL_NOISE] = (
            f"labelled {name(one.label)}, but as sure to be {name(suggested)} as what is "
            "labelled so"
        )
    for one in records:
        if not one.is_right and one.confidence >= confident:
            found[one.record_id][Suspicion.CONFIDENT_ERROR] = (
                f"predicted {name(one.prediction)} at {one.confidence:.2f}, labelled "
                f"{name(one.label)}"
            )
    by_id = {one.record_id: one for one in records}
    listed = [_suspect(by_id[key], why) for key, why in found.items() if key in by_id]
    listed.sort(key=lambda one: (-len(one.kinds), -one.confidence, one.record_id))
    return listed[:MOST]


def _suspect(record: LabelledRecord, why: Mapping[Suspicion, str]) -> Suspect:
    kinds = tuple(kind for kind in Suspicion if kind in why)
    return Suspect(
        record_id=record.record_id,
        version=record.version,
        cell=record.cell,
        prediction=record.prediction,
        confidence=record.confidence,
        label=record.label,
        kinds=kinds,
        reasons=tuple(why[kind] for kind in kinds),
    )


def _noise(records: Sequence[LabelledRecord]) -> list[tuple[int, int]]:
    if not records:
        return []
    kinds = [kind for one in records for kind, _ in one.top]
    kinds += [max(one.prediction, one.label) for one in records]
    classes = max(2, max(kinds) + 1)
    table = np.stack([_probabilities(one, classes) for one in records])
    labels = [one.label if one.label >= 0 else -1 for one in records]
    return [(one.row, one.suggested) for one in noise_candidates(table, labels)]


def _probabilities(one: LabelledRecord, classes: int) -> NDArray[np.float64]:
    """What is known of a record's class probabilities; the rest is spread evenly over the others.

    NaN where nothing is known.
    """
    known = dict(one.top)
    if one.prediction >= 0 and one.confidence > 0:
        known.setdefault(one.prediction, one.confidence)
    total = sum(known.values())
    if not known or total <= 0 or any(kind < 0 for kind in known):
        return np.full(classes, np.nan)
    row = np.full(classes, max(0.0, 1.0 - total) / max(1, classes - len(known)))
    for kind, p in known.items():
        row[kind] = p
    return np.asarray(row / row.sum())
