"""A setting that can't be used with the others."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """A setting, by its place in the file, that can't be used with the others."""

    path: tuple[str | int, ...]
    expected: str
    found: str
