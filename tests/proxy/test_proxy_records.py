"""Bytes that are no call: counted as malformed, however they are broken."""

from __future__ import annotations

import json
import struct

import pytest

from monitor.proxy.call_clock import CallClock
from monitor.proxy.records import Records

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
