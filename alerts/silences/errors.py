"""What can't be silenced as it was said.

SilenceError
├── MatcherError     not ``label=value`` or the like
├── PatternError     a regular expression that can't be used
├── RecurrenceError  a recurring window that can't be used
└── DurationError    not a duration such as 2h
"""

from __future__ import annotations

from vigil.errors import VigilError


class SilenceError(VigilError):
    """A silence that can't be made, or changed, as it was said."""


class MatcherError(SilenceError):
    """A matcher that can't be used."""


class PatternError(SilenceError):
    """A regular expression that can't be used."""

    def __init__(self, text: str, why: str) -> None:
        super().__init__(f"regular expression {shortened(text)!r}: {why}")


class RecurrenceError(SilenceError):
    """A recurring window that can't be used."""


class DurationError(SilenceError):
    """Not a duration."""


def shortened(text: str, limit: int = 80) -> str:
    """What a message shows of a text that may be long."""
    return text if len(text) <= limit else f"{text[: limit - 3]}..."
