"""The numbered steps of a page: top-level items of its ordered lists, counted through the page.

A number names a step for good: who ticked step 4 ticked that line. So lists do not begin at 1 anew
under each heading; where an author let them, they are renumbered.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_ITEM = re.compile(r"(\d{1,9})([.)])(\s+)(\S.*)")
_FENCE = re.compile(r"\s*(```|~~~)")
_MARKS = re.compile(r"\[([^\]]*)\]\([^)]*\)|[*`]+")


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """``text`` is its first line as plain text, for lists and timelines."""

    number: int
    text: str


def steps_in(body: str) -> tuple[Step, ...]:
    """Every step of a page whose lists are numbered through (``renumbered``)."""
    return tuple(
        Step(number=number, text=_plain(match.group(4)))
        for number, (_, match) in enumerate(_items(body.split("\n")), start=1)
    )


def renumbered(body: str) -> str:
    """The page with its top-level ordered lists counted through."""
    lines = body.split("\n")
    for number, (place, match) in enumerate(_items(lines), start=1):
        lines[place] = f"{number}{match.group(2)}{match.group(3)}{match.group(4)}"
    return "\n".join(lines)


def _items(lines: list[str]) -> Iterator[tuple[int, re.Match[str]]]:
    fenced = False
    for place, line in enumerate(lines):
        if _FENCE.match(line):
            fenced = not fenced
        elif not fenced and (match := _ITEM.fullmatch(line)):
            yield place, match


def _plain(markdown: str) -> str:
    """Without links, emphasis and code marks."""
    return _MARKS.sub(lambda match: match.group(1) or "", markdown).strip()
