"""Loss of mean average precision, with true boxes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from detectors.detector import ALPHA, Exactness
from detectors.methods.boxes.boxes import Boxes, Floats, concatenate
from detectors.methods.boxes.matching import Matches, match
from detectors.methods.boxes.of_images import OfImages
from detectors.methods.boxes.precision import average_precisions, mean_precision
from detectors.methods.boxes.resampled_images import AT_ONCE, dealt, drawn, least_margin
from detectors.methods.resampling import monte_carlo_p
from detectors.methods.two_sample import Found, Size
from detectors.registry import register

COCO = tuple(np.arange(50, 100, 5) / 100)


@register
class AveragePrecision(OfImages):
    """COCO's mean average precision (mAP) of the reference less that of the current images.

    Statistic: ``mAP_r - mAP_c`` over T IoU thresholds and the classes with true boxes; average
    precision is read at 101 recalls, boxes are matched greedily by score, at most 100 a class and
    image. Equal scores count together (COCO: in the order of images), so that the order of images
    does not matter. No crowd or ignore flags.

    Effect: the same, -1 to 1, positive where the model got worse; 95 % interval: normal, with the
    bootstrap over images on each side, never narrower than 3 / images; approximate, and least good
    below some 100 images or where a class has a handful of true boxes.

    Test: permutation of whole images, one-sided (worse): exact for exchangeable images.

    Cost: O(pairs T) to match, once; O(resamples d T) after, d detections; the point estimates take
    0.4 s, all of it 17 s at 5 000 images a side with 10 boxes each, 10 thresholds, 199 permutations
    and 200 resamples; with ``iou=(0.5,)`` 4 s.

    Not for: images labelled by what the model found (recall is then too good); fewer than some 100
    images; frames of one video, which are not exchangeable: thin them, or take one a scene; knowing
    what went wrong (recall_at_iou, box_drift).

    Source: Lin et al., Microsoft COCO: Common Objects in Context, ECCV 2014; Everingham et al., The
    Pascal Visual Object Classes Challenge, IJCV 2010.

    Details: ``reference`` and ``current``, the two mAP; ``map_50``, both at IoU 0.5 where that is a
    threshold; ``iou`` (T,); ``by_iou``, two (T,); ``classes`` (C,); ``by_class``, two (C,), NaN
    where a side has no true box of the class.

    Args:
        alpha: false-alarm rate of the test.
        tolerance: loss that does not matter.
        iou: the thresholds; mAP@0.5 alone is ``(0.5,)``.
        permutations: dealings of the test; 1 / alpha and more.
        resamples: of the bootstrap.
        seed: of both.

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> def sample(images, noise):
        ...     at = np.repeat(np.arange(images), 2)
        ...     corner = rng.uniform(0, 0.5, (len(at), 2))
        ...     true = np.hstack([corner, corner + 0.3])
        ...     found = true + np.tile(rng.normal(0, noise, (len(at), 2)), 2)
        ...     return Boxes(
        ...         images=images, image=at, boxes=found, scores=rng.random(len(at)),
        ...         classes=at % 2, true_image=at, true_boxes=true, true_classes=at % 2,
        ...     )
        >>> found = AveragePrecision().compare(sample(200, 0.01), sample(200, 0.03))
        >>> print(found.outcome, round(found.effect.value, 2), found.details["map_50"][0])
        drifted 0.4 1.0
    """

    name: ClassVar[str] = "average_precision"
    exactness: ClassVar[Exactness] = Exactness.EXACT
    unit = "loss of mean average precision"
    needs_truth = True

    def __init__(
        self,
        *,
        alpha: float = ALPHA,
        tolerance: float = 0.03,
        iou: Sequence[float] = COCO,
        permutations: int = 199,
        resamples: int = 200,
        seed: int = 0,
    ) -> None:
        super().__init__(alpha=alpha, tolerance=tolerance)
        self.iou = np.asarray(iou, dtype=np.float64)
        if self.iou.ndim != 1 or not len(self.iou) or not ((self.iou > 0) & (self.iou <= 1)).all():
            raise ValueError(f"iou: expected thresholds in (0, 1], found {iou!r}")
        self.permutations, self.resamples, self.seed = permutations, resamples, seed

    def _found(self, before: Boxes, now: Boxes) -> Found:
        m, n = len(before), len(now)
        rng = np.random.default_rng(self.seed)
        both = match(concatenate([before, now]), self.iou)
        sides = np.repeat([[1, 0], [0, 1]], [m, n], axis=0).T
        values, kinds = average_precisions(both, sides)
        by_iou = mean_precision(values)
        seen = float(by_iou[0].mean() - by_iou[1].mean())
        variance = 0.0
        for side in (both.part(0, m), both.part(m, m + n)):
            means = np.concatenate(
                [
                    self._mean(side, part)
                    for part in drawn(side.images, self.resamples, rng, at_once=_batch(side))
                ]
            )
            variance += float(np.nanvar(means, ddof=1))
        half = max(1.959964 * float(np.sqrt(variance)), least_margin(m, n))
        return Found(
            size=Size(seen, max(seen - half, -1.0), min(seen + half, 1.0)),
            statistic=seen,
            p_value=self._p_value(both, m, n, seen, rng),
            details=self._details(values, by_iou, kinds),
        )

    def _p_value(
        self, both: Matches, m: int, n: int, seen: float, rng: np.random.Generator
    ) -> float:
        losses = [
            self._mean(both, groups) - self._mean(both, 1 - groups)
            for groups in dealt(m, n, self.permutations, rng, at_once=_batch(both))
        ]
        # A dealing that leaves a side without true boxes counts against the alarm.
        return monte_carlo_p(seen, np.nan_to_num(np.concatenate(losses), nan=2.0))

    @staticmethod
    def _mean(both: Matches, weights: Any) -> Floats:
        mean: Floats = mean_precision(average_precisions(both, weights)[0]).mean(axis=1)
        return mean

    def _details(self, values: Floats, by_iou: Floats, kinds: Any) -> dict[str, Any]:
        means = by_iou.mean(axis=1)
        details: dict[str, Any] = {
            "reference": float(means[0]),
            "current": float(means[1]),
            "iou": self.iou,
            "by_iou": (by_iou[0], by_iou[1]),
            "classes": kinds,
            "by_class": tuple(values[side].mean(axis=0) for side in (0, 1)),
        }
        half = np.flatnonzero(np.isclose(self.iou, 0.5))
        if len(half):
            details["map_50"] = (float(by_iou[0, half[0]]), float(by_iou[1, half[0]]))
        return details


def _batch(both: Matches) -> int:
    """Weights of images a batch, so that those of the detections fit as well."""
    return max(1, AT_ONCE * max(both.images, 1) // max(len(both.image), both.images, 1))
