"""The values of the alert path: alert, finding, incident, message, delivery.

Frozen and keyword-only. ``to_json``/``from_json`` are the forms that go into the database's JSON
columns; ``Incident.columns``/``from_columns`` are those of the table of incidents.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from typing import Any

from vigil.types import WHOLE, Cause, Effect, SignalKind, Slice, as_utc


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

    @property
    def is_watched(self) -> bool:
        """Opened and closed by vigil's watch over itself; ticks leave it alone."""
        return self in (AlertKind.LABELS_SILENT, AlertKind.VIGIL_SELF)

    @classmethod
    def of(cls, cause: Cause) -> AlertKind:
        """The kind of an alert whose cause was told."""
        return cls(cause.value)


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


class MessageEvent(StrEnum):
    TRIGGER = "trigger"
    UPDATE = "update"
    ACKNOWLEDGE = "acknowledge"
    RESOLVE = "resolve"
    TEST = "test"


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


@dataclass(frozen=True, kw_only=True, slots=True)
class Link:
    text: str
    href: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Image:
    """A picture that a receiver can fetch by itself; ``href`` is where it leads."""

    src: str
    alt: str
    href: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class PendingApproval:
    """An action that waits for a person's yes, which binds to the plan with this hash."""

    action_id: int
    plan_hash: str
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """What a receiver renders. The texts are plain: each notifier escapes them for its medium.

    ``id`` names the message for ever (the outbox's ``dedup_key``). ``done`` is what vigil did,
    ``next`` what it will do, ``todo`` what the person should do. ``note`` is what is new since
    the last message (a thread reply); ``change`` describes a change of what serves (a rollback),
    for receivers that keep such a log. ``installation`` tells this vigil from others that page the
    same people. ``key`` names what the message is about where that is no incident (a summary,
    a digest, vigil's own database); ``incident`` then has the number 0. ``approval`` is what waits
    for a person's yes. ``story`` is what the timeline says since this receiver's last message of
    the incident, up to its line ``story_to``.
    """

    id: str
    event: MessageEvent
    incident: Incident
    headline: str
    what: tuple[str, ...]
    where: str
    since: str
    how_sure: str
    done: tuple[str, ...]
    next: str
    todo: str
    runbook_url: str
    incident_url: str
    links: tuple[Link, ...] = ()
    images: tuple[Image, ...] = ()
    approval: PendingApproval | None = None
    story: tuple[str, ...] = ()
    story_to: int = 0
    note: str = ""
    change: str = ""
    installation: str = ""
    key: str = ""
    sent_at: datetime

    @property
    def thread_key(self) -> str:
        """The same for all messages of one incident (PagerDuty's ``dedup_key``)."""
        if self.key:
            return self.key
        if self.event is MessageEvent.TEST:
            return self.id
        named = f"-{self.installation}" if self.installation else ""
        return f"vigil{named}-incident-{self.incident.id}"

    def to_json(self) -> dict[str, Any]:
        plain: dict[str, Any] = {each.name: getattr(self, each.name) for each in fields(self)}
        plain["event"] = self.event.value
        plain["incident"] = self.incident.to_json()
        plain["what"], plain["done"] = list(self.what), list(self.done)
        plain["links"] = [{"text": link.text, "href": link.href} for link in self.links]
        plain["images"] = [asdict(image) for image in self.images]
        plain["approval"] = asdict(self.approval) if self.approval else None
        plain["story"] = list(self.story)
        plain["sent_at"] = self.sent_at.isoformat()
        return plain

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Message:
        asked = plain.get("approval")
        return cls(
            **{
                **plain,
                "event": MessageEvent(plain["event"]),
                "incident": Incident.from_json(plain["incident"]),
                "what": tuple(plain["what"]),
                "done": tuple(plain["done"]),
                "links": tuple(Link(**link) for link in plain["links"]),
                "images": tuple(Image(**image) for image in plain.get("images", ())),
                "approval": PendingApproval(**asked) if asked else None,
                "story": tuple(plain.get("story", ())),
                "sent_at": as_utc(datetime.fromisoformat(plain["sent_at"]), what="sent_at"),
            }
        )


class DeliveryOutcome(StrEnum):
    """``unclear``: the receiver may or may not have it (no answer came)."""

    DELIVERED = "delivered"
    RETRY = "retry"
    FAILED = "failed"
    UNCLEAR = "unclear"


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """What came of one attempt. ``error`` never holds a secret."""

    outcome: DeliveryOutcome
    receipt: Mapping[str, str] = field(default_factory=dict)
    error: str = ""
    retry_after_s: float | None = None
