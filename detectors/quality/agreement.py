"""How far labellers agree, beyond what chance would make.

* Cohen's kappa of two labellers on the n images that both labelled: ``(po - pe) / (1 - pe)``, po
  the share on which they agree, pe what their own class frequencies would give.
* Krippendorff's alpha (nominal) of any number of labellers with gaps: ``1 - Do / De``, Do the
  disagreement inside images, De that between any two labels. 1 is perfect, 0 is chance; 0.8 is
  usually asked for, 0.67 the least for tentative conclusions.

The interval of alpha is the percentile bootstrap over images (approximate; few images make it too
narrow). *When not to use them.* Where nearly all labels are one class, both are near 0 although
people agree: look at the share of agreement too. They say nothing of being right: gold items do.

Source: Cohen, A Coefficient of Agreement for Nominal Scales, 1960; Krippendorff, Content Analysis,
2004, chapter 11.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vigil.errors import ShapeError

Ints = NDArray[np.int64]
DRAWS = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class Agreement:
    """``value`` is None where everything was one class, and agreement can't be told from chance.

    ``agreed``: share of pairs of labels of one image that are equal. ``low`` and ``high``: 95 %,
    None where it was not asked for.
    """

    value: float | None
    agreed: float
    images: int
    low: float | None = None
    high: float | None = None


def cohen_kappa(first: ArrayLike, second: ArrayLike) -> Agreement:
    """Of two labellers' (n,) labels of the same images, n >= 1.

    Raises:
        ShapeError: not the same images, or none.

    Example:
        >>> found = cohen_kappa([0, 0, 1, 1, 1], [0, 1, 1, 1, 1])
        >>> print(round(found.value, 3), found.agreed)
        0.545 0.8
    """
    one, other = np.asarray(first, np.int64), np.asarray(second, np.int64)
    if one.shape != other.shape or one.ndim != 1 or not len(one):
        raise ShapeError("second", expected=f"{one.shape}, at least 1", found=str(other.shape))
    kinds = np.union1d(one, other)
    shares = [np.array([(each == kind).mean() for kind in kinds]) for each in (one, other)]
    agreed, chance = float((one == other).mean()), float(shares[0] @ shares[1])
    value = None if chance >= 1.0 else (agreed - chance) / (1.0 - chance)
    return Agreement(value=value, agreed=agreed, images=len(one))


def krippendorff_alpha(
    images: Sequence[Sequence[int]], *, rng: np.random.Generator | None = None
) -> Agreement | None:
    """Nominal alpha of the labels of each image; those with fewer than two are left out.

    Args:
        images: the labels that each image got, in any order.
        rng: draws the bootstrap; without it there is no interval.

    Returns:
        None where no image has two labels.

    Example:
        >>> found = krippendorff_alpha([[0, 0], [1, 1], [1, 0], [1]])
        >>> print(round(found.value, 3), found.images)
        0.444 3
    """
    several = [labels for labels in images if len(labels) > 1]
    if not several:
        return None
    kinds = {kind: k for k, kind in enumerate(sorted({one for each in several for one in each}))}
    counts = np.zeros((len(several), len(kinds)), np.int64)
    for row, labels in enumerate(several):
        for one in labels:
            counts[row, kinds[one]] += 1
    ones = np.ones((1, len(several)), np.int64)
    value = float(_alpha(counts, ones)[0])
    low = high = None
    if rng is not None and np.isfinite(value):
        drawn = rng.multinomial(len(several), np.full(len(several), 1 / len(several)), size=DRAWS)
        values = _alpha(counts, drawn.astype(np.int64))
        values = values[np.isfinite(values)]
        if len(values):
            low, high = (float(one) for one in np.quantile(values, (0.025, 0.975)))
    pairs = counts.sum(axis=1) * (counts.sum(axis=1) - 1)
    agreed = float((counts * (counts - 1)).sum() / pairs.sum())
    return Agreement(
        value=value if np.isfinite(value) else None,
        agreed=agreed,
        images=len(several),
        low=low,
        high=high,
    )


def _alpha(counts: Ints, times: Ints) -> NDArray[np.float64]:
    """Alpha of each of (b, images) resamplings; NaN where only one class is there."""
    labels = counts.sum(axis=1)
    inside = (counts * (labels[:, None] - counts)).sum(axis=1) / (labels - 1)
    each = times @ counts
    n = each.sum(axis=1).astype(np.float64)
    between = (n**2 - (each.astype(np.float64) ** 2).sum(axis=1)) / (n - 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        alpha: NDArray[np.float64] = np.where(between > 0, 1.0 - (times @ inside) / between, np.nan)
    return alpha
