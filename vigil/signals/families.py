"""Signals whose names hold a class, a stage or an embedding: as many as a model has."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from vigil.signals.declare import SPREAD
from vigil.types import Harm, Signal, SignalForm, SignalKind

MOST_AREAS = 32
"""Classes whose area is a signal of its own; every class counts in ``predicted_class``."""
_AREA = re.compile(r"area_share_(0|[1-9][0-9]{0,2})")
_STAGE = re.compile(r"stage_([a-z0-9_]{1,40})_s")
_DISTANCE = re.compile(r"embedding_distance_([a-z0-9_]{1,40})")


@lru_cache(maxsize=1024)
def family_signal(name: str) -> Signal | None:
    """The signal of that name; None where it is of no family."""
    if name.endswith(SPREAD):
        return None
    area, stage, distance = (one.fullmatch(name) for one in (_AREA, _STAGE, _DISTANCE))
    if area is not None:
        about = "the background" if area[1] == "0" else f"class {area[1]}"
        return _scalar(
            name, SignalKind.PREDICTION, "share of the pixels", 1.0, f"pixels of {about}"
        )
    if stage is not None:
        about = f"time of the stage {stage[1].replace('_', ' ')}"
        return _scalar(name, SignalKind.SERVICE, "seconds", 60.0, about, Harm.HIGHER, 0.0)
    if distance is not None:
        about = f"whitened distance of the embedding {distance[1]} to the baseline's mean"
        unit = "baseline standard deviations"
        return _scalar(name, SignalKind.EMBEDDING, unit, 20.0, about, Harm.HIGHER)
    return None


def _scalar(
    name: str,
    kind: SignalKind,
    unit: str,
    high: float,
    description: str,
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


def area_name(label: int) -> str:
    """The signal of the area of a class."""
    return f"area_share_{label}"


def area_class(name: str) -> int | None:
    """The class whose area a signal is."""
    found = _AREA.fullmatch(name)
    return None if found is None else int(found[1])


def stage_name(stage: str) -> str:
    """The signal of a stage of the pipeline."""
    return f"stage_{_plain(stage)}_s"


def distance_name(embedding: str) -> str:
    """The signal of the distance of a further embedding."""
    return f"embedding_distance_{_plain(embedding)}"


def plain_names(values: Mapping[str, object]) -> dict[str, str]:
    """Each name with the form that it has in a signal's name."""
    return {str(name): _plain(str(name)) for name in values}


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9_]+", "_", name.lower())[:40] or "_"
