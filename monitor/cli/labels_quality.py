"""``vigil labels quality``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from monitor.cli.context import (
    DEFAULT_CONFIG,
    ConfigOption,
    DeploymentOption,
    JsonOption,
    services_at,
)
from monitor.cli.output import as_json, rows, say

if TYPE_CHECKING:
    from detectors.quality.estimate import Estimate
    from monitor.labelling.quality import QualityReport
    from monitor.labelling.quality_boxes import BoxReport
    from monitor.labelling.quality_labellers import LabellerQuality
    from monitor.labelling.quality_model import ModelQuality, PartQuality
    from monitor.labelling.quality_suspects import Suspect

SinceOption = Annotated[
    str, typer.Option("--since", help="How far back predictions count: 7d, 30d, 12h.")
]
MOST_SHOWN = 10


def quality(
    model: Annotated[str, typer.Argument(help="The model's name.")],
    deployment: DeploymentOption = "production",
    since: SinceOption = "30d",
    config: ConfigOption = DEFAULT_CONFIG,
    json_wanted: JsonOption = False,
) -> None:
    """Show how good a model and its labels are, and which records to look at."""
    from alerts.silences.durations import duration
    from monitor.labelling.quality import quality_of
    from monitor.labelling.quality_json import plain

    back: timedelta = duration(since)
    with services_at(config) as services, services.sessions() as session:
        now = services.clock.now()
        found = quality_of(session, services.settings, model, deployment, since=now - back, now=now)
    if json_wanted:
        as_json(plain(found))
        return
    _show(found)


def _show(found: QualityReport) -> None:
    from monitor.labelling.quality_words import of_boxes, of_labellers, of_model

    if found.quality.labels or found.boxes is None:
        for text in of_model(found.quality):
            say(text)
        say("")
        _parts(found.quality)
    if found.boxes is not None:
        for text in of_boxes(found.boxes):
            say(text)
        say("")
        _box_parts(found.boxes)
    for text in of_labellers(found.labellers):
        say(text)
    say("")
    _people(found.labellers)
    _suspects(found.suspects)


def _parts(quality: ModelQuality) -> None:
    parts = [
        *([quality.whole] if quality.whole else []),
        *(quality.versions if len(quality.versions) > 1 else ()),
        *quality.slices,
    ]
    if parts:
        _table(_part(one) for one in parts)


def _part(one: PartQuality) -> dict[str, Any]:
    return {
        "slice": f"version {one.version}" if one.version else str(one.slice),
        "labels": one.records,
        "accuracy": _interval(one.quality.accuracy),
        "macro F1": _interval(one.quality.macro_f1),
        "calibration error": _interval(one.quality.calibration),
        "from": one.basis.value,
    }


def _box_parts(boxes: BoxReport) -> None:
    parts = [
        *([boxes.whole] if boxes.whole else []),
        *(boxes.versions if len(boxes.versions) > 1 else ()),
        *boxes.slices,
    ]
    if parts:
        _table(
            {
                "slice": f"version {one.version}" if one.version else str(one.slice),
                "images": one.images,
                "objects": one.objects,
                "mAP at 0.5": _interval(one.quality.precision_50 if one.quality else None),
                "recall at 0.5": _interval(one.quality.recall if one.quality else None),
                "mAP 0.5:0.95": _interval(one.quality.mean_precision if one.quality else None),
                "from": one.basis.value,
            }
            for one in parts
        )


def _people(found: LabellerQuality) -> None:
    if found.people:
        _table(
            {
                "labeller": one.name or "(no name)",
                "labels": one.labels,
                "last 7 days": one.recent,
                "gold right": _interval(one.gold),
                "alike again": _interval(one.again),
                "seconds each": one.median_lead_s,
            }
            for one in found.people
        )


def _suspects(found: Sequence[Suspect]) -> None:
    if not found:
        return
    say(f"{len(found)} records to look at; the first {min(len(found), MOST_SHOWN)}:")
    _table({"record": one.record_id, "why": "; ".join(one.reasons)} for one in found[:MOST_SHOWN])


def _table(lines: Iterable[dict[str, Any]]) -> None:
    rows(list(lines), empty="", json_wanted=False)
    say("")


def _interval(one: Estimate | None) -> str:
    from monitor.labelling.quality_words import interval

    return "" if one is None else interval(one)
