"""Requests and answers, as bytes."""

from __future__ import annotations

import json

import numpy as np

IMAGE = (1, 3, 224, 224)


def request_json() -> bytes:
    """A call with a vector of 512 numbers: JSON is for small tensors."""
    x = np.random.default_rng(0).random(512).round(4).tolist()
    one = {"name": "x", "datatype": "FP32", "shape": [1, 512], "data": x}
    body = json.dumps({"id": "", "inputs": [one]}).encode()
    return _head(body, "application/json") + body


def picture() -> bytes:
    """224 x 224 in colour, a byte a channel: 147 KiB."""
    return np.random.default_rng(0).integers(0, 256, IMAGE, dtype=np.uint8).tobytes()


def request_binary() -> bytes:
    """A call with a picture as binary data."""
    x = picture()
    one = {"name": "x", "datatype": "UINT8", "shape": IMAGE}
    text = json.dumps({"inputs": [{**one, "parameters": {"binary_data_size": len(x)}}]}).encode()
    more = f"Inference-Header-Content-Length: {len(text)}\r\n"
    return _head(text + x, "application/octet-stream", more) + text + x


def _head(body: bytes, kind: str, more: str = "") -> bytes:
    return (
        f"POST /v2/models/m/infer HTTP/1.1\r\nHost: m\r\nContent-Type: {kind}\r\n{more}"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode()


def answer_http() -> bytes:
    """Embedding of 512 and scores of 10, both as JSON."""
    rng = np.random.default_rng(1)
    outputs = [
        {
            "name": name,
            "datatype": "FP32",
            "shape": [1, n],
            "data": rng.dirichlet(np.ones(n)).round(6).tolist(),
        }
        for name, n in (("features", 512), ("scores", 10))
    ]
    plain = {"model_name": "m", "model_version": "1", "outputs": outputs}
    body = json.dumps(plain).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return f"{head}\r\n".encode() + body


def message(*fields: tuple[int, bytes | int]) -> bytes:
    """Protobuf of a few fields: number, and bytes or a whole number."""

    def varint(value: int) -> bytes:
        parts = []
        while value > 0x7F:
            parts.append(value & 0x7F | 0x80)
            value >>= 7
        return bytes([*parts, value])

    return b"".join(
        varint(number << 3) + varint(value)
        if isinstance(value, int)
        else varint(number << 3 | 2) + varint(len(value)) + value
        for number, value in fields
    )


def _tensor(name: bytes, datatype: bytes, shape: tuple[int, ...]) -> bytes:
    return message((1, name), (2, datatype), *((3, size) for size in shape))


def request_grpc() -> bytes:
    """The same picture in a message."""
    return message((1, b"m"), (5, _tensor(b"x", b"UINT8", IMAGE)), (7, picture()))


def answer_grpc() -> bytes:
    rng = np.random.default_rng(1)
    raw = [rng.random(n).astype(np.float32).tobytes() for n in (512, 10)]
    tensors = [
        _tensor(b"features", b"FP32", (1, 512)),
        _tensor(b"scores", b"FP32", (1, 10)),
    ]
    fields: list[tuple[int, bytes | int]] = [(1, b"m"), (2, b"1")]
    fields += [(5, tensor) for tensor in tensors]
    return message(*fields, *((6, one) for one in raw))
