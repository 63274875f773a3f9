"""A silence: who is not told of what, until when."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from alerts.silences.matchers import Matcher, all_hold
from alerts.silences.recurrence import Recurrence, window_after, window_at


class SilenceKind(StrEnum):
    SILENCE = "silence"
    MAINTENANCE = "maintenance"
    FREEZE = "freeze"
    """No automatic rollback of the models that match, and a warning at each release."""


class SilenceState(StrEnum):
    """``pending``: not begun, or between two windows of a recurring one."""

    ACTIVE = "active"
    PENDING = "pending"
    EXPIRED = "expired"


LIVE = (SilenceState.ACTIVE, SilenceState.PENDING)
MUTING = (SilenceKind.SILENCE, SilenceKind.MAINTENANCE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Silence:
    """Holds for what all ``matchers`` hold for, from ``starts_at`` until ``ends_at`` (or until it
    was ended); with a recurrence, in its windows between the two.
    """

    id: int
    kind: SilenceKind
    matchers: tuple[Matcher, ...]
    starts_at: datetime
    ends_at: datetime
    recurrence: Recurrence | None = None
    comment: str
    created_by: str
    created_at: datetime
    ended_at: datetime | None = None
    ended_by: str = ""
    matched: int = 0
    last_matched_at: datetime | None = None

    @property
    def name(self) -> str:
        return f"S-{self.id}"

    @property
    def over_at(self) -> datetime:
        """When it is over for good."""
        return self.ends_at if self.ended_at is None else min(self.ended_at, self.ends_at)

    def active(self, at: datetime) -> bool:
        return self.until(at) is not None

    def until(self, at: datetime) -> datetime | None:
        """When what holds at a moment stops to hold; none where it does not hold then."""
        if not self.starts_at <= at < self.over_at:
            return None
        if self.recurrence is None:
            return self.over_at
        window = window_at(self.recurrence.windows(self.starts_at, self.ends_at), at)
        return None if window is None else min(window.ends_at, self.over_at)

    def next_start(self, after: datetime) -> datetime | None:
        """When it begins to hold after a moment, none where it does not again."""
        if self.recurrence is None:
            begins: datetime | None = self.starts_at if after < self.starts_at else None
        else:
            windows = self.recurrence.windows(self.starts_at, self.ends_at)
            window = window_after(windows, after)
            begins = window.starts_at if window else None
        return begins if begins is not None and begins < self.over_at else None

    def state(self, at: datetime) -> SilenceState:
        if self.active(at):
            return SilenceState.ACTIVE
        again = self.next_start(at) is not None
        return SilenceState.PENDING if again else SilenceState.EXPIRED

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whatever the time."""
        return all_hold(self.matchers, labels)


def find(
    silences: Iterable[Silence],
    labels: Mapping[str, str],
    at: datetime,
    kinds: Collection[SilenceKind] = MUTING,
) -> Silence | None:
    """The silence that holds for labels at a moment; of several, the one that holds longest."""
    best: Silence | None = None
    best_until: datetime | None = None
    for silence in silences:
        if silence.kind not in kinds or not silence.starts_at <= at < silence.over_at:
            continue
        if best_until is not None and silence.over_at <= best_until:
            continue
        if not silence.matches(labels):
            continue
        until = silence.until(at)
        if until is not None and (best_until is None or until > best_until):
            best, best_until = silence, until
    return best
