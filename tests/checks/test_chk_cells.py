"""Metadata that takes ever new values makes no more than 256 cells of a model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import small_fleet as fleet

from detectors.frame import Part
from monitor.checks.cells import capped
from vigil.measuring.summarise import summarise
from vigil.windows.summary import OTHER, Outcomes

REST = (OTHER, OTHER)


def part(cells: int, *, seed: int = 0) -> Part:
    """The cameras that the baseline knows, and so many that it does not."""
    baseline = fleet.baseline("v1")
    batch, _ = fleet.world().batch(fleet.FIRST, per=200)
    metadata = list(batch.metadata)
    for i in range(cells):
        metadata[2 * i] = {"site": "rogue", "camera": f"{seed}-{i}"}
    batch = replace(batch, metadata=tuple(metadata))
    summary, _, _ = summarise(batch, baseline.ruler, max_cells=10_000)
    names = [tuple(one[key] for key in fleet.KEYS) for one in metadata]
    right = np.ones(len(names), bool)
    outcomes = Outcomes.of(fleet.KEYS, names, right.astype(float), right)
    return Part(baseline=baseline, summary=summary, outcomes=outcomes)


def test_few_cells_stay_as_they_are():
    one = part(10)
    assert capped([one])[0] is one


def test_many_cells_are_folded_and_no_record_is_lost():
    parts = [part(300), part(300, seed=1)]
    folded = capped(parts)
    cells = {cell for one in folded for cell in one.summary.cells}
    labelled = {cell for one in folded for cell in one.outcomes.cells if one.outcomes}
    assert len(cells | labelled) == 256
    assert set(fleet.CAMERAS) | {REST} <= cells  # what the baseline knows comes first
    for before, after in zip(parts, folded, strict=True):
        for name in ("records", "counts", "moments", "classes", "embedded", "features"):
            whole, other = getattr(before.summary, name), getattr(after.summary, name)
            assert (whole.sum(axis=0) == other.sum(axis=0)).all()
        assert before.outcomes
        assert after.outcomes
        assert (before.outcomes.table.sum(axis=0) == after.outcomes.table.sum(axis=0)).all()
