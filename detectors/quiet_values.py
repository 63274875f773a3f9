"""A value of a metadata key, such as a camera, that stops while others go on: a plain rule."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

LEAST_TICKS = 20
USUAL_SHARE = 0.9
EXPECTED = 20.0
"""So many records are missed before a value is called quiet: at an even rate none of them would
come once in e**20 times."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Quiet:
    """``value`` was last seen ``ticks`` ticks ago; ``expected`` records were missed since."""

    value: str
    ticks: int
    expected: float


def quiet_values(ticks: Sequence[Mapping[str, int]], *, silent: int) -> list[Quiet]:
    """Values that sent records in nine of ten ticks, and in none of the last ``silent`` ones.

    Args:
        ticks: records of each value, oldest tick first. Ticks without any record say nothing of
            one value, and are left out.
        silent: at least so many ticks.
    """
    seen = [tick for tick in ticks if sum(tick.values()) > 0]
    found = []
    for value in sorted({value for tick in seen for value, n in tick.items() if n}):
        last = max(place for place, tick in enumerate(seen) if tick.get(value, 0))
        before, after = seen[: last + 1], seen[last + 1 :]
        mine = [tick.get(value, 0) for tick in before]
        first = next(place for place, n in enumerate(mine) if n)
        mine = mine[first:]
        present = sum(n > 0 for n in mine)
        if len(after) < silent or len(mine) < LEAST_TICKS or present < USUAL_SHARE * len(mine):
            continue
        share = sum(mine) / sum(sum(tick.values()) for tick in before[first:])
        others = sum(sum(tick.values()) for tick in after)
        # Of what came, the others are 1 - share; the more of them, the more of this one is missed.
        expected = math.inf if share >= 1.0 else share / (1.0 - share) * others
        if expected >= EXPECTED:
            found.append(Quiet(value=value, ticks=len(after), expected=expected))
    return found
