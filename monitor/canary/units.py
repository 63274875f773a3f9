"""Labelled records as units of a canary: each counted once, none chosen by its looks. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from detectors.methods.labels.labelled import Floats
from monitor.canary.state import CanaryRules, Hashes
from vigil.windows.sample import unit_hash, unit_hashes

_THIN = "canary-thinning\x1f"


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelledRecord:
    """``inclusion``: the probability with which it was drawn for labelling, 1 where it was not
    picked; None where it was picked for its score."""

    record_id: str
    is_new: bool
    wrong: bool
    inclusion: float | None = 1.0


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Units:
    """``is_new`` and ``loss`` (n,) in the order of arrival; ``seen`` with these units."""

    is_new: Floats
    loss: Floats
    left_out: int
    seen: Hashes


def units_of(records: Sequence[LabelledRecord], rules: CanaryRules, seen: Hashes) -> Units:
    """What of these records counts.

    Records that were picked for their score are left out: a version that is unsure of itself would
    be picked more often. Those drawn with a known probability p are kept with probability
    ``least_inclusion / p`` (by a hash of the id), which makes all that is kept equally likely.
    Where a unit holds several records, the first label that comes speaks for it.
    """
    kept = [one for one in records if _is_kept(one, rules)]
    left_out = len(records) - len(kept)
    if rules.separator and kept:
        names = [one.record_id.partition(rules.separator)[0] for one in kept]
        hashes = (unit_hashes(names) * 2.0**53).astype(np.uint64)
        first = np.zeros(len(kept), bool)
        first[np.unique(hashes, return_index=True)[1]] = True
        fresh = first & ~np.isin(hashes, seen)
        kept = [one for one, counts in zip(kept, fresh, strict=True) if counts]
        seen = np.union1d(seen, hashes[fresh])
    return Units(
        is_new=np.array([one.is_new for one in kept], np.float64),
        loss=np.array([one.wrong for one in kept], np.float64),
        left_out=left_out,
        seen=seen,
    )


def _is_kept(one: LabelledRecord, rules: CanaryRules) -> bool:
    if one.inclusion is None:
        return False
    if not rules.least_inclusion:
        return True
    if one.inclusion < rules.least_inclusion:
        return False
    return unit_hash(_THIN + one.record_id) * one.inclusion < rules.least_inclusion
