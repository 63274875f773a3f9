"""What one tick says of each stream."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.streams import StreamKey

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class StepResult:
    """One tick of N streams.

    ``z`` studentised score, ``p`` conformal p-value of the plain view (NaN: the stream was left out
    because the table is full), ``evidence`` in ticks, ``onset_tick`` the start that explains the
    scores best, ``onset_first`` and ``onset_last`` the ends of its interval (about 95 %),
    ``provisional``: the stream has no history of its own yet, ``exceeded``: evidence >= threshold.
    """

    streams: tuple[StreamKey, ...]
    z: Floats
    p: Floats
    evidence: Floats
    log_evidence: Floats
    onset_tick: NDArray[np.int64]
    onset_first: NDArray[np.int64]
    onset_last: NDArray[np.int64]
    provisional: NDArray[np.bool_]
    exceeded: NDArray[np.bool_]


def scattered(use: NDArray[np.bool_], values: NDArray[np.generic], fill: float) -> Floats:
    """Values of the streams in use, back in the order of all (N,)."""
    out = np.full(len(use), fill, values.dtype if values.dtype != bool else np.float64)
    out[use] = values
    return out
