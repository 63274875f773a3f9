"""What several people said of one image, as one label."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Vote:
    author: str
    label: int
    at: datetime


def decided(votes: Sequence[Vote], *, wanted: int) -> int | None:
    """The label that most people gave; between as many, the one that was given first.

    Each author counts once, with what they said last. None: fewer than ``wanted`` have voted.
    People without a name are told apart by nothing, so each of their votes is a person's.
    """
    last: dict[str, Vote] = {}
    for number, vote in enumerate(sorted(votes, key=lambda one: one.at)):
        last[vote.author or f"\0{number}"] = vote
    if len(last) < max(1, wanted):
        return None
    cast = sorted(last.values(), key=lambda one: one.at)
    counts = Counter(vote.label for vote in cast)
    most = max(counts.values())
    return next(vote.label for vote in cast if counts[vote.label] == most)
