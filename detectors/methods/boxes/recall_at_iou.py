"""Loss of recall at an IoU and a score, with true boxes."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from detectors.detector import ALPHA, Exactness
from detectors.intervals import Share, difference, wilson
from detectors.methods.boxes.boxes import Boxes, Floats, concatenate
from detectors.methods.boxes.matching import match
from detectors.methods.boxes.of_images import OfImages
from detectors.methods.boxes.resampled_images import dealt
from detectors.methods.resampling import monte_carlo_p
from detectors.methods.two_sample import Found, Size
from detectors.registry import register


@register
class RecallAtIou(OfImages):
    """Share of the true boxes that are found, of the reference less of the current images.

    Statistic: ``sum_i h_i / sum_i g_i`` of the reference less that of the current images, h_i of
    the g_i true boxes of image i being matched by a detection of their class with score >= s and
    IoU >= t.

    Effect: the same, -1 to 1, positive where the model got worse; 95 % interval: Newcombe's, from
    Wilson intervals whose number of boxes is divided by the design effect (variance over images
    against that of independent boxes; where all or none are found, the mean number of boxes an
    image that a box sees), since boxes of one image are dependent; approximate.

    Test: permutation of whole images, one-sided (worse): exact for exchangeable images.

    Cost: O(pairs) to match, O(images permutations) after; 0.5 s at 5 000 images a side with 10
    boxes each and 999 permutations.

    Not for: false detections, which recall does not see (average_precision); images labelled by
    what the model found; frames of one video, which are not exchangeable: thin them first.

    Source: Lin et al., Microsoft COCO, ECCV 2014 (matching); Rao and Scott, A Simple Method for the
    Analysis of Clustered Binary Data, Biometrics, 1992; Newcombe, Statistics in Medicine, 1998.

    Details: ``reference`` and ``current``, the two recalls; ``classes`` (C,); ``by_class``, ``low``
    and ``high`` (C,): the loss of each class and its own 95 % interval, NaN where a side has no
    true box of the class.

    Args:
        alpha: false-alarm rate of the test.
        tolerance: loss that does not matter.
        iou: t.
        score: s, the threshold at which the model is used.
        permutations: dealings of the test.
        seed: of the test.

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> def sample(images, miss):
        ...     at = np.repeat(np.arange(images), 2)
        ...     corner = rng.uniform(0, 0.5, (len(at), 2))
        ...     true = np.hstack([corner, corner + 0.3])
        ...     kept = rng.random(len(at)) > miss
        ...     return Boxes(
        ...         images=images, image=at[kept], boxes=true[kept],
        ...         scores=np.full(kept.sum(), 0.8), classes=at[kept] % 2,
        ...         true_image=at, true_boxes=true, true_classes=at % 2,
        ...     )
        >>> found = RecallAtIou().compare(sample(500, 0.05), sample(500, 0.15))
        >>> print(found.outcome, round(found.effect.value, 2))
        drifted 0.1
    """

    name: ClassVar[str] = "recall_at_iou"
    exactness: ClassVar[Exactness] = Exactness.EXACT
    unit = "loss of recall"
    needs_truth = True

    def __init__(
        self,
        *,
        alpha: float = ALPHA,
        tolerance: float = 0.03,
        iou: float = 0.5,
        score: float = 0.5,
        permutations: int = 999,
        seed: int = 0,
    ) -> None:
        if not 0 < iou <= 1:
            raise ValueError(f"iou: expected a threshold in (0, 1], found {iou!r}")
        super().__init__(alpha=alpha, tolerance=tolerance)
        self.iou, self.score = iou, score
        self.permutations, self.seed = permutations, seed

    def _found(self, before: Boxes, now: Boxes) -> Found:
        m, n = len(before), len(now)
        both = match(concatenate([before, now]), np.array([self.iou]))
        kinds, kind = np.unique(both.true_kind, return_inverse=True)
        width, images = len(kinds), m + n
        good = both.hit[0] & (both.score >= self.score)
        # A matched detection has the class of its true box.
        at = both.image[good] * width + np.searchsorted(kinds, both.kind[good])
        hits = np.bincount(at, minlength=images * width).reshape(images, width).astype(np.float64)
        true = np.bincount(both.true_image * width + kind, minlength=images * width)
        true = true.reshape(images, width)
        hit_sum, true_sum = hits.sum(axis=1), true.sum(axis=1).astype(np.float64)
        whole = [
            _clustered(hit_sum[side, None], true_sum[side, None])
            for side in (slice(m), slice(m, None))
        ]
        size = Size(*(float(part[0]) for part in difference(whole[0], whole[1])))
        parts = [
            _clustered(hits[side], true[side].astype(np.float64))
            for side in (slice(m), slice(m, None))
        ]
        by_class = difference(parts[0], parts[1])
        rng = np.random.default_rng(self.seed)
        losses = []
        for groups in dealt(m, n, self.permutations, rng):
            first, first_true = groups @ hit_sum, groups @ true_sum
            losses.append(
                first / np.maximum(first_true, 1.0)
                - (hit_sum.sum() - first) / np.maximum(true_sum.sum() - first_true, 1.0)
            )
        return Found(
            size=size,
            statistic=size.value,
            p_value=monte_carlo_p(size.value, np.concatenate(losses)),
            details={
                "reference": float(whole[0][0][0]),
                "current": float(whole[1][0][0]),
                "classes": kinds,
                "by_class": by_class[0],
                "low": by_class[1],
                "high": by_class[2],
            },
        )


def _clustered(hits: Floats, true: Floats) -> Share:
    """Share and Wilson's interval, (C,), of (images, C) hits in true boxes; images are clusters."""
    images, total = len(true), true.sum(axis=0)
    safe = np.maximum(total, 1.0)
    share = hits.sum(axis=0) / safe
    variance = ((hits - share * true) ** 2).sum(axis=0) / safe**2
    variance = variance * images / max(images - 1, 1)
    plain = share * (1.0 - share) / safe
    # With no spread to see, boxes of one image count as one.
    worst = (true**2).sum(axis=0) / safe
    seen = (plain > 0) & (images > 1)
    effect = np.where(seen, np.maximum(variance / np.where(plain > 0, plain, 1.0), 1.0), worst)
    size = total / np.maximum(effect, 1.0)
    low, high = wilson(share * size, size)
    missing = np.where(total > 0, 0.0, np.nan)
    return share + missing, low + missing, high + missing
