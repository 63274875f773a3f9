"""Score bank: fixed scalar scores of every embedding, for the exact evidence of scalars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.scores import ScoreBatch
from detectors.streams import StreamKey
from vigil.errors import ShapeError
from vigil.types import WHOLE, Slice

Floats = NDArray[np.float64]

COMPONENTS = 8
FEWEST_OF_CLASS = 5


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ScoreBank:
    """S scalar scores of an embedding, fixed by a baseline before anything is judged.

    * ``component_1`` ...: leading whitened principal components;
    * ``mahalanobis``: root mean square of all kept whitened components (at most 64);
    * ``nearest_centroid``: distance to the nearest class mean in units of the pooled spread within
      classes (only with labels or predictions);
    * ``output_1`` ...: the softmax outputs (only where given).

    Being fixed functions of one record, they keep exchangeable records exchangeable: their ranks
    and windows go through the engine as any scalar's, with its guarantee. How good the fit is
    changes the power, never the false-alarm rate.

    **When not to use it.** A change that moves none of the scores is not seen; the mean embedding's
    statistics see small shifts in many directions better. Every score is a stream of its own, and
    streams share the budget.

    Source: Rabanser, Gunnemann and Lipton, Failing Loudly, NeurIPS 2019 (black-box shift detection
    on outputs); Lee et al., A Simple Unified Framework for Detecting Out-of-Distribution Samples,
    NeurIPS 2018.

    Attributes:
        names: (S,).
        reference: (S, q) sorted values of the baseline, evenly spaced quantiles.
        reference_records: how many records they were taken from.
    """

    names: tuple[str, ...]
    mean: Floats
    whitening: Floats
    leading: int
    centroids: Floats
    spread: float
    outputs: int
    reference: Floats
    reference_records: int

    def scores(
        self,
        embeddings: NDArray[np.floating[Any]],
        probabilities: NDArray[np.floating[Any]] | None = None,
    ) -> Floats:
        """(n, d) embeddings and, where the baseline had them, (n, K) outputs to (n, S) scores; NaN
        where an embedding or an output is not finite.

        Raises:
            ShapeError: other widths than the baseline's, or outputs missing.
        """
        x, outputs = np.asarray(embeddings, np.float64), _outputs(probabilities, len(embeddings))
        if x.ndim != 2 or x.shape[1] != len(self.mean) or outputs.shape[1] != self.outputs:
            raise ShapeError(
                "embeddings",
                expected=f"(n, {len(self.mean)}) with {self.outputs} outputs",
                found=f"{x.shape} with {outputs.shape[1]}",
            )
        return _measure(
            x, outputs, self.mean, self.whitening, self.leading, self.centroids, self.spread
        )

    def window(self, scores: Floats) -> tuple[Floats, Floats, NDArray[np.int64]]:
        """A window's (n, S) scores as mean rank less a half, its noise, and records, (S,) each.

        The rank of a value is the share of the baseline below it, ties half; with n independent
        records its mean varies by ``sqrt((1 / n + 1 / N) / 12)``.
        """
        s = len(self.names)
        score, records = np.zeros(s), np.zeros(s, np.int64)
        for column in range(s):
            values = scores[:, column]
            values = values[np.isfinite(values)]
            known = self.reference[column]
            below = np.searchsorted(known, values, side="left")
            upto = np.searchsorted(known, values, side="right")
            records[column] = len(values)
            if len(values):
                score[column] = float((below + upto).mean()) / (2.0 * len(known)) - 0.5
        size = np.maximum(records, 1)
        return score, np.sqrt((1.0 / size + 1.0 / self.reference_records) / 12.0), records

    def batch(
        self,
        windows: Sequence[tuple[Slice, Floats]],
        *,
        model: str,
        deployment: str,
        prefix: str = "embedding_bank.",
    ) -> ScoreBatch:
        """One tick for the engine: (n, S) scores of the records of each slice.

        Slices without usable records of a score have no stream in this tick.
        """
        streams: list[StreamKey] = []
        score, noise, records = [], [], []
        for piece, values in windows:
            found = self.window(values)
            for i, name in enumerate(self.names):
                if found[2][i]:
                    streams.append(StreamKey(model, deployment, piece, prefix + name))
                    score.append(found[0][i])
                    noise.append(found[1][i])
                    records.append(found[2][i])
        at, spread = np.array(score), np.array(noise)
        return ScoreBatch(
            streams=tuple(streams),
            score=at,
            noise=spread,
            records=np.array(records, np.int64),
            novel=np.zeros(len(at), bool),
            open_score=at,
            open_noise=spread,
            healthy={},
        )

    def whole(self, scores: Floats, *, model: str, deployment: str) -> ScoreBatch:
        """One tick of the whole model's records."""
        return self.batch([(WHOLE, scores)], model=model, deployment=deployment)


def fit_bank(
    embeddings: NDArray[np.floating[Any]],
    *,
    classes: NDArray[np.integer[Any]] | None = None,
    probabilities: NDArray[np.floating[Any]] | None = None,
    components: int = COMPONENTS,
    quantiles: int = 1024,
) -> ScoreBank:
    """A bank from the baseline.

    Args:
        embeddings: (n, d); rows that are not finite are left out.
        classes: (n,) labels or predictions; negative: not known.
        probabilities: (n, K).
        components: how many leading components are scores of their own.
        quantiles: how many are kept of each score.

    Raises:
        ShapeError: fewer than 10 finite rows, or lengths that differ.
    """
    x = np.asarray(embeddings, np.float64)
    if x.ndim != 2:
        raise ShapeError("embeddings", expected="(n, d)", found=str(x.shape))
    outputs = _outputs(probabilities, len(x))
    labels = np.full(len(x), -1) if classes is None else np.asarray(classes)
    if outputs.shape[0] != len(x) or labels.shape != (len(x),):
        raise ShapeError(
            "classes and probabilities",
            expected=f"{len(x)} rows",
            found=f"{labels.shape} and {outputs.shape}",
        )
    usable = np.isfinite(x).all(axis=1) & np.isfinite(outputs).all(axis=1)
    x, outputs, labels = x[usable], outputs[usable], labels[usable]
    if len(x) < 10:
        raise ShapeError("embeddings", expected="at least 10 finite rows", found=str(len(x)))
    mean = x.mean(axis=0)
    values, axes = np.linalg.eigh((x - mean).T @ (x - mean) / (len(x) - 1))
    values, axes = values[::-1][:64], axes[:, ::-1][:, :64]
    use = values > 1e-8 * max(float(values[0]), 1e-300)
    whitening = (axes[:, use] / np.sqrt(values[use])).T
    kinds = [k for k in np.unique(labels) if k >= 0 and (labels == k).sum() >= FEWEST_OF_CLASS]
    centroids = np.array([x[labels == k].mean(axis=0) for k in kinds]).reshape(-1, x.shape[1])
    within = [
        ((x[labels == k] - c) ** 2).sum(axis=1) for k, c in zip(kinds, centroids, strict=True)
    ]
    spread = float(np.sqrt(np.concatenate(within).mean())) if within else 1.0
    leading = min(components, len(whitening))
    names = [f"component_{i + 1}" for i in range(leading)] + ["mahalanobis"]
    names += ["nearest_centroid"] * bool(len(centroids))
    names += [f"output_{i + 1}" for i in range(outputs.shape[1])]
    spread = max(spread, 1e-300)
    scores = _measure(x, outputs, mean, whitening, leading, centroids, spread)
    at = (np.arange(quantiles) + 0.5) / quantiles
    return ScoreBank(
        names=tuple(names),
        mean=mean,
        whitening=whitening,
        leading=leading,
        centroids=centroids,
        spread=spread,
        outputs=outputs.shape[1],
        reference=np.quantile(scores, at, axis=0).T.copy(),
        reference_records=len(x),
    )


def _outputs(probabilities: NDArray[np.floating[Any]] | None, n: int) -> Floats:
    if probabilities is None:
        return np.zeros((n, 0))
    found = np.asarray(probabilities, np.float64)
    if found.ndim != 2 or len(found) != n:
        raise ShapeError("probabilities", expected=f"({n}, K)", found=str(found.shape))
    return found


def _measure(
    x: Floats,
    outputs: Floats,
    mean: Floats,
    whitening: Floats,
    leading: int,
    centroids: Floats,
    spread: float,
) -> Floats:
    usable = np.isfinite(x).all(axis=1)
    white = np.full((len(x), len(whitening)), np.nan)
    white[usable] = (x[usable] - mean) @ whitening.T
    columns = [white[:, :leading], np.sqrt((white**2).mean(axis=1))[:, None]]
    if len(centroids):
        near = np.full((len(x), 1), np.nan)
        some = x[usable] - mean
        moved = centroids - mean
        squared = (moved**2).sum(axis=1) - 2.0 * some @ moved.T
        total = squared.min(axis=1) + (some**2).sum(axis=1)
        near[usable, 0] = np.sqrt(np.maximum(total, 0.0)) / spread
        columns.append(near)
    columns.append(np.where(np.isfinite(outputs), outputs, np.nan))
    return np.concatenate(columns, axis=1)
