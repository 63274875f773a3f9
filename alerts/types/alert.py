"""A verdict that fires: how bad, about what, and which signals on which slices."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from typing import Any

from vigil.types import WHOLE, Cause, Effect, SignalKind, Slice


class Severity(StrEnum):
    """How bad it is; the order is that of the declaration."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        return list(Severity).index(self)

    def at_least(self, other: Severity) -> bool:
        return self.rank >= other.rank


class AlertKind(StrEnum):
    """What an alert is about. Each kind has a runbook (``runbooks.library.check``)."""

    MODEL_REGRESSION = "model_regression"
    INPUT_FAULT = "input_fault"
    DOMAIN_SHIFT = "domain_shift"
    NO_DATA = "no_data"
    SERVICE_FAULT = "service_fault"
    UNKNOWN = "unknown"
    BASELINE_DRIFT = "baseline_drift"
    """A ticket: it is told, and wakes nobody."""
    HARD_FAULT = "hard_fault"
    ROLLBACK_REFUSED = "rollback_refused"
    ROLLBACK_UNPROVEN = "rollback_unproven"
    LABELS_SILENT = "labels_silent"
    VIGIL_SELF = "vigil_self"
    SERVING_MISMATCH = "serving_mismatch"
    """What serves is not what was meant to."""

    @property
    def is_watched(self) -> bool:
        """Opened and closed by vigil's watch over itself; ticks leave it alone."""
        return self in (
            AlertKind.LABELS_SILENT,
            AlertKind.VIGIL_SELF,
            AlertKind.SERVING_MISMATCH,
        )

    @classmethod
    def of(cls, cause: Cause) -> AlertKind:
        """The kind of an alert whose cause was told."""
        return cls(cause.value)


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One signal on one slice that drifted: what a page is made of.

    ``before`` and ``now`` are the mean in the signal's unit, at the baseline and since the onset,
    where they are known. ``threshold`` is the evidence that a page needs (ticks per allowed false
    page); 0 where a plain rule fired. ``novel``: the baseline never saw this slice.
    """

    signal: str
    kind: SignalKind
    slice: Slice = WHOLE
    effect: Effect | None = None
    evidence: float = 0.0
    threshold: float = 0.0
    novel: bool = False
    provisional: bool = False
    before: float | None = None
    now: float | None = None
    reason: str = ""

    @property
    def size(self) -> float:
        """How far beyond tolerance the drift surely is, for ranking: low / tolerance."""
        if self.effect is None:
            return float("inf") if self.reason else 0.0
        return self.effect.low / max(self.effect.tolerance, 1e-9)

    def to_json(self) -> dict[str, Any]:
        plain = {each.name: getattr(self, each.name) for each in fields(self)}
        plain["kind"] = self.kind.value
        plain["slice"] = str(self.slice)
        plain["effect"] = effect_to_json(self.effect)
        return plain

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Finding:
        known = {each.name for each in fields(cls)}
        values = {name: value for name, value in plain.items() if name in known}
        values["kind"] = SignalKind(values["kind"])
        values["slice"] = Slice.parse(values.get("slice", ""))
        values["effect"] = effect_from_json(values.get("effect"))
        return cls(**values)


def effect_to_json(effect: Effect | None) -> dict[str, Any] | None:
    if effect is None:
        return None
    return {each.name: getattr(effect, each.name) for each in fields(effect)}


def effect_from_json(plain: Mapping[str, Any] | None) -> Effect | None:
    return None if plain is None else Effect(**plain)


@dataclass(frozen=True, kw_only=True, slots=True)
class Alert:
    """A verdict that fires. Its identity is its labels; annotations may change freely."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str] = field(default_factory=dict)
    starts_at: datetime
    ends_at: datetime | None = None

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the sorted labels as JSON, first 32 hexadecimal digits."""
        canonical = json.dumps(
            sorted(self.labels.items()), ensure_ascii=False, separators=(",", ":")
        )
        return hashlib.sha256(canonical.encode()).hexdigest()[:32]
