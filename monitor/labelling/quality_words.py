"""Quality in sentences, for the command line, the console and reports."""

from __future__ import annotations

from collections.abc import Iterator

from dashboards.console import words
from detectors.quality.agreement import Agreement
from detectors.quality.estimate import Estimate
from monitor.labelling.quality_boxes import BoxReport
from monitor.labelling.quality_labellers import LabellerQuality
from monitor.labelling.quality_model import BASIS, ModelQuality
from monitor.labelling.quality_values import Drawn

LEAST_ALPHA = 0.667
FEW_IMAGES = 100
ARRIVED = (
    "sampled from traffic by the tap, weighted by how likely each was; boxes came by themselves"
)


def interval(one: Estimate) -> str:
    """``93.1 % (90.2 to 95.3)``."""
    return f"{100 * one.value:.1f} % ({100 * one.low:.1f} to {100 * one.high:.1f})"


def of_model(found: ModelQuality) -> Iterator[str]:
    """What the labels say of the model, and what they rest on."""
    if found.whole is None:
        yield "No label can stand for all traffic yet."
    else:
        accuracy = found.whole.quality.accuracy
        yield f"Accuracy {interval(accuracy)}, from {_labels(accuracy.records)}."
        yield f"Basis: {BASIS[found.whole.basis]}."
        if accuracy.effective < 0.8 * accuracy.records:
            yield (
                f"Unequal weights: they are worth {accuracy.effective:.0f} labels of equal weight."
            )
    if found.chosen:
        yield (
            f"Left out: {_labels(found.chosen)} of records that were chosen for their score, which "
            "say nothing of the rest."
        )
    if found.response is not None and found.response < 1.0:
        yield f"Of the records drawn at random, {words.share(found.response)} have their label."


def of_boxes(found: BoxReport) -> Iterator[str]:
    """What the boxes that people drew say of the model's, and what they rest on."""
    whole = found.whole
    if whole is None or whole.quality is None:
        yield "No image with an object on it can stand for all traffic yet."
    else:
        quality = whole.quality
        yield (
            f"Boxes: mAP {interval(quality.precision_50)} and recall {interval(quality.recall)} at "
            f"an IoU of {quality.iou:g}; mAP {interval(quality.mean_precision)} over 0.5 to 0.95. "
            f"From {words.count(whole.images)} images with {words.count(whole.objects)} objects."
        )
        told = ARRIVED if whole.basis is Drawn.ARRIVED else BASIS[whole.basis]
        yield f"Basis: {told}."
        if whole.images < FEW_IMAGES:
            yield f"Below some {FEW_IMAGES} images these intervals are too narrow."
    if found.chosen:
        yield (
            f"Left out: {words.count(found.chosen)} images that were chosen for their looks, which "
            "say nothing of the rest."
        )


def of_labellers(found: LabellerQuality) -> Iterator[str]:
    """What gold items, agreement and time say of the labels."""
    if not found.people:
        yield "No labeller has answered yet."
    if found.gold is not None:
        yield f"Gold items labelled right: {interval(found.gold)}, {found.gold.records} answers."
    if found.alpha is not None:
        yield f"Agreement of labellers: {agreement(found.alpha)}."
    if found.again is not None:
        yield f"The same labeller, the same image again: alike in {interval(found.again)}."
    flow = found.flow
    if flow.states:
        told = ", ".join(f"{count} {state}" for state, count in flow.states.items())
        yield f"Tasks: {told}. {flow.a_day:.1f} labels a day."
    if flow.latency_s is not None and flow.latency_90_s is not None:
        yield (
            f"From the queue to the label: {words.duration(flow.latency_s)} (median), "
            f"{words.duration(flow.latency_90_s)} (nine in ten)."
        )
    if flow.oldest_s is not None:
        yield f"The oldest that waits: {words.duration(flow.oldest_s)}."


def _labels(count: int) -> str:
    return f"{words.count(count)} label{'' if count == 1 else 's'}"


def agreement(found: Agreement) -> str:
    """Krippendorff's alpha, and what it means."""
    told = f"{words.share(found.agreed)} of pairs alike on {words.count(found.images)} images"
    if found.value is None:
        return f"{told}; all of one class, so alpha says nothing"
    span = "" if found.low is None else f" ({found.low:.2f} to {found.high:.2f})"
    low = ", too low to rely on" if found.value < LEAST_ALPHA else ""
    return f"Krippendorff's alpha {found.value:.2f}{span}{low}; {told}"
