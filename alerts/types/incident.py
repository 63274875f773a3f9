"""Alerts that belong together, and what happened to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from typing import Any

from alerts.types.alert import AlertKind, Finding, Severity
from vigil.types import Cause, Slice, as_utc


class IncidentState(StrEnum):
    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    MITIGATING = "mitigating"
    MONITORING = "monitoring"
    RESOLVED = "resolved"

    @property
    def is_open(self) -> bool:
        return self is not IncidentState.RESOLVED


class Disposition(StrEnum):
    """What people say of an incident afterwards; it feeds the self-audit."""

    TRUE_ALARM = "true_alarm"
    FALSE_ALARM = "false_alarm"
    EXPECTED = "expected"


@dataclass(frozen=True, kw_only=True, slots=True)
class TimelineEntry:
    """What happened to an incident: written once, never changed."""

    at: datetime
    kind: str
    actor: str
    text: str
    data: Mapping[str, Any] = field(default_factory=dict)


_TIMES = (
    "onset_at",
    "onset_first_at",
    "onset_last_at",
    "detected_at",
    "paged_at",
    "acknowledged_at",
    "mitigated_at",
    "recovered_at",
    "resolved_at",
    "last_firing_at",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Incident:
    """Alerts that belong together. It changes only by the transitions of ``alerts.incidents``.

    ``version`` counts transitions, for optimistic locking. ``labels`` holds context that a page
    shows: ``previous_version``, ``release_started_at``, ``owner``, ``upstream``. ``onset_at`` lies
    between ``onset_first_at`` and ``onset_last_at`` (95 %), where that is known. ``reopened``
    counts its returns; ``repeat_of`` is the latest earlier incident with the same fingerprint.
    """

    id: int
    group_key: str
    fingerprint: str
    kind: AlertKind
    cause: Cause
    severity: Severity
    model: str
    model_version: str
    deployment: str
    slice: Slice
    title: str
    state: IncidentState = IncidentState.OPEN
    version: int = 1
    onset_at: datetime | None = None
    onset_first_at: datetime | None = None
    onset_last_at: datetime | None = None
    detected_at: datetime
    paged_at: datetime | None = None
    acknowledged_at: datetime | None = None
    mitigated_at: datetime | None = None
    recovered_at: datetime | None = None
    resolved_at: datetime | None = None
    last_firing_at: datetime
    findings: tuple[Finding, ...] = ()
    reasons: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    reopened: int = 0
    repeat_of: int | None = None
    disposition: Disposition | None = None
    runbook: str = ""

    @property
    def part_of(self) -> int | None:
        """The incident that explains this one: the same upstream, or the same release."""
        whole = self.labels.get("part_of", "")
        return int(whole) if whole else None

    def columns(self) -> dict[str, Any]:
        """The values of the row: times as they are, the rest plain; ``id`` is left out."""
        plain: dict[str, Any] = {
            each.name: getattr(self, each.name) for each in fields(self) if each.name != "id"
        }
        for name in ("kind", "cause", "severity", "state"):
            plain[name] = plain[name].value
        plain["disposition"] = self.disposition.value if self.disposition else None
        plain["slice"] = str(self.slice)
        plain["findings"] = [finding.to_json() for finding in self.findings]
        plain["reasons"] = list(self.reasons)
        plain["labels"] = dict(self.labels)
        return plain

    @classmethod
    def from_columns(cls, row: Any) -> Incident:
        """Read a row: anything with the columns as attributes."""
        return cls._from_plain({each.name: getattr(row, each.name) for each in fields(cls)})

    def to_json(self) -> dict[str, Any]:
        plain = {"id": self.id, **self.columns()}
        for name in _TIMES:
            plain[name] = plain[name].isoformat() if plain[name] else None
        return plain

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Incident:
        values = {each.name: plain[each.name] for each in fields(cls) if each.name in plain}
        for name in _TIMES:
            if values.get(name) is not None:
                values[name] = as_utc(datetime.fromisoformat(values[name]), what=name)
        return cls._from_plain(values)

    @classmethod
    def _from_plain(cls, values: dict[str, Any]) -> Incident:
        disposition = values["disposition"]
        return cls(
            **{
                **values,
                "kind": AlertKind(values["kind"]),
                "cause": Cause(values["cause"]),
                "severity": Severity(values["severity"]),
                "state": IncidentState(values["state"]),
                "slice": Slice.parse(values["slice"]),
                "findings": tuple(Finding.from_json(one) for one in values["findings"]),
                "reasons": tuple(values["reasons"]),
                "labels": dict(values["labels"]),
                "disposition": Disposition(disposition) if disposition else None,
            }
        )
