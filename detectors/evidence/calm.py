"""How lively a stream is just now: a trailing scale, so that a spread that comes and goes with the
hour is no news.

With u the squared residual of a window, studentised by the scale s too, ::

    s <- s (1 + (min(u, c) / m - 1) / CALM),     m = E[min(u, c)] for a normal residual

with c = ``BACK`` while s is below one, ``ON`` from there on. A stream that had been calm is back at
its usual scale after a few windows; beyond it, the scale grows slowly, or a fault would make itself
usual within minutes (at c = 9 a lasting step of five deviations looks like one of four after four
windows).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

CALM = 60.0
"""Windows."""

BOUNDS = (0.3, 50.0)
"""A calm hour sharpens the eye, but not so far that the next usual one is news."""

BACK, ON = 9.0, 4.0
BACK_MEAN, ON_MEAN = 0.995, 0.9205


def next_scale(scale: Floats, studentised: Floats) -> Floats:
    """The scale after one more squared residual, studentised by the scale too."""
    calm = scale < 1.0
    seen = np.minimum(studentised, np.where(calm, BACK, ON))
    news = seen / np.where(calm, BACK_MEAN, ON_MEAN) - 1.0
    return np.asarray(np.clip(scale * (1.0 + news / CALM), *BOUNDS))
