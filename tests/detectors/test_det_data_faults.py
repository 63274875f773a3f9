"""Rules about data: called beyond doubt, on the slice where they are; healthy traffic has none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from detectors.cause import CauseFacts, classify_broken
from detectors.data_faults import damaged_faults, data_faults
from detectors.hard_faults import HardFaultKind
from detectors.quiet_values import quiet_values
from vigil.quality.counts import Quality
from vigil.quality.kinds import DataFault
from vigil.types import WHOLE, Cause, Slice


def part(fleet, baseline, kind, share, *, camera=None, example=""):
    made = fleet.part(baseline)
    cells, records = made.summary.cells, made.summary.records
    place = made.summary.layout.keys.index("camera")
    counts = {
        cell: round(share * int(n))
        for cell, n in zip(cells, records, strict=True)
        if camera in (None, cell[place])
    }
    return replace(made, quality=Quality(counts={kind: counts}, examples={kind: example}))


def test_traffic_without_faults_has_none(fleet, baseline):
    assert data_faults([fleet.part(baseline)], allowed_share=0.01) == []
    assert data_faults([], allowed_share=0.01) == []


@pytest.mark.parametrize(
    ("kind", "called"),
    [
        (DataFault.IMAGE_SIZE, HardFaultKind.SCHEMA),
        (DataFault.IMAGE_CHANNELS, HardFaultKind.SCHEMA),
        (DataFault.IMAGE_RANGE, HardFaultKind.SCHEMA),
        (DataFault.CLASSES, HardFaultKind.SCHEMA),
        (DataFault.EMBEDDING_SIZE, HardFaultKind.SCHEMA),
        (DataFault.KEY_MISSING, HardFaultKind.SCHEMA),
        (DataFault.BLACK, HardFaultKind.BLANK),
        (DataFault.FROZEN, HardFaultKind.FROZEN),
        (DataFault.NEAR_DUPLICATE, None),
        (DataFault.IMAGE_TYPE, None),
        (DataFault.KEY_NEW, None),
        (DataFault.KEY_KIND, None),
        ("comet_in_frame", None),
    ],
)
def test_which_faults_are_called(fleet, baseline, kind, called):
    """Some are only shown; so is what a newer tap counts."""
    faults = data_faults([part(fleet, baseline, kind, 1.0)], allowed_share=0.01)
    assert [fault.kind for fault in faults] == ([called] if called else [])


def test_a_fault_names_its_camera_and_its_example(fleet, baseline):
    broken = part(fleet, baseline, DataFault.IMAGE_SIZE, 1.0, camera="c04", example="expected 2x2")
    (fault,) = data_faults([broken], allowed_share=0.01)
    assert fault.slice == Slice((("camera", "c04"),))
    assert "100% of the records (expected 2x2)" in fault.reason
    assert fault.signal == "image_size"
    decision = classify_broken(
        [fault], CauseFacts(findings=(), onset=None, window_s=60.0), previous_kept=False
    )
    assert decision.cause is Cause.INPUT_FAULT


def test_a_few_records_are_within_doubt(fleet, baseline):
    """One black frame a cell of some twenty is not yet surely more than one in twenty."""
    made = part(fleet, baseline, DataFault.BLACK, 0.0)
    cells = made.summary.cells
    one = replace(made, quality=Quality(counts={DataFault.BLACK: dict.fromkeys(cells, 1)}))
    assert data_faults([one], allowed_share=0.05) == []
    frozen = replace(made, quality=Quality(counts={DataFault.FROZEN: dict.fromkeys(cells, 7)}))
    assert data_faults([frozen], allowed_share=0.0) == []


def test_damaged_inputs_are_called_where_they_are_surely_many():
    assert damaged_faults({"corrupt": 4}, 10, allowed_share=0.01) == []
    assert damaged_faults({"corrupt": 5}, 10_000, allowed_share=0.01) == []
    assert damaged_faults({"queue_full": 500}, 10, allowed_share=0.01) == []
    (fault,) = damaged_faults({"truncated": 30, "corrupt": 2}, 968, allowed_share=0.01)
    assert (fault.kind, fault.signal, fault.slice) == (HardFaultKind.DAMAGED, "truncated", WHOLE)
    assert fault.reason == "30 of 1000 inputs came truncated"


STEADY = [{"c1": 5, "c2": 5, "c3": 5}] * 30


def test_a_camera_that_stops_while_others_go_on_is_quiet():
    gone = [{"c1": 5, "c3": 5}] * 5
    (quiet,) = quiet_values([*STEADY, *gone], silent=3)
    assert (quiet.value, quiet.ticks) == ("c2", 5)
    assert quiet.expected == pytest.approx(25.0)


@pytest.mark.parametrize(
    "ticks",
    [
        STEADY,
        [*STEADY, *[{"c1": 5, "c3": 5}] * 2],  # not long enough
        [*STEADY, *[{}] * 9],  # nobody goes on
        [*STEADY[:15], *[{"c1": 5, "c3": 5}] * 9],  # not known for long
        [*[{"c1": 5, "c2": 5 * (i % 2)} for i in range(40)], *[{"c1": 5}] * 9],  # comes and goes
        [*[{"c1": 50, "c2": 1}] * 40, *[{"c1": 50}] * 9],  # too few are missed
    ],
)
def test_what_is_no_silence(ticks):
    assert quiet_values(ticks, silent=3) == []


def test_a_silence_is_hardly_ever_called_by_chance():
    """Property: cameras that come by chance, each window a Poisson number of records."""
    rng = np.random.default_rng(0)
    called = 0
    for _ in range(200):
        counts = rng.poisson(rng.uniform(2.5, 6.0, 6), (64, 6))
        ticks = [{f"c{i}": int(n) for i, n in enumerate(row) if n} for row in counts]
        called += len(quiet_values(ticks, silent=3))
    assert called == 0
