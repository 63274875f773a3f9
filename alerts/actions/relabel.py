"""Which images are worth a person's time: uncertain, unfamiliar, new since the drift, unlike one
another; some at random, some whose label is known.

For each record of the sample, u is its uncertainty, v its novelty and e its part of the drift
evidence (``alerts.actions.picking``). One good reason is enough, and the drift at hand counts up to
twice: the score is ``max(u, v)``, times ``(1 + e) / 2`` where signals drifted. Near-duplicates, of
one another or of what was picked before, are left out (embeddings closer than a tenth of the
baseline's usual distance, or equal thumbnails). Then those that stand for the most of the score
among the records like them (``alerts.actions.picking.spread``), quotas of slices first.

A share is drawn uniformly, duplicates and all, and keeps its inclusion probability, so that quality
can be estimated without bias from it (Horvitz and Thompson, 1952). A share is *gold*: its label is
known, it is mixed among the others and checks the labellers.

Pure: the same sample and generator give the same picks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from alerts.actions.picking.duplicates import without_duplicates
from alerts.actions.picking.measured import Measured
from alerts.actions.picking.picked import Picked
from alerts.actions.picking.spread import spread_choice
from vigil.types import Slice
from vigil.windows.sample import Sample

__all__ = ["Earlier", "Picked", "drawable", "pick"]

_DUPLICATE = 0.1


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Earlier:
    """What was picked before: it is not chosen again, nor what looks like it."""

    ids: frozenset[str] = frozenset()
    embedding: NDArray[np.float16] = field(default_factory=lambda: np.zeros((0, 0), np.float16))


def drawable(uniform: Sample) -> dict[str, float]:
    """The records of a uniform sample that may be drawn at random, with their probability.

    Samples of several windows were cut at thresholds of their own; below the smallest of these
    every record came in with the same probability, whichever window it is from.
    """
    p = uniform.inclusion
    return {
        record_id: float(p[row])
        for row, record_id in enumerate(uniform.ids)
        if uniform.priority[row] < uniform.threshold
    }


def pick(
    sample: Sample,
    baseline: Sample,
    *,
    budget: int,
    rng: np.random.Generator,
    random_share: float = 0.1,
    class_names: Sequence[str] = (),
    drifted: Sequence[str] = (),
    quotas: Mapping[Slice, float] | None = None,
    earlier: Earlier | None = None,
    may_draw: Mapping[str, float] | None = None,
    gold: Mapping[str, int] | None = None,
    gold_share: float = 0.0,
) -> list[Picked]:
    """The best ``budget`` records of ``sample``, best first, the random ones last, gold among them.

    Args:
        sample: records of the incident's slice since its onset.
        baseline: the baseline's sample; novelty is 0.5 throughout where it has no embeddings.
        budget: at most so many.
        rng: draws the random and the gold share, and places the gold ones.
        random_share: of the budget, in [0, 1].
        class_names: for the reasons; numbers where empty.
        drifted: names of the signals that drifted.
        quotas: slices with the share of the budget that each has at least, where it has so many.
        earlier: what was picked before.
        may_draw: records that may be drawn at random, with the probability with which each came
            into the sample; None: all, with ``sample.inclusion``.
        gold: labels that are known. None of these is chosen for its score.
        gold_share: of the budget, in [0, 1].

    Raises:
        ValueError: a budget below 1, or shares outside [0, 1].
    """
    shares = (random_share, gold_share, *(quotas or {}).values())
    if budget < 1 or not all(0 <= share <= 1 for share in shares):
        raise ValueError(
            f"expected a budget of 1 or more and shares in [0, 1], found {budget}, {shares}"
        )
    if not len(sample):
        return []
    before = earlier or Earlier()
    judged = Measured.of(sample, baseline, drifted=drifted, earlier=before.embedding)
    known = gold or {}
    eligible = _eligible(sample, may_draw, known)
    alive = without_duplicates(
        sample,
        judged.points,
        judged.score,
        closer_than=_DUPLICATE * judged.usual,
        earlier=judged.earlier,
        earlier_ids=before.ids | known.keys(),
    )
    target = min(round(random_share * budget), max(len(alive) - 1, 0), len(eligible))
    drawn = np.sort(rng.choice(np.array(sorted(eligible), np.int64), size=target, replace=False))
    taken = {int(row) for row in drawn}
    golden = _drawn_gold(sample, known, round(gold_share * budget), rng, without=taken)
    pool = np.setdiff1d(alive, drawn)
    left = max(0, budget - len(drawn) - len(golden))
    wanted = [
        (_in_slice(sample, slice), min(left, round(share * budget)))
        for slice, share in (quotas or {}).items()
    ]
    chosen = spread_choice(judged.points, judged.score, pool, left, quotas=wanted)
    probability = {row: eligible[row] * len(drawn) / len(eligible) for row in taken}
    rows = [*chosen, *(int(row) for row in drawn)]
    for row in golden:
        rows.insert(int(rng.integers(0, len(rows) + 1)), row)
    return [
        judged.picked(
            rank=rank,
            row=row,
            inclusion=probability.get(row),
            gold_label=known.get(sample.ids[row]) if row in golden else None,
            class_names=class_names,
        )
        for rank, row in enumerate(rows, start=1)
    ]


def _drawn_gold(
    sample: Sample,
    gold: Mapping[str, int],
    count: int,
    rng: np.random.Generator,
    *,
    without: Set[int],
) -> list[int]:
    rows = {one: row for row, one in reversed(list(enumerate(sample.ids))) if one in gold}
    among = np.array(sorted(set(rows.values()) - without), np.int64)
    return [int(row) for row in rng.choice(among, size=min(count, len(among)), replace=False)]


def _eligible(
    sample: Sample, may_draw: Mapping[str, float] | None, gold: Mapping[str, int]
) -> dict[int, float]:
    """Row of each record that may be drawn, once, to its probability of being here."""
    first = {one: row for row, one in reversed(list(enumerate(sample.ids)))}
    if may_draw is None:
        return {row: float(sample.inclusion[row]) for one, row in first.items() if one not in gold}
    return {first[one]: p for one, p in may_draw.items() if one in first}


def _in_slice(sample: Sample, slice: Slice) -> NDArray[np.bool_]:
    return np.array(
        [
            all(metadata.get(key) == value for key, value in slice.pairs)
            for metadata in sample.metadata
        ],
        bool,
    )
