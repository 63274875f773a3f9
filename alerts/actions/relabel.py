"""Which images are worth a person's time: uncertain, unfamiliar, unlike one another; some at
random.

For each record of the incident's sample:

* uncertainty u = entropy of the class probabilities / log K, in [0, 1];
* novelty v = r / (1 + r), r = mean distance to its 5 nearest baseline embeddings over the median of
  the same among the baseline's own records (r = 1: as familiar as training images);
* score s = max(u, v): one good reason is enough.

Near-duplicates (embeddings closer than a tenth of the baseline's usual distance, or equal
thumbnails) are left out. Then greedily: the record that maximises s * min(1, distance to those
picked / usual distance), a weighted k-centre choice (Gonzalez, 1985; Sener and Savarese, 2018). A
share is drawn uniformly and keeps its inclusion probability, so that quality can be estimated
without bias from it.

Pure: the same sample and generator give the same picks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vigil.sample import Sample

_NEIGHBOURS = 5
_DUPLICATE = 0.1

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Picked:
    """One record for a person to label.

    ``row`` is its place in the sample. ``inclusion`` is the probability with which it was drawn;
    None where it was chosen for its score. ``top`` holds the likeliest classes with their
    probabilities.
    """

    rank: int
    row: int
    record_id: str
    reason: str
    score: float
    uncertainty: float
    novelty: float
    inclusion: float | None
    version: str
    time_s: float
    prediction: int
    top: tuple[tuple[int, float], ...]
    metadata: dict[str, str]
    uri: str

    def to_json(self) -> dict[str, Any]:
        plain = asdict(self)
        plain["top"] = [list(pair) for pair in self.top]
        del plain["row"]
        return plain


def pick(
    sample: Sample,
    baseline: Sample,
    *,
    budget: int,
    rng: np.random.Generator,
    random_share: float = 0.1,
    class_names: Sequence[str] = (),
) -> list[Picked]:
    """The best ``budget`` records of ``sample``, best first, the random ones last.

    Args:
        sample: records of the incident's slice since its onset.
        baseline: the baseline's sample; novelty is 0.5 throughout where it has no embeddings.
        budget: at most so many.
        rng: draws the random share.
        random_share: of the budget, in [0, 1].
        class_names: for the reasons; numbers where empty.

    Raises:
        ValueError: a budget below 1 or a share outside [0, 1].
    """
    if budget < 1 or not 0 <= random_share <= 1:
        raise ValueError(
            f"expected a budget of 1 or more and a share in [0, 1], found {budget}, {random_share}"
        )
    if not len(sample):
        return []
    uncertainty = _uncertainty(sample)
    points, reference = _embeddings(sample, baseline)
    usual, ratio = _familiarity(points, reference)
    novelty = ratio / (1 + ratio)
    score = np.maximum(uncertainty, novelty)
    alive = _without_duplicates(sample, points, score, closer_than=_DUPLICATE * usual)
    drawn_target = min(round(random_share * budget), max(len(alive) - 1, 0))
    drawn = np.sort(rng.choice(alive, size=drawn_target, replace=False))
    pool = np.setdiff1d(alive, drawn)
    chosen = _spread(points, score, pool, budget - len(drawn), usual)
    probability = sample.inclusion * (len(drawn) / len(alive))
    rows = [(int(row), False) for row in chosen] + [(int(row), True) for row in drawn]
    picked = []
    for rank, (row, by_chance) in enumerate(rows, start=1):
        top = _top(sample, row)
        reason = (
            f"drawn at random (probability {probability[row]:.3g}): estimates quality without bias"
            if by_chance
            else _reason(top, uncertainty[row], ratio[row], novelty[row], class_names)
        )
        picked.append(
            Picked(
                rank=rank,
                row=row,
                record_id=sample.ids[row],
                reason=reason,
                score=round(float(score[row]), 4),
                uncertainty=round(float(uncertainty[row]), 4),
                novelty=round(float(novelty[row]), 4),
                inclusion=float(probability[row]) if by_chance else None,
                version=sample.versions[row],
                time_s=float(sample.time_s[row]),
                prediction=int(sample.prediction[row]),
                top=top,
                metadata=dict(sample.metadata[row]),
                uri=sample.uris[row],
            )
        )
    return picked


def _uncertainty(sample: Sample) -> Floats:
    """Entropy over log K, (n,); 0.5 where there are no probabilities."""
    p = np.asarray(sample.probabilities, np.float64)
    if p.ndim != 2 or p.shape[1] < 2:
        return np.full(len(sample), 0.5)
    known: NDArray[np.bool_] = np.asarray(np.isfinite(p).all(axis=1))
    p = np.clip(np.where(known[:, None], p, 1.0 / p.shape[1]), 1e-12, None)
    p /= p.sum(axis=1, keepdims=True)
    entropy = -(p * np.log(p)).sum(axis=1) / np.log(p.shape[1])
    return np.where(known, np.clip(entropy, 0.0, 1.0), 0.5)


def _embeddings(sample: Sample, baseline: Sample) -> tuple[Floats, Floats]:
    """Embeddings in the baseline's standard deviations, (n, d) and (m, d); d = 0 where none fit."""
    points = np.asarray(sample.embedding, np.float64)
    reference = np.asarray(baseline.embedding, np.float64)
    if points.ndim != 2 or points.shape[1] == 0:
        return np.zeros((len(sample), 0)), np.zeros((0, 0))
    if reference.ndim != 2 or reference.shape[1] != points.shape[1]:
        reference = np.zeros((0, points.shape[1]))
    reference = reference[np.isfinite(reference).all(axis=1)]
    spread = reference.std(axis=0) if len(reference) > 1 else np.ones(points.shape[1])
    scale = np.where(spread > 1e-6, spread, max(float(spread.mean()), 1e-6))
    return points / scale, reference / scale


def _familiarity(points: Floats, reference: Floats) -> tuple[float, Floats]:
    """The baseline's usual distance, and each point's distance over it; 1 where not known."""
    ratio = np.ones(len(points))
    if len(reference) <= _NEIGHBOURS or points.shape[1] == 0:
        finite = points[np.isfinite(points).all(axis=1)]
        usual = float(np.median(_distances(finite, finite))) if len(finite) > 1 else 1.0
        return usual or 1.0, ratio
    own = np.sort(_distances(reference, reference), axis=1)[:, 1 : _NEIGHBOURS + 1]
    usual = max(float(np.median(own.mean(axis=1))), 1e-9)
    known = np.isfinite(points).all(axis=1)
    near = np.sort(_distances(points[known], reference), axis=1)[:, :_NEIGHBOURS]
    ratio[known] = near.mean(axis=1) / usual
    return usual, ratio


def _distances(a: Floats, b: Floats) -> Floats:
    """Euclidean, (n, m)."""
    squared = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1)[None, :] - 2 * a @ b.T
    return np.asarray(np.sqrt(np.maximum(squared, 0.0)))


def _without_duplicates(
    sample: Sample, points: Floats, score: Floats, *, closer_than: float
) -> NDArray[np.int64]:
    """Rows to choose among, best score first: of near-duplicates only the best."""
    kept: list[int] = []
    ids: set[str] = set()
    pictures: set[bytes] = set()
    for row in np.argsort(-score, kind="stable"):
        picture = sample.thumbnails[row].tobytes() if sample.has_thumbnails else b""
        if sample.ids[row] in ids or (picture and picture in pictures):
            continue
        if kept and points.shape[1] and np.isfinite(points[row]).all():
            gaps = np.linalg.norm(points[kept] - points[row], axis=1)
            if np.nanmin(gaps, initial=np.inf) < closer_than:
                continue
        kept.append(int(row))
        ids.add(sample.ids[row])
        pictures.add(picture)
    return np.array(kept, np.int64)


def _spread(
    points: Floats, score: Floats, pool: NDArray[np.int64], count: int, usual: float
) -> list[int]:
    """Greedy: score times the distance to what was picked, in usual distances, at most 1."""
    gap = np.full(len(pool), np.inf)
    left = np.ones(len(pool), bool)
    chosen: list[int] = []
    for _ in range(min(count, len(pool))):
        worth = np.where(left, score[pool] * np.minimum(1.0, gap / usual), -1.0)
        best = int(np.argmax(worth))
        left[best] = False
        chosen.append(int(pool[best]))
        if points.shape[1]:
            distance = np.linalg.norm(points[pool] - points[pool[best]], axis=1)
            gap = np.fmin(gap, np.where(np.isfinite(distance), distance, np.inf))
    return chosen


def _top(sample: Sample, row: int, count: int = 3) -> tuple[tuple[int, float], ...]:
    p = np.asarray(sample.probabilities[row], np.float64)
    if p.size == 0 or not np.isfinite(p).all():
        return ()
    order = np.argsort(-p, kind="stable")[:count]
    return tuple((int(one), round(float(p[one]), 3)) for one in order)


def _reason(
    top: tuple[tuple[int, float], ...],
    uncertainty: float,
    ratio: float,
    novelty: float,
    class_names: Sequence[str],
) -> str:
    parts = []
    if novelty > 0.5 and ratio >= 1.5:
        parts.append(f"unfamiliar: {ratio:.1f} times as far from the training images as usual")
    if uncertainty >= 0.3 and len(top) >= 2:
        told = [
            f"{class_names[one] if one < len(class_names) else one} at {p:.2f}"
            for one, p in top[:2]
        ]
        parts.append(f"uncertain: {told[0]}, {told[1]}")
    if novelty >= uncertainty:
        return "; ".join(parts) or "unlike the others picked"
    return "; ".join(reversed(parts)) or "unlike the others picked"
