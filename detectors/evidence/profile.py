"""The daily profile: what a stream's score usually does at this hour, weekdays and weekends apart.

Learned on the score less its trailing reference, so that only the part of a season is left that
the reference lags behind: ::

    profile(t) = (1 - f) c[i] + f c[i + 1]

with c the means of 24 hourly slots, centred on the half hour, f the place between two of them, and
each mean shrunk towards zero as if ``PRIOR`` windows without any deviation had been seen. With that
prior a fault of half an hour is absorbed by a few per cent, a season of weeks is followed.

Hours are those of UTC; a day of local time that is shifted by daylight saving relearns in days.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SLOTS = 24
KINDS = 2
PRIOR = 200.0
LONGEST = 1200.0
"""Windows that a slot remembers."""


def place(at: datetime) -> tuple[int, int, int, float]:
    """Kind of day, the two slots around a time, and how far it is from the first to the second."""
    hours = at.hour + at.minute / 60.0 + at.second / 3600.0 - 0.5
    first = int(np.floor(hours)) % SLOTS
    return int(at.weekday() >= 5), first, (first + 1) % SLOTS, hours - np.floor(hours)


def expected(profile: NDArray[np.float32], at: datetime | None) -> Floats:
    """The profile of each stream at a time; zeros where the time is not known.

    Args:
        profile: (n, KINDS, SLOTS).
    """
    if at is None:
        return np.zeros(len(profile))
    kind, first, second, part = place(at)
    return np.asarray((1.0 - part) * profile[:, kind, first] + part * profile[:, kind, second])


def adapt(
    profile: NDArray[np.float32],
    weight: NDArray[np.float32],
    rows: NDArray[np.int64],
    residual: Floats,
    at: datetime | None,
) -> None:
    """Take in one window of each row.

    Args:
        profile, weight: (n, KINDS, SLOTS), changed in place.
        rows: (m,); residual: (m,), the score less reference and profile.
    """
    if at is None:
        return
    kind, first, second, part = place(at)
    for slot, share in ((first, 1.0 - part), (second, part)):
        heavier = np.minimum(weight[rows, kind, slot] + share, LONGEST)
        weight[rows, kind, slot] = heavier
        profile[rows, kind, slot] += share * residual / (heavier + PRIOR)


def shares(at: Sequence[datetime]) -> Floats:
    """How much each slot has to say at each time: (T, KINDS SLOTS), rows summing to 1."""
    out = np.zeros((len(at), KINDS * SLOTS))
    for row, moment in enumerate(at):
        kind, first, second, part = place(moment)
        out[row, kind * SLOTS + first] += 1.0 - part
        out[row, kind * SLOTS + second] += part
    return out


def fitted(residual: Floats, use: Floats) -> tuple[Floats, Floats]:
    """Profiles of a whole history, (n, KINDS, SLOTS) each: means, and the windows behind them.

    Args:
        residual: (T, n), NaN where missing. use: (T, KINDS SLOTS), from ``shares``.
    """
    seen = np.isfinite(residual)
    total = np.where(seen, residual, 0.0).T @ use
    weight = seen.T.astype(np.float64) @ use
    shape = (residual.shape[1], KINDS, SLOTS)
    return (total / (weight + PRIOR)).reshape(shape), np.minimum(weight, LONGEST).reshape(shape)
