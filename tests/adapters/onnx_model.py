"""A small ONNX model, written as protobuf by hand: features are ``x``, scores their softmax.

Field numbers are those of ``onnx.proto3``.
"""

from __future__ import annotations


def _varint(value: int) -> bytes:
    parts = []
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])


def message(*fields: tuple[int, bytes | str | int]) -> bytes:
    """Protobuf of some fields: number, and text, bytes or a whole number."""
    written = b""
    for number, value in fields:
        if isinstance(value, int):
            written += _varint(number << 3) + _varint(value)
            continue
        raw = value.encode() if isinstance(value, str) else value
        written += _varint(number << 3 | 2) + _varint(len(raw)) + raw
    return written


def _value(name: str, width: int) -> bytes:
    batch, size = message((2, "n")), message((1, width))
    tensor = message((1, 1), (2, message((1, batch), (1, size))))
    return message((1, name), (2, message((1, tensor))))


def _node(kind: str, given: str, found: str) -> bytes:
    return message((1, given), (2, found), (4, kind))


def model(width: int = 4) -> bytes:
    """Takes ``x`` (n, width) and gives ``features`` and ``scores``, both (n, width)."""
    graph = message(
        (1, _node("Identity", "x", "features")),
        (1, _node("Softmax", "features", "scores")),
        (2, "small"),
        (11, _value("x", width)),
        (12, _value("features", width)),
        (12, _value("scores", width)),
    )
    return message((1, 8), (7, graph), (8, message((1, ""), (2, 13))))
