"""Every window is delivered at least once and counted exactly once, whatever the service does."""

from __future__ import annotations

import random
import socket

import pytest
from vigil_records import windows
from vigil_service import answers, loses_the_reply, talks_nonsense

from vigil.errors import TransportError
from vigil.shipping.shipper import Shipper, backoff
from vigil.shipping.spool import DiskSpool, Entry, MemorySpool
from vigil.shipping.transport import HttpTransport, MemoryTransport, retry_after
from vigil.windows import wire
from vigil.windows.window import Window


def spooled(n: int, spool=None):
    spool = MemorySpool() if spool is None else spool
    for i, window in enumerate(windows(n)):
        spool.put(Entry(i, "window", window.boot, window.sequence, 2), window.to_bytes())
    return spool


def ship_all(shipper: Shipper, *, steps: int = 50) -> float:
    """Step a clock of its own until nothing waits; the time that took."""
    now = 0.0
    for _ in range(steps):
        while shipper.step(now):
            pass
        if not shipper._spool.entries():
            return now
        now = max(now, shipper.next_s) + 1e-9
    raise AssertionError(f"still waiting: {shipper.last_error}")


def a_shipper(spool, transport) -> Shipper:
    return Shipper(spool, transport, rng=random.Random(1))


def test_windows_arrive_in_order_with_the_token(service):
    spool = spooled(5)
    shipper = a_shipper(spool, HttpTransport(service.url, "secret-token"))
    ship_all(shipper)
    assert [key[2] for key in service.arrivals] == [0, 1, 2, 3, 4]
    assert shipper.counts["accepted"] == 5
    assert service.requests == [("/v1/windows", "Bearer secret-token")]
    assert Window.from_bytes(service.windows["src", "boot", 3]).summary.total_records == 2


@pytest.mark.parametrize(
    "fault", [loses_the_reply, talks_nonsense, answers(500), answers(503), answers(401)]
)
def test_after_a_fault_each_window_is_counted_once(service, fault):
    service.faults = [fault, fault]
    shipper = a_shipper(spooled(4), HttpTransport(service.url))
    ship_all(shipper)
    assert sorted(key[2] for key in service.windows) == [0, 1, 2, 3]
    assert shipper.counts["accepted"] + shipper.counts["duplicate"] == 4
    assert shipper.counts["failures"] == 2
    assert shipper.last_error == ""


def test_many_faults_in_any_order_still_count_once(service):
    """A flaky service, by a fixed random order: nothing lost, nothing twice."""
    rng = random.Random(3)
    kinds = [loses_the_reply, answers(503), talks_nonsense, lambda handler: False]
    service.faults = [rng.choice(kinds) for _ in range(20)]
    shipper = a_shipper(spooled(3), HttpTransport(service.url))
    ship_all(shipper, steps=200)
    assert len(service.windows) == 3


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_honoured(service, status):
    service.faults = [answers(status, Retry_After="120")]
    shipper = a_shipper(spooled(1), HttpTransport(service.url))
    assert ship_all(shipper) >= 120


def test_retry_after_may_be_a_date_and_is_bounded():
    assert retry_after("Tue, 14 Nov 2023 22:13:50 GMT", lambda: 1_700_000_000.0) == 30
    assert retry_after("86400", lambda: 0.0) == 600
    assert retry_after("-5", lambda: 0.0) == 0
    assert retry_after("soon", lambda: 0.0) is None
    assert retry_after("nan", lambda: 0.0) is None


def test_a_rejected_window_is_set_aside_and_the_others_arrive(service):
    service.reject = {1}
    spool = spooled(3)
    shipper = a_shipper(spool, HttpTransport(service.url))
    ship_all(shipper)
    assert sorted(key[2] for key in service.windows) == [0, 2]
    assert (shipper.counts["rejected"], spool.counts["rejected"]) == (1, 1)


def test_a_refused_request_is_divided_until_the_one_at_fault_is_alone(service):
    """400 for a batch must not cost the windows that had the bad luck to travel with it."""

    def refuses_sequence_1(handler) -> bool:
        service.faults.append(refuses_sequence_1)
        if any(wire.unpack(blob)[0]["sequence"] == 1 for blob in wire.split(handler.body)):
            handler.answer(400, {"detail": "malformed"})
            return True
        return False

    service.faults = [refuses_sequence_1]
    shipper = a_shipper(spooled(4), HttpTransport(service.url))
    ship_all(shipper)
    assert sorted(key[2] for key in service.windows) == [0, 2, 3]
    assert shipper.counts["rejected"] == 1


def test_a_service_that_is_away_costs_nothing_but_time(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    spool = spooled(2, DiskSpool(tmp_path))
    shipper = a_shipper(spool, HttpTransport(f"http://127.0.0.1:{port}"))
    assert not shipper.step(0.0)
    assert not shipper.step(0.01)
    assert shipper.counts["failures"] == 1
    assert "ConnectionRefusedError" in shipper.last_error
    later = MemoryTransport()
    ship_all(a_shipper(DiskSpool(tmp_path), later))
    assert len(later.windows) == 2


def test_a_window_without_a_receipt_stays():
    class Forgetful(MemoryTransport):
        def send(self, blobs):
            return super().send(blobs)[:-1]

    spool = spooled(3)
    a_shipper(spool, Forgetful()).step(0.0)
    assert [one.sequence for one in spool.entries()] == [2]


def test_labels_wait_behind_the_windows_before_them(service):
    spool = spooled(2)
    labels = wire.pack({"what": "labels", "labels": [{"id": "src.boot.0", "label": 3}]}, {})
    spool.put(Entry(9, "labels", "boot", 0, 1), labels)
    service.faults = [answers(503)]
    shipper = a_shipper(spool, HttpTransport(service.url))
    ship_all(shipper)
    assert [path for path, _ in service.requests] == ["/v1/windows", "/v1/windows", "/v1/labels"]
    assert service.labels == [{"id": "src.boot.0", "label": 3}]
    assert shipper.counts["labels"] == 1


def test_the_wait_doubles_is_random_and_bounded():
    rng = random.Random(0)
    waits = [backoff(failures, rng) for failures in range(1, 40)]
    ceilings = [min(60.0, 0.5 * 2**i) for i in range(39)]
    assert all(c / 2 <= w <= c for w, c in zip(waits, ceilings, strict=True))
    assert len(set(waits[10:])) > 20


@pytest.mark.parametrize("url", ["ftp://host", "host:8080", "http://", ""])
def test_a_url_that_can_not_be_used_is_refused(url):
    with pytest.raises(ValueError, match="service: expected"):
        HttpTransport(url)


def test_the_token_reaches_no_error_and_no_representation(service):
    service.faults = [answers(401)]
    transport = HttpTransport(service.url, "hush-hush")
    with pytest.raises(TransportError) as caught:
        transport.send([])
    assert "hush" not in f"{caught.value!r} {transport!r}"
    with pytest.raises(ValueError, match="token") as refused:
        HttpTransport(service.url, "hush\r\nX-Evil: 1")
    assert "hush" not in str(refused.value)
