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
_NAMES = re.compile(r"\{\{\s*([a-z_]+)\s*\}\}")
_MARKS = re.compile(r"\[([^\]]*)\]\([^)]*\)|[*`]+")


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """``text`` is its first paragraph as plain text, for lists and timelines."""

    number: int
    text: str


def steps_in(body: str) -> tuple[Step, ...]:
    """Every step of a page whose lists are numbered through (``renumbered``)."""
    lines = body.split("\n")
    return tuple(
        Step(number=number, text=_plain(" ".join([match.group(4), *_rest(lines[place + 1 :])])))
        for number, (place, match) in enumerate(_items(lines), start=1)
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


def _rest(lines: list[str]) -> Iterator[str]:
    """The lines that go on with an item's first paragraph."""
    for line in lines:
        text = line.strip()
        if not line.startswith(" ") or not text or text.startswith(("- ", "* ", "|", "```")):
            return
        yield text


def _plain(markdown: str) -> str:
    """Without links, emphasis and code marks; what an incident would fill in stays a name."""
    text = _MARKS.sub(lambda match: match.group(1) or "", markdown)
    return _NAMES.sub(lambda match: f"({match.group(1).replace('_', ' ')})", text).strip()
