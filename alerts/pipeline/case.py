"""What travels through the pipeline, and what is known while it does."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property

from alerts.grouping import GroupDecision
from alerts.labels import labels_of
from alerts.pipeline.decision import Decision
from alerts.silences.silence import Silence
from alerts.types import AlertKind, Incident, MessageEvent, Severity
from vigil.types import Cause, Slice


@dataclass(frozen=True, kw_only=True, slots=True)
class Arrival:
    """An alert that looks for its incident.

    ``upstream`` names what feeds the model. ``near``: the open incidents of its own model within
    whose traffic the alert's lies. ``together``: how far apart two onsets may be that count as one.
    """

    fingerprint: str
    kind: AlertKind
    cause: Cause
    severity: Severity
    model: str
    version: str
    deployment: str
    slice: Slice
    owner: str = ""
    onset: datetime | None
    upstream: str = ""
    release_started_at: datetime | None = None
    began_with_release: bool = False
    near: frozenset[int] = frozenset()
    together: timedelta = timedelta(0)
    reopen_within: timedelta = timedelta(0)


@dataclass(frozen=True, kw_only=True)
class Known:
    """Facts, read once for all that is decided at one moment.

    ``recent``: open incidents of all models, oldest first, and those that an alert may reopen.
    """

    recent: tuple[Incident, ...] = ()
    silences: tuple[Silence, ...] = ()

    @cached_property
    def open(self) -> tuple[Incident, ...]:
        return tuple(each for each in self.recent if each.state.is_open)

    @cached_property
    def _by_fingerprint(self) -> Mapping[str, list[Incident]]:
        found: dict[str, list[Incident]] = {}
        for each in self.open:
            found.setdefault(each.fingerprint, []).append(each)
        return found

    def open_with(self, fingerprint: str) -> Sequence[Incident]:
        return self._by_fingerprint.get(fingerprint, ())

    @cached_property
    def _labels(self) -> dict[int, Mapping[str, str]]:
        return {}

    def labels(self, incident: Incident) -> Mapping[str, str]:
        """The labels of an open incident."""
        found = self._labels.get(incident.id)
        if found is None:
            found = self._labels[incident.id] = labels_of(incident)
        return found


@dataclass(frozen=True, kw_only=True, slots=True)
class Notice:
    """One message to send."""

    receiver: str
    event: MessageEvent
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One alert, or one piece of news of an incident, and what was decided of it so far.

    ``told``: receivers that were told of the incident's trigger, ``unreached`` those of them that
    nothing has reached. ``whole``: the open incident that
    it is a part of, and ``whole_told`` those that were told of that. ``also``: labels of further
    models that feel the same fault. ``before``: what each stage decided last time.

    An alert has ``arrival``, and gets ``place``. News has ``incident`` and ``event``, and gets
    ``receivers``, ``escalation``, ``notices`` and ``written``, or the ``silence`` that stopped it.
    """

    at: datetime
    labels: Mapping[str, str]
    known: Known = Known()
    arrival: Arrival | None = None
    incident: Incident | None = None
    event: MessageEvent = MessageEvent.TRIGGER
    told: tuple[str, ...] = ()
    unreached: Collection[str] = ()
    whole: Incident | None = None
    whole_told: tuple[str, ...] = ()
    also: tuple[Mapping[str, str], ...] = ()
    before: Mapping[str, Decision] = field(default_factory=dict)

    place: GroupDecision | None = None
    receivers: tuple[str, ...] = ()
    escalation: str | None = None
    silence: Silence | None = None
    notices: tuple[Notice, ...] = ()
    decisions: tuple[Decision, ...] = ()
    written: tuple[Decision, ...] = ()

    @property
    def quietens(self) -> bool:
        """An acknowledgement or a resolve: it goes to whoever was told, muted or not."""
        return self.event in (MessageEvent.ACKNOWLEDGE, MessageEvent.RESOLVE)
