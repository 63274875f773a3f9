"""The records that show a drift most: a few of the incident's sample, for people to look at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vigil.catalogue import EMBEDDING, LOST_CLASS, PREDICTED_CLASS, base_of
from vigil.measuring.columns import sample_values
from vigil.windows.ruler import Projection
from vigil.windows.sample import Sample

MOST = 6
SHIFTED = 0.1
"""A mean that moved by fewer reference standard deviations has no direction: both tails count."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Exemplar:
    """One record. ``row`` is its place in the sample; ``value`` what was measured (the scalar, or
    the class), None for embeddings; ``contribution`` what it was ranked by, larger is more."""

    row: int
    record_id: str
    value: float | None
    contribution: float


def exemplars(
    sample: Sample,
    reference: Sample,
    signal: str,
    *,
    projection: Projection | None = None,
    most: int = MOST,
) -> tuple[Exemplar, ...]:
    """The records with the largest contribution to the drift of a signal, largest first.

    * scalars (of boxes, the mean over the record's): ``s (x - median_0) / sd_0`` with s the sign of
      the change of the mean: farthest in the tail in the direction of the drift. Where the mean
      moved by less than 0.1 sd_0, the absolute value, as always for a spread: it shows in both
      tails;
    * embedding: the projection ``(z(x) - m_0) . (m - m_0) / |m - m_0|`` on the difference of the
      means in feature space (in the embedding itself where there is no projection);
    * predicted class: records of the class whose share grew most, the most confident first, where
      probabilities are kept.

    Args:
        sample: records of the incident. Missing values are left out.
        reference: the baseline's sample. Empty: scalars have no direction, and nothing is shown.
        signal: which drift. Of outcomes and unknown signals there is nothing to show.
        projection: of the baseline's ruler.
        most: at most so many. Records of one id count once; of equals the smaller id comes first.

    *When not to use it*: as evidence. These are the extremes of a drifted sample; healthy traffic
    has extremes too.
    """
    if len(sample) == 0 or len(reference) == 0:
        return ()
    if signal == EMBEDDING.name:
        contribution, values = _embeddings(sample, reference, projection), None
    elif signal in (PREDICTED_CLASS.name, LOST_CLASS.name):
        contribution = _classes(sample, reference)
        values = sample.prediction.astype(np.float64)
    else:
        name = base_of(signal)
        now, before = sample_values(sample, name), sample_values(reference, name)
        if now is None or before is None:
            return ()
        values = now
        contribution = _scalars(values, before, both_tails=name != signal)
    rows = np.flatnonzero(np.isfinite(contribution)).tolist()
    rows.sort(key=lambda row: (-contribution[row], sample.ids[row]))
    found: dict[str, Exemplar] = {}
    for row in rows:
        if len(found) == most:
            break
        found.setdefault(
            sample.ids[row],
            Exemplar(
                row=row,
                record_id=sample.ids[row],
                value=None if values is None else float(values[row]),
                contribution=float(contribution[row]),
            ),
        )
    return tuple(found.values())


def _scalars(values: Floats, before: Floats, *, both_tails: bool) -> Floats:
    before = before[np.isfinite(before)]
    now = values[np.isfinite(values)]
    if len(before) == 0 or len(now) == 0:
        return np.full(len(values), np.nan)
    spread = max(float(before.std()), 1e-12)
    moved = float(now.mean() - before.mean()) / spread
    standard = (values - float(np.median(before))) / spread
    if both_tails or abs(moved) < SHIFTED:
        return np.abs(standard)
    return np.asarray(np.sign(moved) * standard)


def _embeddings(sample: Sample, reference: Sample, projection: Projection | None) -> Floats:
    out = np.full(len(sample), np.nan)
    if sample.embedding.shape[1] == 0 or sample.embedding.shape[1] != reference.embedding.shape[1]:
        return out
    fits = projection is not None and projection.dimension == sample.embedding.shape[1]

    def features(one: Sample) -> tuple[NDArray[np.bool_], Floats]:
        x = one.embedding.astype(np.float64)
        use: NDArray[np.bool_] = np.asarray(np.isfinite(x).all(axis=1), bool)
        z = projection.transform(x[use]) if projection is not None and fits else x[use]
        return use, np.asarray(z, np.float64)

    use, now = features(sample)
    _, before = features(reference)
    if len(now) == 0 or len(before) == 0:
        return out
    difference = now.mean(axis=0) - before.mean(axis=0)
    length = max(float(np.linalg.norm(difference)), 1e-12)
    out[use] = (now - before.mean(axis=0)) @ difference / length
    return out


def _classes(sample: Sample, reference: Sample) -> Floats:
    out = np.full(len(sample), np.nan)
    now, before = sample.prediction, reference.prediction
    if not (now >= 0).any() or not (before >= 0).any():
        return out
    classes = int(max(now.max(), before.max())) + 1
    share = np.bincount(now[now >= 0], minlength=classes) / (now >= 0).sum()
    usual = np.bincount(before[before >= 0], minlength=classes) / (before >= 0).sum()
    grew = int((share - usual).argmax())
    rows = np.flatnonzero(now == grew)
    out[rows] = 0.0
    if grew < sample.probabilities.shape[1]:
        out[rows] = np.nan_to_num(sample.probabilities[rows, grew].astype(np.float64))
    return out
