"""Texts cut to what a medium takes, without what could steer it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")
_LIMITS = (4000, 900, 400, 150, 60, 20)


def one_line(text: str) -> str:
    return " ".join(text.split())


def clip(text: str, limit: int) -> str:
    """At most ``limit`` characters, the last an ellipsis where some were cut."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def plain(text: str) -> str:
    """On one line, without characters that do not print: they steer terminals, headers and the
    direction of reading, and half of a pair is no text at all."""
    return one_line("".join(each if each.isprintable() else " " for each in text))


def shrunk(render: Callable[[int], _T], size: Callable[[_T], int], most: int) -> _T:
    """The longest rendering that fits.

    Args:
        render: makes the whole from texts of at most so many characters each.
        size: of what it made.
        most: that the medium takes, in the same unit.
    """
    made = render(_LIMITS[0])
    for limit in _LIMITS[1:]:
        if size(made) <= most:
            break
        made = render(limit)
    return made
