"""Which detectors compare which column."""

from __future__ import annotations

import inspect
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import detectors
from detectors.detector import Takes
from detectors.methods.labels.labelled import Labelled
from detectors.registry import AnyDetector, class_of
from monitor.detect.columns import Pair
from monitor.detect.errors import DetectError

MISSING = "missing_data"
DECIDE: Mapping[Takes, tuple[str, ...]] = {
    Takes.SCALAR: ("ks",),
    Takes.CATEGORY: ("chi_square",),
    Takes.EMBEDDING: ("mmd",),
    Takes.LABELLED: ("accuracy_change", "calibration_error"),
}
"""The test of each kind of column: the ones that decide where nobody names others."""
SHOW: Mapping[Takes, tuple[str, ...]] = {
    Takes.SCALAR: ("wasserstein",),
    Takes.CATEGORY: ("jensen_shannon_category",),
}
"""Whose effects are shown beside, without a say."""
UNLABELLED = ("confidence_based_accuracy", "average_threshold_confidence")
"""For predictions whose truth is not known yet."""

_COUNTS = ("permutations", "resamples")
MOST_RESAMPLES = 20_000
_SHOWN_RESAMPLES = 199


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """A detector for a column, and whether it has a say."""

    detector: str
    decides: bool


def known(names: Sequence[str]) -> tuple[str, ...]:
    """The names, each once.

    Raises:
        DetectError: there is no such detector.
    """
    there = detectors.names()
    for name in names:
        if name not in there:
            raise DetectError(f"--detector {name}: expected one of {', '.join(there)}")
    return tuple(dict.fromkeys(names))


def choices(pair: Pair, named: Collection[str]) -> list[Choice]:
    """The named detectors that take such a column; the kind's own where none does."""
    there = detectors.names(pair.kind)
    own = [name for name in there if name in named]
    if own:
        return [Choice(detector=name, decides=True) for name in own]
    if pair.kind is Takes.LABELLED and _unlabelled(pair.current):
        decide: Sequence[str] = [name for name in UNLABELLED if name in there][:1]
    else:
        decide = [name for name in DECIDE.get(pair.kind, ()) if name in there]
        # A registry without the usual ones still has an answer.
        if not decide and pair.kind is Takes.EMBEDDING:
            decide = [name for name in there if "mmd" in name][:1] or list(there[:1])
    found = [Choice(detector=name, decides=True) for name in decide]
    if MISSING in there and any(gone.any() for gone in pair.missing):
        found.append(Choice(detector=MISSING, decides=True))
    shown = [name for name in SHOW.get(pair.kind, ()) if name in there]
    return found + [Choice(detector=name, decides=False) for name in shown]


def _unlabelled(sample: Labelled) -> bool:
    return sample.labels is None or not (sample.labels >= 0).any()


def build(
    choice: Choice, *, alpha: float, tests: int, tolerance: float | None, seed: int
) -> AnyDetector:
    """The detector, with resamples enough that its smallest p-value can pass Holm's first step."""
    make = class_of(choice.detector)
    takes = inspect.signature(make).parameters
    parameters: dict[str, Any] = {}
    if "alpha" in takes:
        parameters["alpha"] = alpha
    if "seed" in takes:
        parameters["seed"] = seed
    if tolerance is not None:
        if "tolerance" not in takes:
            raise DetectError(f"--tolerance: {choice.detector} has none")
        parameters["tolerance"] = tolerance
    for name in _COUNTS:
        if name in takes:
            parameters[name] = (
                max(int(takes[name].default), needed(alpha, tests))
                if choice.decides
                else _SHOWN_RESAMPLES
            )
    try:
        return make(**parameters)
    except ValueError as error:
        raise DetectError(f"{choice.detector}: {error}") from None


def needed(alpha: float, tests: int) -> int:
    """Resamples B such that ``1 / (B + 1) <= alpha / tests``, at most ``MOST_RESAMPLES``."""
    return min(MOST_RESAMPLES, math.ceil(tests / alpha))


def tolerance_for(
    tolerances: Mapping[str, float], column: str, choice: Choice, deciders: int
) -> float | None:
    """``column:detector`` before ``column`` before ``detector``.

    A column's own goes to the detectors that decide it: if there are several, their units differ,
    and the name of one is needed.

    Raises:
        DetectError: a column's tolerance that several detectors would share.
    """
    if f"{column}:{choice.detector}" in tolerances:
        return tolerances[f"{column}:{choice.detector}"]
    if column in tolerances and choice.decides and choice.detector != MISSING:
        if deciders > 1:
            raise DetectError(
                f"--tolerance {column}: several detectors decide {column}, in different units; "
                f"expected {column}:DETECTOR=VALUE"
            )
        return tolerances[column]
    return tolerances.get(choice.detector)
