"""How far a ring was read."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mark:
    """A position in a ring, and the records before it."""

    position: int
    records: int


NOWHERE = Mark(0, 0)
