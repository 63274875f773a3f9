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
    return Event(
        id=name.encode(), half=which, service="reader", time_s=time_s, headers={}, data=data
    )


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
    for name, time_s in (("b", None), ("c", 10.5)):
        # Nobody said when it began, or a clock that is not that of the answer.
        halves.add(half(name, "request", time_s), 0.0)
        joined = halves.add(half(name, "response", 10.25), 0.0)
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
    halves = Halves(counts, wait_s=10, most_bytes=25_000)
    for name in "abc":
        halves.add(half(name, "request", data=b"0123456789" * 1000), 0.0)
    assert (len(halves), counts) == (2, {"response_missing": 1})
    assert halves.add(half("c", "response"), 1.0) is not None


BATCH = {"content-type": "application/cloudevents-batch+json"}


def test_one_event_of_a_batch_that_is_none_costs_no_other():
    batch = [7, attributes(data=1), {**attributes(), "id": ""}, attributes("response", data=2)]
    found = read(BATCH, json.dumps(batch).encode())
    assert [isinstance(one, WireError) for one in found] == [True, False, True, False]


def test_services_that_pass_one_id_on_are_not_mixed_up():
    """As the steps of an inference graph do, and a transformer and its predictor."""
    named = [{}, {"inferenceservicename": "plates"}, {"component": "transformer"}]
    batch = [{**attributes(), **more, "data": 1} for more in named]
    requests = [one for one in read(BATCH, json.dumps(batch).encode()) if isinstance(one, Event)]
    (answer,) = read(binary("response", component="transformer"), b"2")
    counts: Counter[str] = Counter()
    halves = Halves(counts, wait_s=10)
    assert [halves.add(one, 0.0) for one in requests] == [None] * 3
    assert isinstance(answer, Event)
    joined = halves.add(answer, 0.0)
    assert joined is not None
    assert joined.request is requests[2]
    assert not counts


@pytest.mark.parametrize("attribute", ["id", "inferenceservicename", "namespace"])
def test_a_name_of_any_length_is_not_kept(attribute):
    with pytest.raises(WireError, match="more than 1024 characters"):
        read(binary(**{attribute: "x" * 100_000}), b"{}")


def test_text_that_no_encoding_has_is_still_an_event():
    plain = {"content-type": "application/cloudevents+json"}
    (event,) = read(plain, structured(data="\ud800", id="\udfff"))
    assert isinstance(event, Event)
    assert event.data == b"?"


def test_requests_that_nobody_answers_are_bounded_and_counted():
    """A flood of them, each of another id, with and without data."""
    counts: Counter[str] = Counter()
    halves = Halves(counts, wait_s=1e9)
    for i in range(12_000):
        halves.add(half(f"{i}", "request"), float(i))
    assert (len(halves), counts["response_missing"]) == (10_000, 2_000)
    for i in range(200):
        halves.add(half(f"large {i}", "request", data=bytes(2**20)), 1e5)
    assert len(halves) < 128
    assert counts["response_missing"] == 12_200 - len(halves)


def test_a_delivery_is_known_again_after_many_others():
    counts: Counter[str] = Counter()
    halves = Halves(counts, wait_s=10)
    for i in range(20_000):
        halves.add(half(f"{i}", "request"), 0.0)
        halves.add(half(f"{i}", "response"), 0.0)
    assert halves.add(half("0", "response"), 0.0) is None
    assert (counts, len(halves)) == ({"duplicate": 1}, 0)


def test_headers_that_the_logger_passes_on_are_known():
    """As KServe writes its ``metadataHeaders``; anything else is none."""
    (event,) = read(binary(metadata='{"X-Camera": ["c1"], "X-Site": ["a", "b"], "n": 7}'), b"{}")
    assert isinstance(event, Event)
    assert event.said == {"x-camera": "c1", "x-site": "a, b"}
    for text in ("", "null", "[1]", "nonsense", '{"a": ["' + "x" * 20_000 + '"]}', "\ud800"):
        (event,) = read(binary(metadata=text), b"{}")
        assert isinstance(event, Event)
        assert event.said == {}
