"""Is a drift still so? The effect over the newest windows since its onset.

Evidence lasts longer than its cause: a jolt of four windows leaves enough to cross the threshold,
and enough of an effect *on average since the onset*, when the newest window is healthy again. So a
page needs the newest windows to be beyond the tolerance by themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from detectors.streams import StreamKey
from vigil.types import Effect

SHARE = 4
"""The newest windows are a quarter of those since the onset ..."""
LEAST_RECORDS = 100
"""... or as many more as have so many records in the stream's slice."""

Over = Callable[[int, Sequence[StreamKey]], Mapping[StreamKey, Effect]]
"""The effects of streams from a tick on."""


def newest_effects(
    streams: Sequence[StreamKey], *, onset: int, tick: int, over: Over
) -> dict[StreamKey, Effect]:
    """The effects over the newest windows of streams with one onset.

    A stream is left out where fewer windows than all since its onset don't have enough records:
    then the effect since the onset says it all.
    """
    found: dict[StreamKey, Effect] = {}
    left = list(streams)
    for first in _starts(onset, tick):
        if not left:
            break
        seen = over(first, left)
        found |= {one: seen[one] for one in left if one in seen and _is_enough(seen[one])}
        left = [one for one in left if one not in found]
    return found


def _is_enough(effect: Effect) -> bool:
    return effect.records >= LEAST_RECORDS


def _starts(onset: int, tick: int) -> Iterator[int]:
    """The first ticks of a quarter of the windows since the onset, of a half; never of all."""
    windows = tick - onset + 1
    newest = -(-windows // SHARE)
    while newest < windows:
        yield tick - newest + 1
        newest *= 2
