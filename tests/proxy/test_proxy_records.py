"""Bytes that are no call: counted as malformed, however they are broken."""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest

from monitor.proxy.call_clock import CallClock
from monitor.proxy.json_text import parsed
from monitor.proxy.records import Lane, Records
from monitor.proxy.spec import Recorded
from monitor.proxy.tensor_use import TensorUse
from vigil.errors import WireError

GOOD = b'{"inputs": []}'


def framed(message: bytes) -> bytes:
    return struct.pack(">BI", 0, len(message)) + message


def outputs(**tensor: object) -> bytes:
    return json.dumps({"outputs": [{"name": "t", "datatype": "FP32", **tensor}]}).encode()


@pytest.mark.parametrize(
    ("kind", "headers", "answer"),
    [
        ("v2", {}, outputs(shape=[0, 2**70], data=[])),
        ("v2", {}, outputs(shape=[1] * 80, data=[1.0])),
        ("v2", {}, outputs(shape=[1], data=["secret"])),
        ("v2", {"inference-header-content-length": "9" * 5000}, b"{}"),
        # A parameter whose name is no UTF-8, within a tensor.
        ("grpc", {}, framed(b"\x2a\x05\x22\x03\x0a\x01\xff")),
        # A parameter that should be a float of eight bytes, and has one.
        ("grpc", {}, framed(b"\x22\x05\x12\x03\x22\x01\x00")),
    ],
)
def test_whatever_a_decoder_stumbles_over_is_malformed(kind, headers, answer, caplog):
    """It is no error of the proxy's, fills no log, and the reason says no value."""
    records = Records({}, clock=CallClock(), pair_wait_s=1.0)
    description = {
        "kind": kind,
        "path": "/v2/models/m/infer",
        "request_headers": {},
        "response_headers": headers,
        "time_s": 0.0,
        "latency_s": 0.1,
    }
    request = framed(answer[5:]) if kind == "grpc" else GOOD
    records.take(description, memoryview(request), memoryview(answer))
    assert records.counts == {"malformed": 1}
    assert "secret" not in records.problem
    assert not caplog.records


def test_brackets_that_would_be_a_gigabyte_are_not_decoded():
    """Twelve megabytes on the wire."""
    with pytest.raises(WireError, match="once it is decoded"):
        parsed(b"[" + b"{}," * 2**22 + b"{}]")


class Kept:
    """A tap that keeps the ids of what it is given."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.metadata: list[object] = []

    def record(self, **given: object) -> None:
        ids = given["ids"]
        assert isinstance(ids, list)
        self.ids += ids
        self.metadata.append(given["metadata"])


def lane(*uses: str) -> tuple[Records, Kept]:
    kept: Any = Kept()
    tensors = tuple(map(TensorUse.parse, uses))
    recorded = Recorded(served_name="m", tensors=tensors, headers={"x-camera": "camera"})
    lanes = {"m": Lane(recorded=recorded, tap=kept)}
    return Records(lanes, clock=CallClock(), pair_wait_s=1.0), kept


def test_any_number_of_rows_in_no_bytes_is_no_call():
    records, kept = lane("embeddings=t")
    description = {
        "kind": "v2",
        "path": "/v2/models/m/infer",
        "request_headers": {},
        "response_headers": {},
        "time_s": 0.0,
        "latency_s": 0.1,
    }
    for shape, n in (([100_000_000, 0], 0), ([4_000_000, 1], 4_000_000)):
        answer = outputs(shape=shape, data=[1] * n)
        records.take(description, memoryview(b'{"id": "a", "inputs": []}'), memoryview(answer))
    assert (records.counts, kept.ids) == ({"bad_tensors": 2}, [])


def test_a_call_of_a_batch_of_events_that_can_not_be_read_costs_no_other():
    def event(half: str, name: str, data: object) -> dict[str, object]:
        return {
            "specversion": "1.0",
            "id": name,
            "source": "s",
            "type": f"org.kubeflow.serving.inference.{half}",
            "inferenceservicename": "m",
            "metadata": '{"X-Camera": ["c1"]}',
            "data": data,
        }

    records, kept = lane()
    batch: list[object] = []
    for name in ("a", "bad", "b"):
        batch.append(event("request", name, {"id": name, "inputs": []}))
        batch.append(event("response", name, 7 if name == "bad" else {"outputs": []}))
    description = {
        "kind": "event",
        "request_headers": {"content-type": "application/cloudevents-batch+json"},
        "time_s": 0.0,
    }
    text = json.dumps([*batch[:2], "no event", *batch[2:]]).encode()
    records.take(description, memoryview(text), memoryview(b""))
    assert (kept.ids, records.counts) == (["a", "b"], {"recorded": 2, "malformed": 2})
    assert kept.metadata == [{"camera": "c1"}] * 2
