"""The values that pass between the stages.

All are frozen and keyword-only. Times are aware UTC. Units are in the name or the docstring.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Literal, get_args

Task = Literal[
    "classification", "multilabel", "detection", "segmentation", "tracking", "ocr", "embedding"
]
TASKS: tuple[Task, ...] = get_args(Task)


class SignalKind(StrEnum):
    """What a signal says something about; causes are told apart by it."""

    IMAGE = "image"
    PREDICTION = "prediction"
    EMBEDDING = "embedding"
    SERVICE = "service"
    QUALITY = "quality"


class SignalForm(StrEnum):
    """How a signal is summarised: counts per bin (and how far they spread), counts per class, sums
    of features, outcomes."""

    SCALAR = "scalar"
    SPREAD = "spread"
    CATEGORY = "category"
    VECTOR = "vector"
    OUTCOME = "outcome"


class Per(StrEnum):
    """What a signal has one value of."""

    RECORD = "record"
    BOX = "box"


class Harm(StrEnum):
    """Which way a signal moves when a model gets worse, not merely different."""

    LOWER = "lower"
    HIGHER = "higher"
    NEITHER = "neither"


class Outcome(StrEnum):
    """What a check concludes. A crash is an error, never an outcome."""

    HEALTHY = "healthy"
    DRIFTED = "drifted"
    INCONCLUSIVE = "inconclusive"
    NO_DATA = "no_data"


class Cause(StrEnum):
    """Why a model went wrong; the action follows it."""

    INPUT_FAULT = "input_fault"
    MODEL_REGRESSION = "model_regression"
    DOMAIN_SHIFT = "domain_shift"
    NO_DATA = "no_data"
    SERVICE_FAULT = "service_fault"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelRef:
    """One version of a model as it runs in one deployment."""

    name: str
    version: str
    deployment: str = "production"

    def __str__(self) -> str:
        return f"{self.name}@{self.version}/{self.deployment}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Signal:
    """Something measured once per inference, or once per box that it drew.

    ``low`` and ``high`` bound its range in ``unit``; ``tolerance`` is the drift, in units of the
    signal's effect size, that never pages however much data there is.
    """

    name: str
    kind: SignalKind
    form: SignalForm
    unit: str
    low: float
    high: float
    harm: Harm
    tolerance: float
    description: str
    per: Per = Per.RECORD


@dataclass(frozen=True, slots=True, order=True)
class Slice:
    """Traffic that shares metadata: pairs of key and value; no pairs mean the whole model."""

    pairs: tuple[tuple[str, str], ...] = ()

    @property
    def is_whole(self) -> bool:
        return not self.pairs

    def __str__(self) -> str:
        return " & ".join(f"{key}={_escaped(value)}" for key, value in self.pairs) or "all traffic"

    @classmethod
    def parse(cls, text: str) -> Slice:
        """Read what ``str`` wrote.

        Raises:
            ValueError: a part is not ``key=value``.
        """
        if text in ("", "all traffic"):
            return WHOLE
        pairs = []
        for part in text.split(" & "):
            key, equals, value = part.partition("=")
            if not equals or not key:
                raise ValueError(f"slice {text!r}: expected key=value, found {part!r}")
            pairs.append((key, _unescaped(value)))
        return cls(tuple(pairs))


def _escaped(value: str) -> str:
    """A value in which nothing looks like the separator of pairs."""
    return re.sub("(?<= )&|&(?= )", "%26", re.sub("%(?=25|26)", "%25", value))


def _unescaped(value: str) -> str:
    return re.sub("%(25|26)", lambda found: "%" if found[1] == "25" else "&", value)


WHOLE = Slice()


@dataclass(frozen=True, kw_only=True, slots=True)
class Effect:
    """How large a drift is: an estimate with a confidence interval, in ``unit``.

    Evidence says *that* something changed, the effect says *how much*. A page needs both.
    """

    value: float
    low: float
    high: float
    tolerance: float
    unit: str
    records: int

    @property
    def is_large(self) -> bool:
        """The whole interval lies above the tolerance."""
        return self.low > self.tolerance

    @property
    def is_small(self) -> bool:
        """The whole interval lies below the tolerance."""
        return self.high < self.tolerance


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What one check says of one signal on one slice at one tick.

    ``evidence`` is the Shiryaev-Roberts statistic of the stream, to be compared with ``threshold``
    (ticks per allowed false page). ``onset`` is the start that maximises the evidence;
    ``onset_first`` and ``onset_last`` bound it (95 %).
    """

    check: str
    model: ModelRef
    signal: str
    slice: Slice
    outcome: Outcome
    score: float
    effect: Effect | None
    evidence: float
    threshold: float
    onset: datetime | None
    at: datetime
    reason: str
    provisional: bool = False
    onset_first: datetime | None = None
    onset_last: datetime | None = None


def utc(seconds: float) -> datetime:
    """Seconds since 1970 as an aware UTC time."""
    return datetime.fromtimestamp(seconds, tz=UTC)


def as_utc(moment: datetime, *, what: str = "time") -> datetime:
    """The same moment in UTC.

    Raises:
        ValueError: ``moment`` has no time zone, so its meaning is not known.
    """
    if moment.tzinfo is None:
        raise ValueError(f"{what}: expected a time with a time zone, found {moment.isoformat()}")
    return moment.astimezone(UTC)
