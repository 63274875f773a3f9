"""A class by what people call it: its name, or its number."""

from __future__ import annotations

from collections.abc import Sequence

NONE_OF_THESE = -1
"""The label of an image that shows none of the model's classes."""

NONE_CHOICE = "none of these"
"""What labellers choose for it."""

_MOST = 2**31


def class_of(said: object, class_names: Sequence[str]) -> int:
    """The class that is meant.

    Raises:
        ValueError: none is.
    """
    if isinstance(said, str):
        if said in class_names:
            return class_names.index(said)
        if said == NONE_CHOICE:
            return NONE_OF_THESE
        if said.isascii() and said.isdigit():
            said = int(said)
    known = len(class_names) or _MOST
    if isinstance(said, int) and not isinstance(said, bool) and NONE_OF_THESE <= said < known:
        return said
    classes = f"one of {len(class_names)} class names" if class_names else "a class from 0"
    raise ValueError(f"label: expected {classes} or {NONE_CHOICE!r}, found {said!r:.80}")


def name_of(label: int, class_names: Sequence[str]) -> str:
    """What people call a class."""
    if label == NONE_OF_THESE:
        return NONE_CHOICE
    return class_names[label] if 0 <= label < len(class_names) else str(label)
