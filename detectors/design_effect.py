"""How many independent records the records of some windows are worth.

Frames of one camera resemble each other, and healthy windows differ by more than chance. Both show
as variance of a stream's healthy scores beyond sampling, b, which the engine learns. With v the
sampling variance of the score of all records of T windows, were they independent ::

    deff = (v + b / T) / v               linear scores: KS distance, shares, accuracy
    deff = sqrt((T^2 v + b) / (T^2 v))   quadratic scores: chi-square over n, MMD^2, squared ECE

and the records count as ``n / deff`` in an interval. For a linear score the margin then covers the
sum of both variances; a quadratic score's sampling standard deviation falls with 1 / n, and grows
with deff itself.

*Approximate.* Windows are taken as independent of each other, and as large as those of the history
(correlated frames: with larger windows b falls; keeping it errs on the safe side). b is what
healthy traffic did: drift that also changes the correlation is not covered. When not to use it:
for streams that wander from window to window; their T is smaller than the number of windows.

Source: Kish, Survey Sampling, 1965.
"""

from __future__ import annotations

import numpy as np

from detectors.reference import Floats


def linear_design(between: Floats, noise: Floats, windows: int) -> Floats:
    """Design effects of scores whose variance falls with 1/n; at least 1.

    Args:
        between: b, elementwise, in squared units of the score.
        noise: sqrt(v), elementwise, of the score of all windows together.
        windows: T, at least 1.
    """
    return 1.0 + between / np.maximum(windows * noise**2, 1e-300)


def quadratic_design(between: Floats, noise: Floats, windows: int) -> Floats:
    """The same of scores whose standard deviation falls with 1/n."""
    return np.sqrt(1.0 + between / np.maximum((windows * noise) ** 2, 1e-300))
