"""Finds the line of a setting in a TOML file; good enough to point at it."""

from __future__ import annotations

import re

Place = tuple[str | int, ...]

_HEADER = re.compile(r"^\s*(\[\[?)\s*([^\]]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(
    r"^\s*((?:[A-Za-z0-9_-]+|\"[^\"]*\"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|\"[^\"]*\"|'[^']*'))*)\s*="
)
_PART = re.compile(r"\"[^\"]*\"|'[^']*'|[^.\s]+")


def line_of(text: str, place: Place) -> int | None:
    """The line, from 1, where the setting at ``place`` is, or the table that should have it."""
    best: tuple[int, int] | None = None
    for where, number in _places(text):
        shared = len(where)
        if where == place[:shared] and shared and (best is None or shared > best[0]):
            best = (shared, number)
    return best[1] if best else None


def _places(text: str) -> list[tuple[Place, int]]:
    """Every header and key of the file with its line. Keys inside inline tables are not found."""
    found: list[tuple[Place, int]] = []
    counts: dict[Place, int] = {}
    table: Place = ()
    for number, line in enumerate(text.splitlines(), 1):
        header = _HEADER.match(line)
        if header:
            names = _names(header.group(2))
            table = ()
            for name in names[:-1]:
                table = _inside((*table, name), counts)
            if header.group(1) == "[[":
                place: Place = (*table, names[-1])
                found.append((place, number))
                counts[place] = counts.get(place, 0) + 1
                table = _inside(place, counts)
            else:
                table = _inside((*table, names[-1]), counts)
            found.append((table, number))
            continue
        key = _KEY.match(line)
        if key:
            place = table
            for name in _names(key.group(1)):
                place = (*place, name)
                found.append((place, number))
    return found


def _inside(place: Place, counts: dict[Place, int]) -> Place:
    """The last element where ``place`` is an array of tables."""
    return (*place, counts[place] - 1) if place in counts else place


def _names(dotted: str) -> list[str]:
    return [part.strip("\"'") for part in _PART.findall(dotted)]
