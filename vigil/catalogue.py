"""The signals that vigil knows: one table that collectors, checks, pages and documentation share.

A tolerance is in units of the signal's effect: the KS distance for scalars (a share, 0 to 1), the
total variation distance for categories, the root of the squared MMD for vectors, the loss of
accuracy or calibration for outcomes, seconds beyond the objective for latency.
"""

from __future__ import annotations

from dataclasses import replace

from vigil.types import Harm, Signal, SignalForm, SignalKind

_I, _P, _E, _S, _Q = (
    SignalKind.IMAGE,
    SignalKind.PREDICTION,
    SignalKind.EMBEDDING,
    SignalKind.SERVICE,
    SignalKind.QUALITY,
)
_NUMBER, _CLASS, _VECTOR, _OUTCOME = (
    SignalForm.SCALAR,
    SignalForm.CATEGORY,
    SignalForm.VECTOR,
    SignalForm.OUTCOME,
)
_LOWER, _HIGHER, _NEITHER = Harm.LOWER, Harm.HIGHER, Harm.NEITHER
_Row = tuple[str, SignalKind, SignalForm, str, float, Harm, float, str]

# fmt: off
_TABLE: tuple[_Row, ...] = (
    # name, kind, form, unit, highest value (the lowest is 0), worse when, tolerance, what it is
    ("brightness", _I, _NUMBER, "share of full scale", 1.0, _NEITHER, 0.15,
     "mean luma of the image"),
    ("contrast", _I, _NUMBER, "share of full scale", 0.5, _NEITHER, 0.15,
     "standard deviation of luma"),
    ("sharpness", _I, _NUMBER, "ratio", 4.0, _LOWER, 0.15,
     "mean absolute Laplacian of luma over its standard deviation; falls with blur"),
    ("saturation", _I, _NUMBER, "share", 1.0, _NEITHER, 0.15,
     "mean of (max - min) / max over the colour channels"),
    ("clipping", _I, _NUMBER, "share of pixels", 1.0, _HIGHER, 0.15,
     "pixels within 1/255 of black or white"),
    ("noise", _I, _NUMBER, "share of full scale", 0.5, _HIGHER, 0.15,
     "noise standard deviation, from the mean absolute response to Immerkaer's mask"),
    ("confidence", _P, _NUMBER, "probability", 1.0, _LOWER, 0.15,
     "largest class probability"),
    ("entropy", _P, _NUMBER, "share of the maximum", 1.0, _HIGHER, 0.15,
     "entropy of the class probabilities over log K"),
    ("margin", _P, _NUMBER, "probability", 1.0, _LOWER, 0.15,
     "largest less second largest class probability"),
    ("embedding_distance", _E, _NUMBER, "baseline standard deviations", 20.0, _HIGHER, 0.15,
     "whitened distance of the embedding to the baseline's mean"),
    ("latency_s", _S, _NUMBER, "seconds", 60.0, _HIGHER, 0.0,
     "time of one inference as the caller measured it"),
    ("predicted_class", _P, _CLASS, "class", float("inf"), _NEITHER, 0.15,
     "the class with the largest probability"),
    ("embedding", _E, _VECTOR, "RFF-MMD", 1.5, _NEITHER, 0.15,
     "the embedding's distribution, as means of random Fourier features"),
    ("embedding_whitened", _E, _VECTOR, "RFF-MMD", 1.5, _NEITHER, 0.15,
     "the same means, all leading directions weighed alike: sees small shifts sooner"),
    ("accuracy", _Q, _OUTCOME, "share", 1.0, _LOWER, 0.05,
     "labels that agree with the prediction"),
    ("calibration", _Q, _OUTCOME, "ECE", 1.0, _HIGHER, 0.05,
     "expected calibration error over 15 bins of confidence"),
)
# fmt: on

CATALOGUE: dict[str, Signal] = {
    name: Signal(
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
    for name, kind, form, unit, high, harm, tolerance, description in _TABLE
}
SCALARS: tuple[Signal, ...] = tuple(one for one in CATALOGUE.values() if one.form is _NUMBER)
PREDICTED_CLASS = CATALOGUE["predicted_class"]
EMBEDDING = CATALOGUE["embedding"]
EMBEDDING_WHITENED = CATALOGUE["embedding_whitened"]
ACCURACY = CATALOGUE["accuracy"]
CALIBRATION = CATALOGUE["calibration"]


def spread_of(name: str) -> str:
    """The name of the stream that watches a scalar's spread."""
    return f"{name}_spread"


SPREADS: dict[str, Signal] = {
    spread_of(signal.name): replace(
        signal,
        name=spread_of(signal.name),
        form=SignalForm.SPREAD,
        harm=Harm.NEITHER,
        description=f"how far the values of {signal.name} lie apart",
    )
    for signal in SCALARS
}
"""Streams of their own beside the scalars': not measured, but derived from the same counts. Effect
and tolerance are those of the scalar."""
_BASES = {spread_of(signal.name): signal.name for signal in SCALARS}
SCALAR_NAMES: tuple[str, ...] = tuple(signal.name for signal in SCALARS)


def signal_of(name: str) -> Signal | None:
    """What a stream watches, spreads included; None where vigil does not know it."""
    return CATALOGUE.get(name) or SPREADS.get(name)


def base_of(name: str) -> str:
    """The scalar whose spread a stream watches; any other name as it is."""
    return _BASES.get(name, name)
