"""The signals that vigil knows: one table that collectors, checks, pages and documentation share.

Each is declared beside the function that measures it, in ``vigil/signals``. Which of them a model
has follows its task. A tolerance is in units of the signal's effect: the KS distance for scalars (a
share, 0 to 1), the total variation distance for categories, the root of the squared MMD for
vectors, the loss of accuracy or calibration for outcomes, seconds beyond the objective for latency.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from vigil.signals import (  # noqa: F401 (their import declares their signals)
    classification,
    detection,
    frame_table,
    image_table,
    multilabel,
    reading,
    segmentation,
    service,
    tracking,
    vectors,
)
from vigil.signals.declare import DECLARED, SPREAD
from vigil.signals.families import family_signal
from vigil.types import Harm, Per, Signal, SignalForm, SignalKind, Task

_IMAGE = ("brightness", "contrast", "sharpness", "saturation", "clipping", "noise")
_ALWAYS = ("embedding_distance", "latency_s")
_OBJECTS = (
    "object_count",
    "object_score_mean",
    "object_score_max",
    "object_coverage",
    "object_overlap",
    "box_size",
    "box_aspect",
    "box_x",
    "box_y",
    "box_score",
)
_TEXT = (
    "text_length",
    "text_confidence",
    "text_unsure",
    "text_digits",
    "text_latin",
    "text_cyrillic",
    "text_arabic",
    "text_cjk",
    "text_other",
)
TASK_SIGNALS: dict[Task, tuple[str, ...]] = {
    "classification": (*_IMAGE, "confidence", "entropy", "margin", *_ALWAYS),
    "multilabel": (
        *_IMAGE,
        "label_count",
        "label_confidence",
        "label_entropy",
        "label_margin",
        *_ALWAYS,
    ),
    "detection": (*_IMAGE, *_OBJECTS, *_ALWAYS),
    "tracking": (
        *_IMAGE,
        *_OBJECTS,
        "track_length",
        "identity_switches",
        "fragmentation",
        *_ALWAYS,
    ),
    "segmentation": (*_IMAGE, "mask_count", "mask_foreground", "mask_boundary", *_ALWAYS),
    "ocr": (*_IMAGE, *_TEXT, *_ALWAYS),
    "embedding": (*_IMAGE, "embedding_norm", *_ALWAYS),
}
"""The scalars of every model of a task, in the order in which its rulers count them."""
ON_REQUEST = (
    "embedding_norm",
    "batch_size",
    "queue_depth",
    "black_frame",
    "frozen_frame",
    "near_duplicate",
)
"""Counted where a task, a tap or a baseline names them."""


def _other(
    name: str,
    kind: SignalKind,
    form: SignalForm,
    unit: str,
    high: float,
    harm: Harm,
    tolerance: float,
    description: str,
) -> Signal:
    return Signal(
        name=name,
        kind=kind,
        form=form,
        unit=unit,
        low=0.0,
        high=high,
        harm=harm,
        tolerance=tolerance,
        description=description,
    )


PREDICTED_CLASS = _other(
    "predicted_class",
    SignalKind.PREDICTION,
    SignalForm.CATEGORY,
    "class",
    float("inf"),
    Harm.NEITHER,
    0.15,
    "the class with the largest probability; of each label, box or mask where there are several",
)
LOST_CLASS = _other(
    "lost_class",
    SignalKind.PREDICTION,
    SignalForm.CATEGORY,
    "share of a class",
    1.0,
    Harm.HIGHER,
    0.5,
    "how much of its usual share the class lost that lost most: a class that is predicted no more",
)
EMBEDDING = _other(
    "embedding",
    SignalKind.EMBEDDING,
    SignalForm.VECTOR,
    "RFF-MMD",
    1.5,
    Harm.NEITHER,
    0.15,
    "the embedding's distribution, as means of random Fourier features",
)
EMBEDDING_WHITENED = _other(
    "embedding_whitened",
    SignalKind.EMBEDDING,
    SignalForm.VECTOR,
    "RFF-MMD",
    1.5,
    Harm.NEITHER,
    0.15,
    "the same means, all leading directions weighed alike: sees small shifts sooner",
)
ACCURACY = _other(
    "accuracy",
    SignalKind.QUALITY,
    SignalForm.OUTCOME,
    "share",
    1.0,
    Harm.LOWER,
    0.05,
    "labels that agree with the prediction",
)
CALIBRATION = _other(
    "calibration",
    SignalKind.QUALITY,
    SignalForm.OUTCOME,
    "ECE",
    1.0,
    Harm.HIGHER,
    0.05,
    "expected calibration error over 15 bins of confidence",
)

SCALAR_NAMES: tuple[str, ...] = TASK_SIGNALS["classification"]
"""Of a classifier."""
SCALARS: tuple[Signal, ...] = tuple(DECLARED[name] for name in SCALAR_NAMES)
_OTHERS = (PREDICTED_CLASS, LOST_CLASS, EMBEDDING, EMBEDDING_WHITENED, ACCURACY, CALIBRATION)
_BY_TASK = (DECLARED[name] for names in TASK_SIGNALS.values() for name in names)
CATALOGUE: dict[str, Signal] = {
    one.name: one for one in (*SCALARS, *_OTHERS, *_BY_TASK, *map(DECLARED.__getitem__, ON_REQUEST))
}
"""Every built-in signal. ``signal_of`` knows more: those of a class, a stage or a user."""

_REMEMBERED: dict[str, Signal] = {}


def spread_of(name: str) -> str:
    """The name of the stream that watches a scalar's spread."""
    return f"{name}{SPREAD}"


def _spread_signal(signal: Signal) -> Signal:
    return replace(
        signal,
        name=spread_of(signal.name),
        form=SignalForm.SPREAD,
        harm=Harm.NEITHER,
        description=f"how far the values of {signal.name} lie apart",
    )


SPREADS: dict[str, Signal] = {
    spread_of(signal.name): _spread_signal(signal)
    for signal in CATALOGUE.values()
    if signal.form is SignalForm.SCALAR
}
"""Streams of their own beside the scalars': not measured, but derived from the same counts. Effect
and tolerance are those of the scalar."""


def remember(signals: Iterable[Signal]) -> None:
    """Know the signals that a baseline's layout declares, for their unit and harm in words."""
    for one in signals:
        if one.name not in CATALOGUE:
            _REMEMBERED[one.name] = one


def signal_of(name: str) -> Signal | None:
    """What a stream watches, spreads included; None where vigil does not know it."""
    found = CATALOGUE.get(name) or SPREADS.get(name) or family_signal(name)
    found = found or _REMEMBERED.get(name) or DECLARED.get(name)
    if found is None and name.endswith(SPREAD):
        base = signal_of(name.removesuffix(SPREAD))
        return None if base is None or base.form is not SignalForm.SCALAR else _spread_signal(base)
    return found


def base_of(name: str) -> str:
    """The scalar whose spread a stream watches; any other name as it is."""
    base = name.removesuffix(SPREAD)
    return name if base == name or signal_of(name) is None else base


def in_order(names: Iterable[str]) -> list[str]:
    """Each name once: built-in signals as the catalogue has them, then the others by name."""
    have = set(names)
    return [name for name in CATALOGUE if name in have] + sorted(have.difference(CATALOGUE))


def is_per_box(name: str) -> bool:
    """Whether a signal has a value for each box and not for each record."""
    found = signal_of(base_of(name))
    return found is not None and found.per == Per.BOX
