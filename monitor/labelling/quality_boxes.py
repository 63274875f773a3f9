"""Precision and recall of the boxes that a model draws, by version and slice.

A record stands for the traffic as its label does (``standing_for``): drawn from daily traffic with
known probability, else whatever was sampled and got boxes, weighted by one over the probability of
being sampled. What was picked for its looks stands for nothing else.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from detectors.methods.boxes.boxes import Boxes, from_images
from detectors.quality.boxes import BoxQuality, box_quality
from monitor.labelling.quality_model import MOST_SLICES, standing_for
from monitor.labelling.quality_values import Drawn, LabelledRecord
from vigil.types import WHOLE, Slice

IOU = 0.5
SCORE = 0.5
"""Boxes that the model is less sure of do not count for recall."""

SEED = 20_261_122


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class BoxRecord:
    """A sampled record with the model's boxes (``found``: four sides, score, class) and a
    person's (``truth``: four sides, class). ``record`` says how it was drawn; it has no class."""

    record: LabelledRecord
    found: Sequence[Sequence[float]]
    truth: Sequence[Sequence[float]]


@dataclass(frozen=True, kw_only=True, slots=True)
class PartBoxes:
    """Of a slice, or of one ``version`` of the model. ``images`` that were labelled, with
    ``objects`` on them; ``quality`` is None where there is no object at all."""

    slice: Slice
    version: str
    basis: Drawn
    images: int
    objects: int
    quality: BoxQuality | None


@dataclass(frozen=True, kw_only=True, slots=True)
class BoxReport:
    """``slices``: worst recall first. ``chosen``: images that were picked for their looks, which
    are left out."""

    whole: PartBoxes | None
    versions: tuple[PartBoxes, ...]
    slices: tuple[PartBoxes, ...]
    images: int
    chosen: int


def box_report(records: Sequence[BoxRecord]) -> BoxReport | None:
    """What the boxes of people say of a model; None where there are none. Pure."""
    if not records:
        return None
    usable = [one for one in records if one.record.drawn is not Drawn.CHOSEN]
    versions: dict[str, list[BoxRecord]] = defaultdict(list)
    pieces: dict[tuple[str, str], list[BoxRecord]] = defaultdict(list)
    for one in usable:
        versions[one.record.version].append(one)
        for pair in one.record.cell.items():
            pieces[pair].append(one)
    largest = sorted(pieces, key=lambda pair: (-len(pieces[pair]), pair))[:MOST_SLICES]
    slices = [part for pair in largest if (part := part_of(pieces[pair], Slice((pair,))))]
    return BoxReport(
        whole=part_of(usable, WHOLE),
        versions=tuple(
            part
            for version in sorted(versions)
            if (part := part_of(versions[version], WHOLE, version=version))
        ),
        slices=tuple(sorted(slices, key=_recall)),
        images=len(records),
        chosen=len(records) - len(usable),
    )


def part_of(records: Sequence[BoxRecord], piece: Slice, *, version: str = "") -> PartBoxes | None:
    """Quality on a slice; None where no record may stand for it."""
    basis, mine = standing_for([one.record for one in records], piece, version=version)
    if not mine:
        return None
    by_id = {one.record.record_id: one for one in records}
    chosen = [by_id[one.record_id] for one in mine]
    rng = np.random.default_rng(SEED)  # a page must not change by being looked at
    return PartBoxes(
        slice=piece,
        version=version,
        basis=basis,
        images=len(chosen),
        objects=sum(len(one.truth) for one in chosen),
        quality=box_quality(
            _boxes(chosen), [one.inclusion for one in mine], rng=rng, iou=IOU, score=SCORE
        ),
    )


def _boxes(records: Sequence[BoxRecord]) -> Boxes:
    return from_images([_image(one) for one in records])


def _image(one: BoxRecord) -> dict[str, Any]:
    found = np.array(one.found, np.float64).reshape(-1, 6)
    truth = np.array(one.truth, np.float64).reshape(-1, 5)
    return {
        "boxes": found[:, :4],
        "scores": found[:, 4],
        "classes": found[:, 5].astype(np.int64),
        "true_boxes": truth[:, :4],
        "true_classes": truth[:, 4].astype(np.int64),
    }


def _recall(part: PartBoxes) -> tuple[float, str]:
    return (part.quality.recall.value if part.quality else 2.0, str(part.slice))
