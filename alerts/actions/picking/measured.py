"""All that is known of each record before any is picked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alerts.actions.picking.drawn import drawn_by_model
from alerts.actions.picking.excess import excess_of
from alerts.actions.picking.novelty import familiarity, scaled_embeddings
from alerts.actions.picking.picked import Picked
from alerts.actions.picking.reasons import reason_for
from alerts.actions.picking.uncertainty import top_of, uncertainty_of
from vigil.windows.sample import Sample


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Measured:
    """The measures of a sample's records, row by row.

    ``points`` and ``earlier`` are embeddings in the baseline's standard deviations, ``usual`` is
    its usual distance, ``ratio`` each record's distance over it.
    """

    sample: Sample
    points: NDArray[np.float64]
    earlier: NDArray[np.float64]
    usual: float
    ratio: NDArray[np.float64]
    uncertainty: NDArray[np.float64]
    novelty: NDArray[np.float64]
    excess: NDArray[np.float64] | None
    score: NDArray[np.float64]

    @classmethod
    def of(
        cls,
        sample: Sample,
        baseline: Sample,
        *,
        drifted: Sequence[str],
        earlier: NDArray[np.float16],
    ) -> Measured:
        points, reference, scale = scaled_embeddings(sample, baseline)
        usual, ratio = familiarity(points, reference)
        uncertainty, novelty = uncertainty_of(sample), ratio / (1 + ratio)
        excess = excess_of(sample, baseline, drifted, points=points, reference=reference)
        score = np.maximum(uncertainty, novelty)
        past = np.asarray(earlier, np.float64)
        fits = past.ndim == 2 and past.shape[1] == len(scale) > 0
        return cls(
            sample=sample,
            points=points,
            earlier=past / scale if fits else np.zeros((0, points.shape[1])),
            usual=usual,
            ratio=ratio,
            uncertainty=uncertainty,
            novelty=novelty,
            excess=excess,
            score=score if excess is None else score * (1 + excess) / 2,
        )

    def picked(
        self,
        *,
        rank: int,
        row: int,
        inclusion: float | None,
        gold_label: int | None,
        class_names: Sequence[str],
    ) -> Picked:
        sample, top = self.sample, top_of(self.sample, row)
        excess = None if self.excess is None else round(float(self.excess[row]), 4)
        reason = (
            reason_for(
                top,
                uncertainty=float(self.uncertainty[row]),
                ratio=float(self.ratio[row]),
                novelty=float(self.novelty[row]),
                excess=excess,
                class_names=class_names,
            )
            if inclusion is None
            else f"drawn at random (probability {inclusion:.3g}): estimates quality without bias"
        )
        return Picked(
            rank=rank,
            row=row,
            record_id=sample.ids[row],
            reason=reason,
            score=round(float(self.score[row]), 4),
            uncertainty=round(float(self.uncertainty[row]), 4),
            novelty=round(float(self.novelty[row]), 4),
            inclusion=inclusion,
            version=sample.versions[row],
            time_s=float(sample.time_s[row]),
            prediction=int(sample.prediction[row]),
            top=top,
            metadata=dict(sample.metadata[row]),
            uri=sample.uris[row],
            excess=excess,
            gold_label=gold_label,
            boxes=_boxes(sample, row),
        )


def _boxes(sample: Sample, row: int) -> tuple[tuple[float, ...], ...]:
    if sample.objects is None:
        return ()
    return tuple(tuple(box) for box in drawn_by_model(sample.objects, row))
