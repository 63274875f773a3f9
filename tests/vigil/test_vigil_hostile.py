"""Bytes that were made to do harm end as one clear error, and what a service can't read or name
does not stop the windows behind it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from vigil_records import a_batch, a_ruler

from vigil import wire
from vigil.baseline import Baseline
from vigil.batch import make_batch
from vigil.errors import WireError
from vigil.recorder import Recorder
from vigil.ruler import Ruler
from vigil.sample import Sample
from vigil.shipping.shipper import Shipper
from vigil.shipping.spool import Entry, MemorySpool
from vigil.shipping.transport import MemoryTransport, Receipt
from vigil.summary import Summary
from vigil.types import ModelRef


def a_baseline() -> Baseline:
    ruler = a_ruler("v1")
    return Baseline(
        model=ruler.model,
        dataset="by hand",
        created_at=datetime(2026, 11, 1, tzinfo=UTC),
        ruler=ruler,
        reference=Summary.empty(ruler.layout),
        outcomes=None,
        healthy_scores={},
        sample=Sample.empty(),
    )


def rewritten(blob: bytes, **changes: Any) -> bytes:
    """The same arrays under another header; None takes the name out."""
    header, arrays = wire.unpack(blob)
    header = {k: v for k, v in {**header, **changes}.items() if v is not None}
    return wire.pack(header, arrays)


@pytest.mark.parametrize(
    "changes",
    [
        {"format": None},
        {"format": "x"},
        {"model": 5},
        {"model": {"name": "a"}},
        {"layout": None},
        {"layout": {"keys": 1}},
        {"generic": None},
    ],
)
def test_ruler_with_a_broken_header_is_a_wire_error(changes):
    with pytest.raises(WireError):
        Ruler.from_bytes(rewritten(a_ruler("v1").to_bytes(), **changes))


def test_ruler_whose_arrays_do_not_fit_is_a_wire_error():
    header, arrays = wire.unpack(a_ruler("v1").to_bytes())
    for name in ("edges", "center", "scale"):
        with pytest.raises(WireError, match=name):
            Ruler.from_bytes(wire.pack(header, {**arrays, name: np.zeros(2)}))


@pytest.mark.parametrize(
    "changes",
    [
        {"format": None},
        {"format": "x"},
        {"outcomes": {"keys": 1}},
        {"model": 5},
        {"created_s": "x"},
        {"created_s": 1e300},
        {"class_names": 5},
        {"healthy": ["a", "b"]},
        {"sample": None},
        {"sha256": None},
    ],
)
def test_baseline_with_a_broken_header_is_a_wire_error(changes):
    with pytest.raises(WireError):
        Baseline.from_bytes(rewritten(a_baseline().to_bytes(), **changes))


def test_baseline_with_the_ruler_of_another_model_is_refused():
    other = replace(a_baseline(), model=ModelRef(name="other", version="v1"), sha256="")
    with pytest.raises(WireError, match="baseline of other@v1/production: its ruler is of"):
        Baseline.from_bytes(other.to_bytes())


def test_baseline_that_was_not_measured_with_its_ruler_is_refused():
    base = a_baseline()
    fewer = replace(base.ruler.layout, classes=1)
    other = replace(base, reference=Summary.empty(fewer), sha256="")
    with pytest.raises(WireError, match="not measured with its ruler"):
        Baseline.from_bytes(other.to_bytes())


class _CantRead(MemoryTransport):
    """A service that can't read the second window, as an older one can't read a newer tap's."""

    def send(self, blobs: Sequence[bytes]) -> list[Receipt]:
        receipts = super().send(blobs)
        return [
            Receipt(source="", boot="", sequence=-1, status="rejected", reason="malformed")
            if receipt.sequence == 1
            else receipt
            for receipt in receipts
        ]


def test_window_that_the_service_can_not_read_does_not_wait_for_ever():
    """Its receipt names no window; it goes by its place, is set aside, and the rest moves on."""
    recorder = Recorder(
        model="reader",
        deployment="production",
        source="src",
        boot="boot",
        keys=("site", "camera"),
        window_s=60.0,
        rulers=a_ruler,
    )
    made = [
        window
        for i in range(3)
        for window in recorder.add(a_batch(2, first=2 * i, time_s=1_700_000_040.0 + 60 * i))
    ] + recorder.close()
    spool = MemorySpool()
    for i, window in enumerate(made):
        spool.put(Entry(i, "window", window.boot, window.sequence, 2), window.to_bytes())
    shipper = Shipper(spool, _CantRead(), rng=random.Random(1))
    assert shipper.step(0.0)
    assert spool.entries() == []
    assert shipper.counts == {"accepted": 2, "rejected": 1}
    assert spool.counts["rejected"] == 1


def test_ids_and_addresses_beyond_what_is_kept_are_cut_or_left_out():
    """One absurd text must not cost the window that it is in."""
    batch = make_batch(
        ids=["x" * 10_000, "a\0b"],
        counter=np.arange(2, dtype=np.uint64),
        custom_ids=True,
        time_s=1.0,
        version="v1",
        uris=["s3://" + "y" * 10_000, "s3://b/k"],
    )
    assert batch.ids == ("x" * 200, "a?b")
    assert batch.uris == ("", "s3://b/k")
