"""Records of a window of which it can be seen that nobody agreed to keep them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from vigil.privacy.guard import WITHHELD
from vigil.privacy.hashing import is_hashed
from vigil.privacy.records import consenting
from vigil.privacy.rules import Policy
from vigil.windows.sample import Sample
from vigil.windows.summary import MISSING
from vigil.windows.window import Window


def with_consent(window: Window, policy: Policy) -> tuple[Window, int]:
    """The window without records that don't consent, and how many were found.

    What is not known of a record is: whether it agreed, where the consent itself may not leave the
    tap, or where it is in no sample and no cell. Such a record keeps its name, unless the window
    shows another one that did not agree: then its tap asks nobody.
    """
    if not policy.consent:
        return window, 0
    keys, cells = window.summary.layout.keys, window.summary.cells
    said = [
        _agrees({k: v for k, v in zip(keys, cell, strict=True) if v != MISSING}, keys, policy)
        for cell in cells
    ]
    sampled = {
        name: _agrees(metadata, None, policy)
        for sample in (window.sample, window.informative)
        for name, metadata in zip(sample.ids, sample.metadata, strict=True)
    }
    asks_nobody = not all(sampled.values())
    told_by_cell = all(key in keys for key in policy.consent)
    ledger = window.ledger
    prefix = f"{window.source}.{window.boot}."
    names = list(ledger.ids)
    if not names and (asks_nobody or not all(said)):
        names = [f"{prefix}{counter}" for counter in ledger.counter.tolist()]
    known = list(names)
    for row, name in enumerate(names):
        agrees = said[ledger.cell[row]]
        if agrees and asks_nobody and not told_by_cell:
            agrees = sampled.get(name, False)
        if not agrees:
            names[row] = WITHHELD
    refused = sum(before != after for before, after in zip(known, names, strict=True))
    if not refused and not asks_nobody:
        return window, 0
    in_ledger = set(known)
    refused += sum(not yes and name not in in_ledger for name, yes in sampled.items())
    return replace(
        window,
        ledger=replace(ledger, ids=tuple(names)) if len(ledger) else ledger,
        sample=_agreed(window.sample, sampled),
        informative=_agreed(window.informative, sampled),
    ), refused


def _agrees(metadata: Mapping[str, str], keys: tuple[str, ...] | None, policy: Policy) -> bool:
    """False where a consent is denied, or missing though it would be here: among ``keys`` of a
    cell, or where it may leave the tap."""
    wanted = [
        key
        for key in policy.consent
        if not is_hashed(metadata.get(key, "")) and (key in metadata or _tells(key, keys, policy))
    ]
    return bool(consenting([metadata], wanted, 1)[0])


def _tells(key: str, keys: tuple[str, ...] | None, policy: Policy) -> bool:
    may_leave = policy.metadata is None or key in policy.metadata
    return may_leave and key not in policy.hash_metadata and (keys is None or key in keys)


def _agreed(sample: Sample, agreed: Mapping[str, bool]) -> Sample:
    rows = [row for row, name in enumerate(sample.ids) if agreed[name]]
    return sample if len(rows) == len(sample) else sample.take(rows)
