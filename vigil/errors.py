"""Everything vigil raises on purpose.

VigilError
├── WireError             bytes that are not what they claim to be
│   └── FormatVersionError  written by a newer vigil
├── RulerMismatchError    summaries of different rulers or layouts can't be added
├── ShapeError            an array of the wrong shape, type or length
├── BaselineError         a baseline that can't be built or read
├── ConfigError           a setting that can't be used: file, key, expected, found
├── TransportError        the service can't be reached, or refuses a request
├── NotFoundError         something named that is not there
└── ConflictError         someone else changed it first
"""

from __future__ import annotations


class VigilError(Exception):
    """The root of all errors raised by vigil."""


class WireError(VigilError):
    """Bytes that are not what they claim to be."""


class FormatVersionError(WireError):
    """Written by a newer vigil than this one, or by one too old."""

    def __init__(self, what: str, *, found: int, supported: int) -> None:
        super().__init__(f"{what}: format version {found}, this vigil reads up to {supported}")
        self.found, self.supported = found, supported


class RulerMismatchError(VigilError):
    """Summaries of different rulers or layouts can't be added."""


class ShapeError(VigilError):
    """An array of the wrong shape, type or length."""

    def __init__(self, what: str, *, expected: str, found: str) -> None:
        super().__init__(f"{what}: expected {expected}, found {found}")


class BaselineError(VigilError):
    """A baseline that can't be built or read."""


class ConfigError(VigilError):
    """A setting that can't be used."""

    def __init__(self, file: str, key: str, *, expected: str, found: str) -> None:
        self.file, self.key, self.expected, self.found = file, key, expected, found
        super().__init__(f"{file}: {key}: expected {expected}, found {found}")


class TransportError(VigilError):
    """The service can't be reached, or refuses a request.

    ``permanent``: the same request will be refused again. ``retry_after_s``: how long the service
    asks us to wait, where it does. ``reason``: a name that may be shown to anyone, such as
    ``unreachable`` or ``http_503``.
    """

    def __init__(
        self,
        text: str,
        *,
        permanent: bool = False,
        retry_after_s: float | None = None,
        reason: str = "bad_reply",
    ) -> None:
        self.permanent, self.retry_after_s, self.reason = permanent, retry_after_s, reason
        super().__init__(text)


class NotFoundError(VigilError):
    """Something named that is not there."""


class ConflictError(VigilError):
    """Someone else changed it first."""
