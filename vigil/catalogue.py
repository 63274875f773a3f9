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


def _scalar(
    name: str,
    kind: SignalKind,
    unit: str,
    high: float,
    description: str,
    *,
    harm: Harm = Harm.NEITHER,
    tolerance: float = 0.15,
) -> Signal:
    return Signal(
        name=name,
        kind=kind,
        form=SignalForm.SCALAR,
        unit=unit,
        low=0.0,
        high=high,
        harm=harm,
        tolerance=tolerance,
        description=description,
    )


def spread_of(name: str) -> str:
    """The name of the stream that watches a scalar's spread."""
    return f"{name}_spread"


SCALARS: tuple[Signal, ...] = (
    _scalar("brightness", _I, "share of full scale", 1.0, "mean luma of the image"),
    _scalar("contrast", _I, "share of full scale", 0.5, "standard deviation of luma"),
    _scalar(
        "sharpness",
        _I,
        "ratio",
        4.0,
        "mean absolute Laplacian of luma over its standard deviation; falls with blur",
        harm=Harm.LOWER,
    ),
    _scalar("saturation", _I, "share", 1.0, "mean of (max - min) / max over the colour channels"),
    _scalar(
        "clipping",
        _I,
        "share of pixels",
        1.0,
        "pixels within 1/255 of black or white",
        harm=Harm.HIGHER,
    ),
    _scalar(
        "noise",
        _I,
        "share of full scale",
        0.5,
        "noise standard deviation, from the mean absolute response to Immerkaer's mask",
        harm=Harm.HIGHER,
    ),
    _scalar("confidence", _P, "probability", 1.0, "largest class probability", harm=Harm.LOWER),
    _scalar(
        "entropy",
        _P,
        "share of the maximum",
        1.0,
        "entropy of the class probabilities over log K",
        harm=Harm.HIGHER,
    ),
    _scalar(
        "margin",
        _P,
        "probability",
        1.0,
        "largest less second largest class probability",
        harm=Harm.LOWER,
    ),
    _scalar(
        "embedding_distance",
        _E,
        "baseline standard deviations",
        20.0,
        "whitened distance of the embedding to the baseline's mean",
        harm=Harm.HIGHER,
    ),
    _scalar(
        "latency_s",
        _S,
        "seconds",
        60.0,
        "time of one inference as the caller measured it",
        harm=Harm.HIGHER,
        tolerance=0.0,
    ),
)

PREDICTED_CLASS = Signal(
    name="predicted_class",
    kind=_P,
    form=SignalForm.CATEGORY,
    unit="class",
    low=0,
    high=float("inf"),
    harm=Harm.NEITHER,
    tolerance=0.15,
    description="the class with the largest probability",
)
EMBEDDING = Signal(
    name="embedding",
    kind=_E,
    form=SignalForm.VECTOR,
    unit="RFF-MMD",
    low=0.0,
    high=1.5,
    harm=Harm.NEITHER,
    tolerance=0.15,
    description="the embedding's distribution, as means of random Fourier features",
)
EMBEDDING_WHITENED = Signal(
    name="embedding_whitened",
    kind=_E,
    form=SignalForm.VECTOR,
    unit="RFF-MMD",
    low=0.0,
    high=1.5,
    harm=Harm.NEITHER,
    tolerance=0.15,
    description="the same means, all leading directions weighed alike: sees small shifts sooner",
)
ACCURACY = Signal(
    name="accuracy",
    kind=_Q,
    form=SignalForm.OUTCOME,
    unit="share",
    low=0.0,
    high=1.0,
    harm=Harm.LOWER,
    tolerance=0.05,
    description="labels that agree with the prediction",
)
CALIBRATION = Signal(
    name="calibration",
    kind=_Q,
    form=SignalForm.OUTCOME,
    unit="ECE",
    low=0.0,
    high=1.0,
    harm=Harm.HIGHER,
    tolerance=0.05,
    description="expected calibration error over 15 bins of confidence",
)

CATALOGUE: dict[str, Signal] = {
    signal.name: signal
    for signal in (
        *SCALARS,
        PREDICTED_CLASS,
        EMBEDDING,
        EMBEDDING_WHITENED,
        ACCURACY,
        CALIBRATION,
    )
}
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
