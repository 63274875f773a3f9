"""Silences in words."""

from __future__ import annotations

from datetime import UTC, datetime

from alerts.silences.durations import spoken
from alerts.silences.silence import Silence


def at_minute(at: datetime) -> str:
    """``2026-11-21 09:00 UTC``."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def matchers_text(silence: Silence) -> str:
    return ", ".join(str(matcher) for matcher in silence.matchers)


def recurrence_text(silence: Silence) -> str:
    """``FREQ=WEEKLY;BYDAY=SA in Europe/Berlin, for 4h each``; empty where it does not recur."""
    again = silence.recurrence
    return f"{again.rule} in {again.time_zone}, for {spoken(again.duration)} each" if again else ""


def freeze_text(silence: Silence, at: datetime) -> str:
    """``release freeze S-4 until 2026-11-21 09:00 UTC (year-end)``."""
    until = at_minute(silence.until(at) or silence.over_at)
    return f"release freeze {silence.name} until {until} ({silence.comment})"


def when_text(silence: Silence, now: datetime) -> str:
    """``holds until 2026-11-21 09:00 UTC`` or the like; with its recurrence, where it has one."""
    until = silence.until(now)
    if until is not None:
        told = f"holds until {at_minute(until)}"
    else:
        begins = silence.next_start(now) or silence.starts_at
        told = f"begins {at_minute(begins)}"
    ends = at_minute(silence.ends_at)
    again = recurrence_text(silence)
    if again:
        return f"{told}; {again}, until {ends}"
    return told if until is not None else f"{told}, ends {ends}"
