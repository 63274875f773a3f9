"""Of the report: accuracy, F1, calibration, by slice and version; and how good the labels are."""

from __future__ import annotations

import numpy as np

from dashboards.console.readmodels.card import CardSection, CardTable
from dashboards.console.readmodels.samples import Reliability, ReliabilityBin
from detectors.quality.estimate import Estimate, mean_share
from monitor.labelling.quality import QualityReport
from monitor.labelling.quality_model import BASIS, PartQuality, standing_for
from monitor.labelling.quality_values import LabelledRecord
from monitor.labelling.quality_words import interval, of_boxes, of_labellers, of_model
from vigil.types import WHOLE
from vigil.windows.summary import CONFIDENCE_BINS

BOX_COLUMNS = ("images", "objects", "mAP at 0.5", "recall at 0.5", "mAP 0.5 to 0.95", "basis")
COLUMNS = ("labels", "accuracy", "macro F1", "calibration error", "basis")


def of_the_model(found: QualityReport, class_names: tuple[str, ...]) -> CardSection:
    """By version, by slice (worst first), and by class."""
    quality = found.quality
    tables = []
    if len(quality.versions) > 1:
        rows = tuple((one.version, *_cells(one)) for one in quality.versions)
        tables.append(CardTable(columns=("version", *COLUMNS), rows=rows, numeric=(1,)))
    if quality.slices:
        rows = tuple((str(one.slice), *_cells(one)) for one in quality.slices)
        tables.append(CardTable(columns=("slice", *COLUMNS), rows=rows, numeric=(1,)))
    if quality.whole is not None:
        by_class = sorted(quality.whole.quality.f1.items(), key=lambda one: one[1].value)
        rows = tuple(
            (class_name(kind, class_names), interval(one), str(one.records))
            for kind, one in by_class
        )
        tables.append(CardTable(columns=("class", "F1", "records"), rows=rows, numeric=(2,)))
    sentences = [*of_model(quality)]
    if quality.whole is not None:
        sentences.append(
            "Intervals are 95 %, for records drawn independently of each other: frames of one "
            "camera are worth less."
        )
    return CardSection(title="Quality", sentences=tuple(sentences), tables=tuple(tables))


def of_the_boxes(found: QualityReport) -> tuple[CardSection, ...]:
    """Precision and recall of boxes, by version and by slice (worst first); none where nobody drew
    any."""
    boxes = found.boxes
    if boxes is None:
        return ()
    tables = []
    for what, parts in (("version", boxes.versions), ("slice", boxes.slices)):
        rows = tuple(
            (
                one.version or str(one.slice),
                str(one.images),
                str(one.objects),
                _or_dash(one.quality.precision_50 if one.quality else None),
                _or_dash(one.quality.recall if one.quality else None),
                _or_dash(one.quality.mean_precision if one.quality else None),
                one.basis.value,
            )
            for one in parts
        )
        if rows and (what == "slice" or len(rows) > 1):
            tables.append(CardTable(columns=(what, *BOX_COLUMNS), rows=rows, numeric=(1, 2)))
    return (CardSection(title="Boxes", sentences=tuple(of_boxes(boxes)), tables=tuple(tables)),)


def calibration(found: QualityReport, records: tuple[LabelledRecord, ...]) -> CardSection:
    """Does 90 % mean 90 %?"""
    whole = found.quality.whole
    drawn = reliability(records) if whole is not None else None
    if whole is None or whole.quality.calibration is None or drawn is None:
        return CardSection(title="Calibration", sentences=("No labels with a confidence.",))
    said = interval(whole.quality.calibration)
    sentences = (
        f"Expected calibration error of the top label: {said}, freed of what chance makes.",
        f"Basis: {BASIS[whole.basis]}.",
    )
    rows = tuple(
        (
            f"{100 * one.confidence:.0f} %",
            f"{100 * one.accuracy:.1f} % ({100 * one.low:.1f} to {100 * one.high:.1f})",
            str(one.labels),
        )
        for one in drawn.bins
    )
    table = CardTable(columns=("stated", "right", "labels"), rows=rows, numeric=(2,))
    return CardSection(title="Calibration", sentences=sentences, tables=(table,), reliability=drawn)


def reliability(records: tuple[LabelledRecord, ...]) -> Reliability | None:
    """How often each stated confidence is right, of the records that stand for all traffic."""
    usable = [one for one in records if one.confidence > 0]
    _, mine = standing_for(usable, WHOLE)
    if not mine:
        return None
    sure = np.array([one.confidence for one in mine])
    right = np.array([one.is_right for one in mine])
    inclusion = np.array([one.inclusion for one in mine])
    at = np.minimum((sure * CONFIDENCE_BINS).astype(np.int64), CONFIDENCE_BINS - 1)
    bins = []
    for place in np.unique(at).tolist():
        rows = at == place
        hit = mean_share(right[rows], inclusion[rows])
        mean = float(np.average(sure[rows], weights=1.0 / inclusion[rows]))
        bins.append(
            ReliabilityBin(
                confidence=mean,
                accuracy=hit.value,
                labels=int(rows.sum()),
                low=hit.low,
                high=hit.high,
            )
        )
    weights = 1.0 / inclusion
    shares = np.bincount(at, weights=weights, minlength=CONFIDENCE_BINS)[np.unique(at)]
    gaps = np.array([abs(one.accuracy - one.confidence) for one in bins])
    return Reliability(
        bins=tuple(bins),
        baseline=(),
        labels=len(mine),
        accuracy=float(np.average(right, weights=weights)),
        gap=float((shares * gaps).sum() / shares.sum()),
        baseline_accuracy=None,
        baseline_gap=None,
    )


def of_the_labels(found: QualityReport) -> CardSection:
    """Gold items, agreement, flow, and how many records ask for a look; no person is named."""
    kinds: dict[str, int] = {}
    for one in found.suspects:
        for kind in one.kinds:
            kinds[kind.value] = kinds.get(kind.value, 0) + 1
    sentences = [*of_labellers(found.labellers)]
    if kinds:
        told = ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in kinds.items())
        sentences.append(f"Records to look at: {told}.")
    return CardSection(title="Label quality", sentences=tuple(sentences))


def _cells(one: PartQuality) -> tuple[str, ...]:
    quality = one.quality
    return (
        str(one.records),
        interval(quality.accuracy),
        interval(quality.macro_f1),
        _or_dash(quality.calibration),
        one.basis.value,
    )


def _or_dash(one: Estimate | None) -> str:
    return "–" if one is None else interval(one)


def class_name(kind: int, class_names: tuple[str, ...]) -> str:
    if kind < 0:
        return "none of the classes"
    return class_names[kind] if kind < len(class_names) else str(kind)
