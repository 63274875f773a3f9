"""How detected boxes changed, without truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from detectors.detector import ALPHA, Exactness
from detectors.methods.boxes.boxes import Boxes, Floats, Ints, concatenate
from detectors.methods.boxes.of_images import OfImages
from detectors.methods.boxes.resampled_images import dealt, drawn, least_margin
from detectors.methods.resampling import monte_carlo_p
from detectors.methods.two_sample import Found, Size
from detectors.registry import register

CELLS = 64
COUNT, KINDS = "count", "class"


@register
class BoxDrift(OfImages):
    """Count, size, place, aspect, score and class of the detected boxes, each compared.

    Statistic: the largest distance of seven components. KS distance (at the 64 quantiles of both
    sides together) for boxes per image, size ``log(w h / (W H))``, place x and y (centre, as a
    share of the image), aspect ``log(w / h)`` and score; total variation for the classes' shares.

    Effect: the same, 0 to 1. 95 % interval, simultaneous over the components (Bonferroni): the
    largest estimate less, and plus, the bootstrap quantile (over images) of the largest error of
    that component; never narrower than 3 / images; approximate, rather wide.

    Test: permutation of whole images, since boxes of one image are dependent: KS distance, or
    chi-square for the classes, in each component; Holm's correction over the components. Exact for
    exchangeable images, on the safe side by the correction.

    Cost: O(images cells permutations) as matrix products; 5 s in all at
    5 000 images a side with 10 boxes each, 1999 permutations and 500 resamples.

    Not for: knowing whether the model got worse: more boxes may be a busier street. Joint changes
    that leave each component as it was (small boxes moved, large ones not). Frames of one video,
    which are not exchangeable: thin them first. Boxes below the score at which the model is used:
    set ``score``.

    Source: Smirnov, 1939; Holm, A Simple Sequentially Rejective Multiple Test Procedure,
    Scandinavian Journal of Statistics, 1979; permutation of clusters as in Good, Permutation,
    Parametric and Bootstrap Tests of Hypotheses, 2005.

    Details: ``distance``, ``low``, ``high``, ``p_value`` and ``p_holm``, each by component;
    ``largest``, the component with the largest distance. Where a side has no boxes at all, only
    their count is compared. True boxes are not used.

    Args:
        alpha: false-alarm rate over all components together.
        tolerance: distance that does not matter.
        score: boxes below it are not looked at.
        permutations: dealings of the test; raised to 14 / alpha where that is more, so that the
            corrected p-value can reach alpha.
        resamples: of the bootstrap.
        seed: of both.

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> def sample(images, scale):
        ...     at = np.repeat(np.arange(images), rng.poisson(3, images))
        ...     corner = rng.uniform(0, 0.5, (len(at), 2))
        ...     side = rng.uniform(0.1, 0.3, (len(at), 2)) * scale
        ...     return Boxes(
        ...         images=images, image=at, boxes=np.hstack([corner, corner + side]),
        ...         scores=rng.random(len(at)), classes=rng.integers(0, 3, len(at)),
        ...     )
        >>> found = BoxDrift().compare(sample(400, 1.0), sample(400, 1.4))
        >>> print(found.outcome, found.details["largest"], round(found.effect.value, 2))
        drifted size 0.54
        >>> sorted(name for name, p in found.details["p_holm"].items() if p < 0.01)
        ['place_x', 'place_y', 'size']
    """

    name: ClassVar[str] = "box_drift"
    exactness: ClassVar[Exactness] = Exactness.EXACT
    unit = "distance (KS; total variation for classes)"
    needs_truth = False

    def __init__(
        self,
        *,
        alpha: float = ALPHA,
        tolerance: float = 0.1,
        score: float = 0.0,
        permutations: int = 1999,
        resamples: int = 500,
        seed: int = 0,
    ) -> None:
        super().__init__(alpha=alpha, tolerance=tolerance)
        self.score = score
        self.permutations = max(permutations, int(np.ceil(14.0 / alpha)))
        self.resamples, self.seed = resamples, seed

    def _found(self, before: Boxes, now: Boxes) -> Found:
        m, n = len(before), len(now)
        parts = _components(concatenate([before, now]), m, self.score)
        rng = np.random.default_rng(self.seed)
        own = np.repeat([1, 0], [m, n])[None]
        distance = {p.name: float(p.distance(p.gap(own, 1 - own))[0]) for p in parts}
        p_value = self._p_values(parts, own, rng)
        margin = self._margins(parts, m, n, rng)
        low = {name: max(distance[name] - margin[name], 0.0) for name in distance}
        high = {name: min(distance[name] + margin[name], 1.0) for name in distance}
        corrected = _holm(p_value)
        largest = max(distance, key=lambda name: distance[name])
        return Found(
            size=Size(distance[largest], max(low.values()), max(high.values())),
            statistic=distance[largest],
            p_value=min(corrected.values()),
            details={
                "distance": distance,
                "low": low,
                "high": high,
                "p_value": p_value,
                "p_holm": corrected,
                "largest": largest,
            },
        )

    def _p_values(
        self, parts: list[_Component], own: Ints, rng: np.random.Generator
    ) -> dict[str, float]:
        m, n = int(own.sum()), int(len(own[0]) - own.sum())
        seen = {part.name: float(part.statistic(own, 1 - own)[0]) for part in parts}
        found: dict[str, list[Floats]] = {part.name: [] for part in parts}
        for groups in dealt(m, n, self.permutations, rng):
            for part in parts:
                found[part.name].append(part.statistic(groups, 1 - groups))
        return {
            name: monte_carlo_p(seen[name], np.concatenate(values))
            for name, values in found.items()
        }

    def _margins(
        self, parts: list[_Component], m: int, n: int, rng: np.random.Generator
    ) -> dict[str, float]:
        own = np.repeat([1, 0], [m, n])[None]
        errors: dict[str, list[Floats]] = {part.name: [] for part in parts}
        # Both sides in batches of one size.
        at_once = 1 << 22
        size = max(1, at_once // (m + n))
        sides = (
            drawn(m, self.resamples, rng, at_once=size * m),
            drawn(n, self.resamples, rng, at_once=size * n),
        )
        for first, second in zip(*sides, strict=True):
            a, b = np.pad(first, ((0, 0), (0, n))), np.pad(second, ((0, 0), (m, 0)))
            for part in parts:
                errors[part.name].append(part.distance(part.gap(a, b) - part.gap(own, 1 - own)))
        level, least = 1.0 - 0.05 / len(parts), least_margin(m, n)
        return {
            name: max(float(np.quantile(np.concatenate(values), level)), least)
            for name, values in errors.items()
        }


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Component:
    """One property: ``cells`` (images, J), how many boxes of each image lie in each cell."""

    name: str
    cells: np.ndarray

    def shares(self, groups: Ints) -> tuple[Floats, Floats]:
        """(b, J) counts and (b, 1) totals of groups (b, images)."""
        # Counts below 2^24 are exact in single precision, which is twice as fast.
        counts = (groups.astype(np.float32) @ self.cells).astype(np.float64)
        return counts, counts.sum(axis=1, keepdims=True)

    def gap(self, first: Ints, second: Ints) -> Floats:
        """(b, J): difference of the distribution functions, or of the shares of classes."""
        counts, total = self.shares(first)
        others, of = self.shares(second)
        shares: Floats = others / np.maximum(of, 1.0) - counts / np.maximum(total, 1.0)
        return shares if self.name == KINDS else shares.cumsum(axis=1)

    def distance(self, gap: Floats) -> Floats:
        """(b,): total variation of classes, else the KS distance."""
        if self.name == KINDS:
            half: Floats = np.abs(gap).sum(axis=1) / 2.0
            return half
        largest: Floats = np.abs(gap).max(axis=1)
        return largest

    def statistic(self, first: Ints, second: Ints) -> Floats:
        """(b,): chi-square of classes, else the KS distance."""
        if self.name != KINDS:
            return self.distance(self.gap(first, second))
        (a, m), (b, n) = self.shares(first), self.shares(second)
        pooled = (a + b) / np.maximum(m + n, 1.0)
        off = (b - n * pooled) ** 2 / np.where(pooled > 0, pooled, 1.0)
        value: Floats = off.sum(axis=1) * ((m + n) / np.maximum(m * n, 1.0))[:, 0]
        return value


def _components(both: Boxes, first: int, score: float) -> list[_Component]:
    keep = both.scores >= score
    image, boxes = both.image[keep], both.boxes[keep]
    counts = np.bincount(image, minlength=both.images).astype(np.float64)
    every = np.arange(both.images)
    found = [_Component(name=COUNT, cells=_cells(every, counts, both.images))]
    inside = int((image < first).sum())
    if not 0 < inside < len(image):
        return found
    width, height = both.size[image].T
    w, h = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    least = 1e-12
    values = {
        "size": np.log(np.maximum(w * h / (width * height), least)),
        "place_x": (boxes[:, 0] + boxes[:, 2]) / 2.0 / width,
        "place_y": (boxes[:, 1] + boxes[:, 3]) / 2.0 / height,
        "aspect": np.log(np.maximum(w, least * width) / np.maximum(h, least * height)),
        "score": both.scores[keep],
    }
    found += [
        _Component(name=name, cells=_cells(image, value, both.images))
        for name, value in values.items()
    ]
    kinds, code = np.unique(both.classes[keep], return_inverse=True)
    return [*found, _Component(name=KINDS, cells=_table(image, code, both.images, len(kinds)))]


def _cells(image: Ints, values: Floats, images: int) -> np.ndarray:
    edges = np.unique(np.quantile(values, np.arange(1, CELLS) / CELLS, method="higher"))
    # Right-open cells: a value that many boxes share stays in one cell.
    code = np.searchsorted(edges, values, side="right")
    return _table(image, code, images, len(edges) + 1)


def _table(image: Ints, code: Ints, images: int, cells: int) -> np.ndarray:
    counts = np.bincount(image * cells + code, minlength=images * cells)
    return counts.reshape(images, cells).astype(np.float32)


def _holm(p_value: dict[str, float]) -> dict[str, float]:
    corrected: dict[str, float] = {}
    largest = 0.0
    for rank, name in enumerate(sorted(p_value, key=lambda one: p_value[one])):
        largest = max(largest, min(1.0, (len(p_value) - rank) * p_value[name]))
        corrected[name] = largest
    return corrected
