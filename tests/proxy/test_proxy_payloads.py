"""Calls of the Open Inference Protocol, decoded: JSON, binary data, protobuf."""

from __future__ import annotations

import gzip
import json
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oip_proto import message

from monitor.proxy import payload_grpc, payload_v2
from monitor.proxy.tensors import DTYPES, from_raw
from vigil.errors import WireError

PATH = "/v2/models/reader/versions/7/infer"
ANSWER = {"model_name": "reader", "model_version": "3", "outputs": []}


def as_json(plain: object) -> memoryview:
    return memoryview(json.dumps(plain).encode())


def tensor(**more: object) -> dict:
    return {"name": "x", "datatype": "FP32", "shape": [2, 2], **more}


def decode(request: memoryview, headers: dict | None = None, answer: object = None):
    return payload_v2.decode(PATH, headers or {}, request, {}, as_json(answer or ANSWER))


@pytest.mark.parametrize("data", [[1, 2, 3, 4], [[1, 2], [3, 4]]])
def test_json_tensors_are_flat_or_nested(data):
    call = decode(as_json({"id": "r1", "parameters": {"site": "n"}, "inputs": [tensor(data=data)]}))
    assert (call.model, call.version, call.id) == ("reader", "3", "r1")
    assert call.parameters == {"site": "n"}
    np.testing.assert_array_equal(call.inputs["x"], np.array([[1, 2], [3, 4]], np.float32))


def test_the_paths_version_holds_where_the_answer_has_none():
    call = decode(as_json({"inputs": []}), answer={"outputs": []})
    assert call.version == "7"


def test_binary_tensors_follow_each_other_and_json_may_stand_between():
    """Sizes say where each begins; a text has its length before it; regions of memory have none."""
    x, y = np.arange(4, dtype="<f4"), b"\x02\0\0\0hi\0\0\0\0"
    listed = [
        tensor(parameters={"binary_data_size": 16}),
        {"name": "j", "datatype": "INT64", "shape": [1], "data": [5]},
        {"name": "t", "datatype": "BYTES", "shape": [2], "parameters": {"binary_data_size": 10}},
        tensor(name="far", parameters={"shared_memory_region": "r", "shared_memory_byte_size": 16}),
    ]
    text = json.dumps({"inputs": listed}).encode()
    body = memoryview(text + x.tobytes() + y)
    call = decode(body, {payload_v2.JSON_LENGTH: str(len(text))})
    assert call.inputs["x"].tolist() == [[0, 1], [2, 3]]
    assert call.inputs["j"].tolist() == [5]
    assert call.inputs["t"].tolist() == ["hi", ""]
    assert set(call.inputs) == {"x", "j", "t"}


def test_a_compressed_request_is_unpacked():
    packed = memoryview(gzip.compress(bytes(as_json({"inputs": [tensor(data=[1, 2, 3, 4])]}))))
    call = decode(packed, {"content-encoding": "gzip"})
    assert call.inputs["x"].shape == (2, 2)
    with pytest.raises(WireError, match="cut off"):
        decode(packed[:-9], {"content-encoding": "gzip"})


@pytest.mark.parametrize(
    ("body", "headers", "why"),
    [
        (b"not json", {}, "not JSON"),
        (b"[1]", {}, "object"),
        (b"[" * 100_000, {}, "not JSON"),
        (b'{"inputs": 3}', {}, "list of tensors"),
        (b'{"inputs": [3]}', {}, "objects"),
        (json.dumps({"inputs": [tensor(data=[1, 2, 3])]}).encode(), {}, "3 elements"),
        (json.dumps({"inputs": [tensor(data=["a"] * 4)]}).encode(), {}, "no FP32"),
        (json.dumps({"inputs": [tensor(data=[1] * 4, shape=[-2, -2])]}).encode(), {}, "shape"),
        (json.dumps({"inputs": [tensor(data=[1] * 4, shape="2")]}).encode(), {}, "shape"),
        (json.dumps({"inputs": [tensor(data=[1] * 4, datatype="FP8")]}).encode(), {}, "FP8"),
        (json.dumps({"inputs": [tensor()]}).encode(), {}, "no data"),
        (b"{}", {payload_v2.JSON_LENGTH: "9"}, "found 9"),
        (b"{}", {payload_v2.JSON_LENGTH: "-1"}, "found -1"),
        (b"{}", {"content-encoding": "br"}, "br"),
        (b"{}", {"content-encoding": "gzip"}, "gzip"),
    ],
)
def test_a_malformed_body_says_what_is_wrong(body, headers, why):
    with pytest.raises(WireError, match=why):
        decode(memoryview(body), headers)


@pytest.mark.parametrize(("size", "rest"), [(15, 15), (16, 17), (99, 16), (-1, 16), ("16", 16)])
def test_binary_sizes_that_do_not_fit_are_refused(size, rest):
    text = json.dumps({"inputs": [tensor(parameters={"binary_data_size": size})]}).encode()
    with pytest.raises(WireError):
        decode(memoryview(text + b"\0" * rest), {payload_v2.JSON_LENGTH: str(len(text))})


@pytest.mark.parametrize("datatype", sorted(DTYPES))
def test_every_type_is_read_from_its_bytes(datatype):
    dtype = np.dtype(DTYPES[datatype])
    assert from_raw("x", datatype, (3,), b"\0" * 3 * dtype.itemsize).tolist() == [0, 0, 0]


def test_bfloat16_is_the_upper_half_of_a_float():
    halves = (np.array([1.0, -2.5], np.float32).view(np.uint32) >> 16).astype("<u2")
    assert from_raw("x", "BF16", (2,), halves.tobytes()).tolist() == [1.0, -2.5]


def test_v1_has_instances_and_predictions():
    """Predictions that are objects, or ragged, are no tensor: the rest is kept."""
    path = "/v1/models/reader:predict"
    asked = as_json({"instances": [[1.0, 2.0]]})
    call = payload_v2.decode_v1(path, asked, as_json({"predictions": [[0.25, 0.75]]}))
    assert call.model == "reader"
    assert call.outputs["predictions"].dtype == np.float32
    call = payload_v2.decode_v1(path, asked, as_json({"predictions": [{"a": 1}, [1, 2]]}))
    assert (set(call.inputs), set(call.outputs)) == ({"instances"}, set())


def framed(body: bytes, packed: bool = False) -> memoryview:
    return memoryview(struct.pack(">BI", packed, len(body)) + body)


def grpc_request(**more: object) -> bytes:
    x = np.arange(4, dtype="<f4").reshape(2, 2)
    fields = {
        "model_name": "reader",
        "id": "r1",
        "inputs": [message("InferTensor", name="x", datatype="FP32", shape=[2, 2])],
        "raw_input_contents": [x.tobytes()],
        **more,
    }
    return message("ModelInferRequest", **fields).SerializeToString()


GRPC_ANSWER = message(
    "ModelInferResponse",
    model_name="reader",
    model_version="3",
    outputs=[
        message(
            "InferTensor",
            name="label",
            datatype="INT64",
            shape=[2],
            contents=message("InferTensorContents", int64_contents=[-1, 2**40]),
        )
    ],
).SerializeToString()


def test_protobuf_is_read_as_its_own_library_writes_it():
    """Raw contents in the request, contents in the answer, parameters of all types."""
    said = {"a": ("string_param", "n"), "b": ("int64_param", -5), "c": ("bool_param", True)}
    said |= {"d": ("double_param", 0.5), "e": ("uint64_param", 2**63)}
    parameters = {k: message("InferParameter", **{kind: v}) for k, (kind, v) in said.items()}
    request = grpc_request(parameters=parameters)
    call = payload_grpc.decode({}, framed(request), {}, framed(GRPC_ANSWER))
    assert (call.model, call.version, call.id) == ("reader", "3", "r1")
    assert call.parameters == {k: v for k, (_, v) in said.items()}
    assert call.inputs["x"].tolist() == [[0, 1], [2, 3]]
    assert call.outputs["label"].tolist() == [-1, 2**40]


@pytest.mark.parametrize(
    ("datatype", "field", "values"),
    [
        ("BOOL", "bool_contents", [True, False]),
        ("INT8", "int_contents", [-3, 4]),
        ("UINT8", "uint_contents", [0, 255]),
        ("UINT64", "uint64_contents", [0, 2**64 - 1]),
        ("FP32", "fp32_contents", [0.5, -1.0]),
        ("FP64", "fp64_contents", [0.1, -1.0]),
        ("BYTES", "bytes_contents", ["hi", ""]),
    ],
)
def test_contents_of_every_kind(datatype, field, values):
    given_ = [one.encode() for one in values] if datatype == "BYTES" else values
    contents = message("InferTensorContents", **{field: given_})
    one = message("InferTensor", name="x", datatype=datatype, shape=[2], contents=contents)
    request = grpc_request(inputs=[one], raw_input_contents=[])
    call = payload_grpc.decode({}, framed(request), {}, framed(GRPC_ANSWER))
    assert call.inputs["x"].tolist() == values


def test_a_compressed_message_is_unpacked():
    headers = {"grpc-encoding": "gzip"}
    packed = framed(gzip.compress(grpc_request()), packed=True)
    call = payload_grpc.decode(headers, packed, {}, framed(GRPC_ANSWER))
    assert call.inputs["x"].shape == (2, 2)
    with pytest.raises(WireError, match="snappy"):
        payload_grpc.decode({"grpc-encoding": "snappy"}, packed, {}, framed(GRPC_ANSWER))


@pytest.mark.parametrize(
    "request_",
    [
        memoryview(b""),
        memoryview(b"\0\0\0\0\x05abc"),
        framed(grpc_request(raw_input_contents=[b"\0" * 15])),
        framed(grpc_request(raw_input_contents=[b"\0" * 16, b"\0"])),
        framed(grpc_request(raw_input_contents=[])),
        framed(grpc_request()[:-1]),
        framed(b"\x0f"),
        framed(b"\xff" * 12),
    ],
)
def test_a_malformed_message_is_said(request_):
    with pytest.raises(WireError):
        payload_grpc.decode({}, request_, {}, framed(GRPC_ANSWER))


@given(st.binary(max_size=200))
def test_no_bytes_do_worse_than_being_malformed(body):
    for attempt in (
        lambda: payload_grpc.decode({}, framed(body), {}, framed(body)),
        lambda: decode(memoryview(body)),
    ):
        try:
            attempt()
        except WireError:
            continue
