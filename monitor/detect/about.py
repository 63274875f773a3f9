"""What a detector is and when not to trust it, from its own docstring."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass

from detectors.registry import class_of

_WORDS = ("Statistic", "Effect", "Test", "Not for", "Source")


@dataclass(frozen=True, kw_only=True, slots=True)
class About:
    """The paragraphs of a detector's docstring; empty where it has none."""

    name: str
    summary: str
    statistic: str
    effect: str
    test: str
    not_for: str
    source: str


def about(name: str) -> About:
    """Raises:
    KeyError: no such detector.
    """
    text = inspect.getdoc(class_of(name)) or ""
    paragraphs = [" ".join(one.split()) for one in re.split(r"\n\s*\n", text)]
    found = {
        word: one.removeprefix(f"{word}:").strip()
        for one in paragraphs
        for word in _WORDS
        if one.startswith(f"{word}:")
    }
    return About(
        name=name,
        summary=paragraphs[0] if paragraphs else "",
        statistic=found.get("Statistic", ""),
        effect=found.get("Effect", ""),
        test=found.get("Test", ""),
        not_for=found.get("Not for", ""),
        source=found.get("Source", ""),
    )
