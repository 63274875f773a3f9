"""CloudEvents of KServe's payload logger, in every form and order."""

from __future__ import annotations

import base64
import json
from collections import Counter

import pytest

from monitor.proxy.cloud_events import Event, Halves, read
from vigil.errors import WireError

KIND = "org.kubeflow.serving.inference."


def attributes(half: str = "request", **more: str) -> dict[str, str]:
    return {
        "specversion": "1.0",
        "id": "e1",
        "source": "http://localhost:9081/",
        "type": KIND + half,
        "time": "2026-11-21T23:59:58.5Z",
        "inferenceservicename": "reader",
        **more,
    }


def binary(half: str = "request", **more: str) -> dict[str, str]:
    return {f"ce-{k}": v for k, v in attributes(half, **more).items()}


def structured(**more: object) -> bytes:
    return json.dumps({**attributes(), **more}).encode()


def test_both_modes_say_the_same():
    data = {"inputs": [1]}
    raw = json.dumps(data).encode()
    in_headers = read({**binary(), "content-type": "application/json"}, raw)
    plain = {"content-type": "application/cloudevents+json; charset=utf-8"}
    assert read(plain, structured(data=data)) == in_headers
    packed = base64.b64encode(raw).decode()
    assert read(plain, structured(data_base64=packed)) == in_headers
    (event,) = in_headers
    assert (event.half, event.service, event.data) == ("request", "reader", raw)


def test_a_batch_has_many_and_other_types_are_left_out():
    batch = [attributes(data=1), attributes("response", data=2), {**attributes(), "type": "x.y"}]
    found = read({"content-type": "application/cloudevents-batch+json"}, json.dumps(batch).encode())
    assert [event.half for event in found] == ["request", "response"]


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({}, b"{}"),
        ({k: v for k, v in binary().items() if k != "ce-id"}, b"{}"),
        ({"content-type": "application/cloudevents+json"}, b"no"),
        ({"content-type": "application/cloudevents+json"}, b"[]"),
        ({"content-type": "application/cloudevents-batch+json"}, b"{}"),
        ({"content-type": "application/cloudevents+json"}, structured(data_base64="%")),
    ],
)
def test_what_is_no_event_is_said(headers, body):
    with pytest.raises(WireError):
        read(headers, body)


def half(name: str, which: str, time_s: float | None = None, data: bytes = b"") -> Event:
    return Event(id=name, half=which, service="reader", time_s=time_s, headers={}, data=data)


def test_halves_meet_in_either_order():
    halves = Halves(Counter(), wait_s=10)
    for name, first, second in (("a", "request", "response"), ("b", "response", "request")):
        assert halves.add(half(name, first), 0.0) is None
        joined = halves.add(half(name, second), 1.0)
        assert joined is not None
        assert (joined.request.half, joined.response.half) == ("request", "response")
    assert len(halves) == 0


def test_the_events_times_are_the_latency_where_both_have_one():
    halves = Halves(Counter(), wait_s=10)
    halves.add(half("a", "request", 10.0), 0.0)
    joined = halves.add(half("a", "response", 10.25), 0.0)
    assert joined is not None
    assert joined.latency_s == 0.25
    halves.add(half("b", "request", None), 0.0)
    joined = halves.add(half("b", "response", 10.25), 0.0)
    assert joined is not None
    assert joined.latency_s is None


def test_a_half_whose_other_never_comes_is_given_up_and_counted():
    counts: Counter[str] = Counter()
    halves = Halves(counts, wait_s=10)
    halves.add(half("a", "request"), 0.0)
    halves.add(half("b", "response"), 5.0)
    halves.expire(9.9)
    assert not counts
    halves.expire(10.0)
    assert counts == {"response_missing": 1}
    assert halves.add(half("a", "response"), 11.0) is None
    halves.expire(15.0)
    assert counts == {"response_missing": 1, "request_missing": 1}


def test_a_delivery_that_is_repeated_counts_once():
    """Loggers retry: before the other half came, and after."""
    counts: Counter[str] = Counter()
    halves = Halves(counts, wait_s=10)
    assert halves.add(half("a", "request"), 0.0) is None
    assert halves.add(half("a", "request"), 0.0) is None
    assert halves.add(half("a", "response"), 0.0) is not None
    assert halves.add(half("a", "request"), 0.0) is None
    assert halves.add(half("a", "response"), 0.0) is None
    assert (counts["duplicate"], len(halves)) == (3, 0)


def test_what_waits_is_bounded_and_the_oldest_goes_first():
    counts: Counter[str] = Counter()
    halves = Halves(counts, wait_s=10, most_bytes=25)
    for name in "abc":
        halves.add(half(name, "request", data=b"0123456789"), 0.0)
    assert (len(halves), counts) == (2, {"response_missing": 1})
    assert halves.add(half("c", "response"), 1.0) is not None
