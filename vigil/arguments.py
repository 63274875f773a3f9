"""What a tap is told, checked before it starts: the service would refuse its windows later."""

from __future__ import annotations

from collections.abc import Sequence

NAME_LIMIT = 200
SHORTEST_S, LONGEST_S = 0.01, 86_400.0
MOST_KEYS = 4


def name_of(what: str, value: object) -> str:
    """A name of a model, version, deployment or source, as the service takes it.

    Raises:
        ValueError: not 1 to 200 printable characters.
    """
    text = str(value)
    if value is None or not 0 < len(text) <= NAME_LIMIT or not text.isprintable():
        raise ValueError(
            f"{what}: expected 1 to {NAME_LIMIT} printable characters, found {value!r:.80}"
        )
    return text


def usable_name(text: str) -> str:
    """A name that comes with a record: cut, and ``?`` for what does not print."""
    if text.isprintable() and len(text) <= NAME_LIMIT:
        return text
    return "".join(one if one.isprintable() else "?" for one in text[:NAME_LIMIT])


def keys_of(value: object) -> tuple[str, ...]:
    """Raises:
    ValueError: not at most four names.
    """
    if isinstance(value, str) or not isinstance(value, Sequence) or len(value) > MOST_KEYS:
        raise ValueError(f"keys: expected at most four names, found {value!r:.80}")
    return tuple(map(str, value))


def seconds_of(what: str, value: object) -> float:
    """Raises:
    ValueError: not a number from 0.01 to one day.
    """
    if not isinstance(value, int | float) or not SHORTEST_S <= value <= LONGEST_S:
        raise ValueError(
            f"{what}: expected {SHORTEST_S} to {LONGEST_S:.0f} seconds, found {value!r:.80}"
        )
    return float(value)


def whole_of(what: str, value: object, *, least: int) -> int:
    """Raises:
    ValueError: not a whole number, or below ``least``.
    """
    if not isinstance(value, int) or value < least:
        raise ValueError(f"{what}: expected {least} or more, found {value!r:.80}")
    return value
