"""Bytes that were made to do harm end as one clear error, and what a service can't read or name
does not stop the windows behind it."""

from __future__ import annotations

import contextlib
import random
import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from vigil_records import a_ruler, windows

from vigil import Tap
from vigil.clock import ManualClock
from vigil.errors import ShapeError, TransportError, WireError
from vigil.measuring.batch import make_batch
from vigil.shipping.shipper import Shipper
from vigil.shipping.spool import Entry, MemorySpool
from vigil.shipping.transport import HttpTransport, MemoryTransport, Receipt, retry_after
from vigil.types import ModelRef
from vigil.values.arrays import as_numpy
from vigil.windows import wire
from vigil.windows.baseline import Baseline
from vigil.windows.ruler import Ruler
from vigil.windows.sample import Sample
from vigil.windows.summary import Summary


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
    made = windows(3)
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


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("model", ""),
        ("model", "a\0b"),
        ("version", "v\n1"),
        ("deployment", "x" * 201),
        ("source", "\ud800"),
        ("keys", None),
        ("keys", 5),
        ("window_s", float("inf")),
        ("window_s", float("nan")),
        ("window_s", 1e-9),
        ("window_s", "60"),
        ("sample_size", -1),
        ("sample_size", 1.5),
        ("queue_records", 0),
        ("queue_bytes", "1 GB"),
        ("service", "http://a b"),
        ("service", "http://127.0.0.1:99999"),
    ],
)
def test_a_tap_that_could_never_deliver_is_refused_at_once(argument, value):
    """Its windows would all be refused, later and somewhere else."""
    transport = None if argument == "service" else MemoryTransport()
    with pytest.raises(ValueError, match=f"{argument}: |Port"):
        Tap(**{"model": "m", "version": "v1", "transport": transport, argument: value})


class _Claims:
    """Says that it holds more than there is."""

    def __init__(self, n: int) -> None:
        self.shape = (n,)


@pytest.mark.parametrize("n", [10**12, -5])
def test_an_argument_that_lies_about_its_length_costs_nothing(n):
    """A million million ids would take the host's memory; nothing that large could be queued."""
    with Tap("m", "v1", transport=MemoryTransport()) as tap:
        started = time.monotonic()
        assert tap.record(embeddings=_Claims(n)) == []
        assert time.monotonic() - started < 0.5
        assert sum(tap.dropped.values()) <= 100_000
        assert len(tap.record(embeddings=np.zeros((2, 3)), ids=np.zeros((10**6, 1)))) == 2
        assert tap.label(np.zeros((10**6, 1)), [1]) == 0
        assert time.monotonic() - started < 2
        assert len(tap.record(embeddings=np.zeros((2, 3)))) == 2


def test_complex_tensors_are_no_numbers_here():
    """Casting them would warn in the host's output."""
    torch = pytest.importorskip("torch")
    with pytest.raises(ShapeError, match="an array of numbers"):
        as_numpy(torch.zeros(2, 2, dtype=torch.complex64), "embeddings")


def test_a_version_that_does_not_print_does_not_cost_its_window():
    """It is shown as it can be: the service refuses windows whose names it could not show."""
    transport = MemoryTransport()
    with Tap("m", "v1", transport=transport) as tap:
        tap.record(embeddings=np.zeros((2, 3)), version="v\n2\0" + "x" * 500)
        assert tap.flush(5)
    versions = {wire.unpack(blob)[0]["model"]["version"] for blob in transport.windows.values()}
    assert "v?2?" + "x" * 196 in versions


def dripping(seconds: float) -> tuple[socket.socket, threading.Thread]:
    """A server that answers one byte now and then, for ever."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError):
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
                while True:
                    connection.sendall(b"x")
                    time.sleep(seconds)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return server, thread


def test_a_service_that_drips_does_not_hold_a_thread_for_ever():
    """A timeout starts anew with every byte; the whole request has an end of its own."""
    server, thread = dripping(0.05)
    try:
        transport = HttpTransport(f"http://127.0.0.1:{server.getsockname()[1]}", timeout_s=0.1)
        started = time.monotonic()
        with pytest.raises(TransportError):
            transport.ruler("m", "v1")
        assert time.monotonic() - started < 3
        thread.join(3)
    finally:
        server.close()


class _SlowLine(MemoryTransport):
    """A line that carries no more than so many bytes before the timeout."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def send(self, blobs: Sequence[bytes]) -> list[Receipt]:
        if sum(map(len, blobs)) > self._most:
            raise TransportError("timed out")
        return super().send(blobs)


def test_a_slow_line_gets_smaller_requests(monkeypatch):
    """The same large request would time out for ever; half as much after each failure arrives."""
    spool = MemorySpool()
    made = windows(8)
    for i, window in enumerate(made):
        spool.put(Entry(i, "window", window.boot, window.sequence, 2), window.to_bytes())
    largest = max(len(window.to_bytes()) for window in made)
    monkeypatch.setattr("vigil.shipping.shipper.MAX_BYTES", 8 * largest)
    shipper = Shipper(spool, _SlowLine(2 * largest), rng=random.Random(1))
    now = 0.0
    for _ in range(100):
        shipper.step(now)
        now = max(now, shipper.next_s) + 0.01
    assert spool.entries() == []
    assert shipper.counts["accepted"] == 8


@pytest.mark.parametrize("header", ["Mon, 99 Foo 99999 99:99:99 +9999", "1e999", "\xff", "-5"])
def test_any_retry_after_is_read_without_an_error(header):
    wait = retry_after(header, time.time)
    assert wait is None or 0 <= wait <= 600


def test_a_label_just_after_a_window_ended_waits_for_its_own_window():
    """The window of its record is the next one, though the last has not been sealed yet."""
    clock = ManualClock(datetime(2026, 11, 21, 12, tzinfo=UTC))
    transport = MemoryTransport()
    with Tap("reader", "v1", transport=transport, clock=clock) as tap:
        tap.record(embeddings=np.zeros((1, 3)))
        tap._home.pipeline.collect(clock.now().timestamp())
        clock.advance(60.1)
        (late,) = tap.record(embeddings=np.zeros((1, 3)))
        tap.label(late, 1)
        for seconds in (0.05, 0.3, 30):
            clock.advance(seconds)
            tap._home.pipeline.collect(clock.now().timestamp())
            assert len(tap._home.pipeline.labels) == 1
        clock.advance(60)
        tap._home.pipeline.collect(clock.now().timestamp())
        assert len(tap._home.pipeline.labels) == 0
