"""Hard faults: plain rules that need no statistics, and do not fire on healthy traffic."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from detectors.frame import Part
from detectors.hard_faults import HardFaultKind, silence_faults, value_faults
from vigil.catalogue import SCALAR_NAMES
from vigil.measuring.summarise import summarise
from vigil.types import WHOLE, Slice

CAMERA = Slice((("camera", "c04"),))


def of_camera(batch, name="c04"):
    return np.array([m["camera"] == name for m in batch.metadata])


def broken(fleet, baseline, change) -> Part:
    batch = fleet.batch(20)
    signals, vectors = batch.signals.copy(), batch.embedding.copy()
    change(batch, signals, vectors)
    changed = replace(batch, signals=signals, embedding=vectors)
    return Part(baseline=baseline, summary=summarise(changed, baseline.ruler)[0])


def test_healthy_traffic_has_no_hard_faults(fleet, baseline):
    """Nor has an empty window, nor none at all."""
    for _ in range(20):
        assert value_faults([fleet.part(baseline)], missing_share=0.01) == []
    empty = Part(baseline=baseline, summary=fleet.summary(baseline).where([]))
    assert value_faults([empty], missing_share=0.01) == []
    assert value_faults([], missing_share=0.01) == []


def test_nan_embeddings_are_named(fleet, baseline):
    """All embeddings of all cameras are NaN."""

    def change(batch, signals, vectors):
        vectors[:] = np.nan

    faults = value_faults([broken(fleet, baseline, change)], missing_share=0.01)
    names = {(fault.kind, fault.signal, fault.slice) for fault in faults}
    assert (HardFaultKind.MISSING, "embedding", WHOLE) in names
    assert "100%" in faults[0].reason


def test_missing_values_of_one_camera_are_named_as_that_camera(fleet, baseline):
    """The slice is part of the fault."""

    def change(batch, signals, vectors):
        signals[of_camera(batch), SCALAR_NAMES.index("confidence")] = np.nan

    (fault,) = value_faults([broken(fleet, baseline, change)], missing_share=0.01)
    assert (fault.signal, fault.slice) == ("confidence", CAMERA)


def test_a_single_missing_value_is_within_doubt(fleet, baseline):
    """One of some twenty is not yet surely more than one in a hundred."""

    def change(batch, signals, vectors):
        signals[0, 0] = np.nan

    part = broken(fleet, baseline, change)
    assert value_faults([part], missing_share=0.05) == []


def test_black_frames_are_blank(fleet, baseline):
    """No contrast at all, on one camera."""

    def change(batch, signals, vectors):
        signals[of_camera(batch), :6] = [0.0, 0.0, 0.0, 0.0, 1.0, 0.0]

    faults = value_faults([broken(fleet, baseline, change)], missing_share=0.01)
    kinds = {fault.kind: fault for fault in faults}
    assert kinds[HardFaultKind.BLANK].slice == CAMERA
    assert HardFaultKind.FROZEN in kinds


def test_one_frame_again_and_again_is_frozen(fleet, baseline):
    """Same brightness, contrast and sharpness in every record."""

    def change(batch, signals, vectors):
        rows = of_camera(batch)
        signals[rows] = signals[rows][0]

    (fault,) = value_faults([broken(fleet, baseline, change)], missing_share=0.01)
    assert (fault.kind, fault.slice) == (HardFaultKind.FROZEN, CAMERA)


def test_cells_with_few_records_are_not_judged(fleet, baseline):
    """``min_records`` keeps a camera with three frames out."""
    batch = fleet.batch(1, cameras=[("s1", "c04")])
    nan = replace(batch, embedding=np.full_like(batch.embedding, np.nan))
    part = Part(baseline=baseline, summary=summarise(nan, baseline.ruler)[0])
    assert value_faults([part], missing_share=0.01, min_records=5) == []
    assert value_faults([part], missing_share=0.01) != []


@pytest.mark.parametrize(("quiet_s", "count"), [(0, 0), (179, 0), (180, 1), (9999, 1)])
def test_silence_after_so_many_windows(fleet, quiet_s, count):
    """Three windows of a minute without records."""
    now = fleet.start
    faults = silence_faults(
        {"gpu-1": now - timedelta(seconds=quiet_s), "gpu-2": now},
        now=now,
        window_s=60.0,
        silent_after_windows=3,
    )
    assert len(faults) == count
    assert all(f.kind is HardFaultKind.SILENCE and "gpu-1" in f.reason for f in faults)


def test_a_source_without_any_record_is_silent(fleet):
    """It announced itself and never sent anything."""
    (fault,) = silence_faults(
        {"gpu-1": None}, now=fleet.start, window_s=1.0, silent_after_windows=3
    )
    assert "no records ever" in fault.reason
