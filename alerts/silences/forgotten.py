"""Silences that somebody should look at: about to end too early, or of no use to anyone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from alerts.silences.silence import MUTING, Silence
from alerts.silences.words import at_minute

SOON = timedelta(days=1)
IDLE_AFTER = timedelta(days=30)
UNUSED_AFTER = timedelta(days=1)


class Concern(StrEnum):
    ENDS_SOON = "ends_soon"
    IDLE = "idle"
    UNUSED = "unused"


@dataclass(frozen=True, kw_only=True, slots=True)
class Forgotten:
    silence: Silence
    concern: Concern
    text: str


def forgotten(
    silences: Iterable[Silence], open_labels: Mapping[int, Mapping[str, str]], at: datetime
) -> Iterator[Forgotten]:
    """What is odd about silences at a moment.

    It ends within a day while something that it mutes is open (then that pages); a recurring one
    held nothing back for 30 days; another held nothing back in all the day or more that it held.

    Args:
        open_labels: the labels of the open incidents, by number.
    """
    for silence in silences:
        if silence.kind not in MUTING or at >= silence.over_at:
            continue
        muted = [number for number, labels in open_labels.items() if silence.matches(labels)]
        if muted and silence.over_at <= at + SOON and silence.starts_at <= at:
            numbers = ", ".join(f"#{number}" for number in muted[:5])
            more = f" and {len(muted) - 5} more" if len(muted) > 5 else ""
            text = f"ends {at_minute(silence.over_at)} while {numbers}{more} is still open"
            yield Forgotten(silence=silence, concern=Concern.ENDS_SOON, text=text)
        used_at = silence.last_matched_at or silence.starts_at
        if silence.recurrence is not None:
            if at - used_at > IDLE_AFTER:
                text = f"recurs, and held nothing back for {(at - used_at).days} days"
                yield Forgotten(silence=silence, concern=Concern.IDLE, text=text)
        elif silence.matched == 0 and at - silence.starts_at >= UNUSED_AFTER:
            text = f"has held nothing back since {at_minute(silence.starts_at)}"
            yield Forgotten(silence=silence, concern=Concern.UNUSED, text=text)
