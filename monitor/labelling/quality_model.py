"""How good a model is, per slice and version, as its labels know: intervals respect the sampling.

Which records may stand for a slice, the first that has enough:

1. ``daily``: drawn at random from daily traffic, weighted by 1 / pi.
2. ``arrived``: labels that came by themselves, as if who gets a label were chance. It may not be.
3. ``incident``: drawn at random from an incident's traffic, for slices inside that traffic.

Records that were chosen for their score stand for nothing and are left out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from detectors.quality.classification import ClassQuality, class_quality
from monitor.labelling.quality_values import Drawn, LabelledRecord, TaskState
from monitor.response.bridge import within
from vigil.types import WHOLE, Slice

ENOUGH = 30
MOST_SLICES = 50

BASIS = {
    Drawn.DAILY: "drawn at random from traffic, weighted by how likely each was",
    Drawn.ARRIVED: "labels as they came: right if chance decides what gets a label",
    Drawn.INCIDENT: "drawn at random from the incident's traffic",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class PartQuality:
    """Quality on one slice, of one version or of all (``version`` empty)."""

    slice: Slice
    version: str
    basis: Drawn
    records: int
    wrong: int
    quality: ClassQuality


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelQuality:
    """``whole`` is None where no label can stand for all traffic. ``chosen``: labels left out.

    ``response``: share of the records drawn from daily traffic that got their label; None where
    none was drawn.
    """

    whole: PartQuality | None
    versions: tuple[PartQuality, ...]
    slices: tuple[PartQuality, ...]
    labels: int
    chosen: int
    response: float | None


def model_quality(
    records: Sequence[LabelledRecord], tasks: Iterable[TaskState] = ()
) -> ModelQuality:
    """Of all traffic, of each version, and of each value of each key, worst first."""
    usable = [one for one in records if one.drawn is not Drawn.CHOSEN]
    versions: dict[str, list[LabelledRecord]] = defaultdict(list)
    pieces: dict[tuple[str, str], list[LabelledRecord]] = defaultdict(list)
    for record in usable:
        versions[record.version].append(record)
        for pair in record.cell.items():
            pieces[pair].append(record)
    largest = sorted(pieces, key=lambda pair: -len(pieces[pair]))[:MOST_SLICES]
    parts = [
        found for pair in largest if (found := quality_on(pieces[pair], Slice((pair,)))) is not None
    ]
    of_versions = [
        found
        for version, mine in versions.items()
        if (found := quality_on(mine, WHOLE, version=version)) is not None
    ]
    drawn = [one for one in tasks if one.drawn is Drawn.DAILY]
    answered = sum(one.state == "labelled" for one in drawn)
    return ModelQuality(
        whole=quality_on(usable, WHOLE),
        versions=tuple(sorted(of_versions, key=lambda one: one.version)),
        slices=tuple(sorted(parts, key=lambda one: (one.quality.accuracy.value, str(one.slice)))),
        labels=len(records),
        chosen=len(records) - len(usable),
        response=answered / len(drawn) if drawn else None,
    )


def quality_on(
    records: Iterable[LabelledRecord], piece: Slice, *, version: str = ""
) -> PartQuality | None:
    """Quality on a slice, of one version or of all; None where no record may stand for it."""
    basis, mine = standing_for(records, piece, version=version)
    if not mine:
        return None
    quality = class_quality(
        prediction=[one.prediction for one in mine],
        label=[one.label for one in mine],
        confidence=[one.confidence for one in mine],
        inclusion=[one.inclusion for one in mine],
    )
    return PartQuality(
        slice=piece,
        version=version,
        basis=basis,
        records=len(mine),
        wrong=sum(not one.is_right for one in mine),
        quality=quality,
    )


def standing_for(
    records: Iterable[LabelledRecord], piece: Slice, *, version: str = ""
) -> tuple[Drawn, list[LabelledRecord]]:
    """The records of a slice that may stand for it, and how they were drawn."""
    mine = [one for one in records if one.is_in(piece) and version in ("", one.version)]
    daily = [one for one in mine if one.drawn is Drawn.DAILY]
    arrived = [one for one in mine if one.drawn is Drawn.ARRIVED]
    incident = [
        one for one in mine if one.drawn is Drawn.INCIDENT and within(piece, one.population)
    ]
    choices = ((Drawn.DAILY, daily), (Drawn.ARRIVED, arrived), (Drawn.INCIDENT, incident))
    for basis, found in choices:
        if len(found) >= ENOUGH:
            return basis, found
    return max(choices, key=lambda one: len(one[1]))
