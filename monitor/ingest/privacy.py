"""What a window carries beyond its model's privacy is taken out before anything of it is stored.

Taps keep to the policy themselves. One that is old, or was told otherwise by hand, does not: its
windows come out as those of a tap that does, as far as can be seen from here. Nothing is refused,
and no inference is lost: a sum stays, and only what names a record, or shows it, is left out.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from enum import StrEnum
from typing import Any

import numpy as np

from monitor.ingest.consent import with_consent
from vigil.privacy.hashing import is_hashed
from vigil.privacy.rules import NO_POLICY, Policy, Treatment
from vigil.quality.counts import Quality
from vigil.quality.kinds import DataFault
from vigil.signals.images import THUMBNAIL_SIDE, make_thumbnails
from vigil.windows.sample import Sample
from vigil.windows.summary import MISSING, OTHER, SUMMED, Summary
from vigil.windows.window import Window


class Withheld(StrEnum):
    """Why something of a window is not stored."""

    CONSENT = "consent"
    IDS = "ids"
    URIS = "uris"
    TRACES = "trace_ids"
    METADATA = "metadata"
    PIXELS = "pixels"


def within_policy(window: Window, policy: Policy) -> tuple[Window, Counter[Withheld]]:
    """A window as it may be stored, and how many values were taken out of it, by reason.

    * Records of which it can be seen that they don't consent leave the samples, and lose their
      names in the ledger.
    * An id that should be a hash becomes ``source.boot.counter``, which says nothing of the
      record: sample, ledger and label queue still mean the same record by it.
    * Metadata that may not be kept, or should be hashes, are taken for missing; cells that are
      then alike are added up. URIs, trace ids and pixels are left out.

    Args:
        window: one that passed ``monitor.ingest.cleaning.judge``.
    """
    counts: Counter[Withheld] = Counter()
    if policy == NO_POLICY:
        return window, counts
    window, refused = with_consent(window, policy)
    counts[Withheld.CONSENT] += refused
    if policy.ids == "hash":
        window = _names(window, counts)
    window = replace(
        window,
        sample=_sample(window.sample, policy, counts),
        informative=_sample(window.informative, policy, counts),
        quality=_examples(window.quality, policy),
    )
    return _cells(window, policy, counts), +counts


def may_keep(key: str, value: str, policy: Policy) -> bool:
    """Whether a value of the metadata may be stored as it is."""
    if policy.metadata is not None and key not in policy.metadata:
        return False
    return key not in policy.hash_metadata or not value or is_hashed(value)


def _names(window: Window, counts: Counter[Withheld]) -> Window:
    prefix = f"{window.source}.{window.boot}."
    ledger = window.ledger
    own: dict[str, str] = {}
    ids = list(ledger.ids)
    for row, name in enumerate(ids):
        if _is_raw(name, prefix):
            ids[row] = f"{prefix}{ledger.counter[row]}"
            own.setdefault(name, ids[row])
            counts[Withheld.IDS] += 1
    if own:
        made = [f"{prefix}{counter}" for counter in ledger.counter.tolist()]
        ledger = replace(ledger, ids=() if ids == made else tuple(ids))
    for sample in (window.sample, window.informative):
        for name in sample.ids:
            if _is_raw(name, prefix) and name not in own:
                # In no ledger: any name will do that is nobody's.
                own[name] = f"{prefix}{window.sequence}~{len(own)}"
                counts[Withheld.IDS] += 1
    if not own:
        return window
    return replace(
        window,
        ledger=ledger,
        sample=_renamed(window.sample, own),
        informative=_renamed(window.informative, own),
    )


def _is_raw(name: str, prefix: str) -> bool:
    return bool(name) and not name.startswith(prefix) and not is_hashed(name)


def _renamed(sample: Sample, names: dict[str, str]) -> Sample:
    return replace(sample, ids=tuple([names.get(one, one) for one in sample.ids]))


def _sample(sample: Sample, policy: Policy, counts: Counter[Withheld]) -> Sample:
    if not len(sample):
        return sample
    changed: dict[str, Any] = {
        "uris": _treated(sample.uris, policy.uris, Withheld.URIS, counts),
        "trace_ids": _treated(sample.trace_ids, policy.trace_ids, Withheld.TRACES, counts),
        "metadata": tuple([_metadata(one, policy, counts) for one in sample.metadata]),
    }
    if policy.pixels != "full" and any(sample.pictures):
        counts[Withheld.PIXELS] += sum(map(bool, sample.pictures))
        changed["pictures"] = ()
    if sample.has_thumbnails and policy.pixels == "none":
        counts[Withheld.PIXELS] += len(sample)
        changed["thumbnails"] = sample.thumbnails[:, :0, :0]
    elif max(sample.thumbnails.shape[1:3]) > THUMBNAIL_SIDE and policy.pixels == "thumbnails":
        counts[Withheld.PIXELS] += len(sample)
        changed["thumbnails"] = make_thumbnails(sample.thumbnails)
    return replace(sample, **changed)


def _treated(
    texts: tuple[str, ...], how: Treatment, reason: Withheld, counts: Counter[Withheld]
) -> tuple[str, ...]:
    if how == "keep":
        return texts
    kept = tuple([one if how == "hash" and is_hashed(one) else "" for one in texts])
    counts[reason] += sum(before != after for before, after in zip(texts, kept, strict=True))
    return kept


def _metadata(row: dict[str, str], policy: Policy, counts: Counter[Withheld]) -> dict[str, str]:
    kept = {key: value for key, value in row.items() if may_keep(key, value, policy)}
    counts[Withheld.METADATA] += len(row) - len(kept)
    return kept


def _cells(window: Window, policy: Policy, counts: Counter[Withheld]) -> Window:
    keys, before = window.summary.layout.keys, window.summary.cells
    after = [
        tuple(
            value if value in (MISSING, OTHER) or may_keep(key, value, policy) else MISSING
            for key, value in zip(keys, cell, strict=True)
        )
        for cell in before
    ]
    changed = sum(old != new for old, new in zip(before, after, strict=True))
    if not changed:
        return window
    counts[Withheld.METADATA] += changed
    where = {cell: row for row, cell in enumerate(dict.fromkeys(after))}
    rows = np.array([where[cell] for cell in after], np.int64)
    summary = Summary.empty(window.summary.layout, tuple(where))
    for name in SUMMED:
        np.add.at(getattr(summary, name), rows, getattr(window.summary, name))
    moved = dict(zip(before, after, strict=True))
    return replace(
        window,
        summary=summary,
        ledger=replace(window.ledger, cell=rows[window.ledger.cell].astype(np.uint16)),
        quality=Quality.sum(
            Quality(counts={kind: {moved[cell]: n}}, examples=window.quality.examples)
            for kind, by_cell in window.quality.counts.items()
            for cell, n in by_cell.items()
        ),
    )


def _examples(quality: Quality, policy: Policy) -> Quality:
    """An example of new keys names them: only where they may be known."""
    example = quality.examples.get(DataFault.KEY_NEW, "")
    if policy.metadata is None or not example:
        return quality
    named = example.rpartition("found ")[2].split(", ")
    if all(name in policy.metadata for name in named):
        return quality
    kept = {kind: text for kind, text in quality.examples.items() if kind != DataFault.KEY_NEW}
    return replace(quality, examples=kept)
