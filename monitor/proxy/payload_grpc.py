"""ModelInfer's request and response, read from protobuf's wire format.

Field numbers are those of the protocol's ``grpc_predict_v2.proto``. What is read is few fields of
two messages: generated code and its runtime are not needed for that.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from monitor.proxy.tensors import Array, Call, from_raw, from_values
from vigil.errors import WireError

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MOST_UNPACKED = 256 * 2**20
_MOST_FIELDS = 2**20
# InferTensorContents: field -> how its elements are written.
_CONTENTS = {1: "bool", 2: "int", 3: "int", 4: "uint", 5: "uint", 6: "<f4", 7: "<f8", 8: "bytes"}


def decode(
    request_headers: Mapping[str, str],
    request: memoryview,
    response_headers: Mapping[str, str],
    response: memoryview,
) -> Call:
    """Raises:
    WireError: either is no such message.
    """
    asked = _message(request_headers, request)
    answered = _message(response_headers, response)
    try:
        # ModelInferRequest: name 1, version 2, id 3, parameters 4, inputs 5, raw contents 7.
        # ModelInferResponse: name 1, version 2, id 3, parameters 4, outputs 5, raw contents 6.
        texts = {number: bytes(value).decode() for number, value in _only(asked, (1, 2, 3))}
        said = {number: bytes(value).decode() for number, value in _only(answered, (1, 2, 3))}
        parameters = dict(_parameter(value) for _, value in _only(asked, (4,)))
    except UnicodeDecodeError as error:
        raise WireError(f"text that is not UTF-8: {error}") from None
    return Call(
        model=texts.get(1, ""),
        version=said.get(2) or texts.get(2, ""),
        id=texts.get(3, "") or said.get(3, ""),
        parameters=parameters,
        inputs=_tensors(asked, raw_field=7),
        outputs=_tensors(answered, raw_field=6),
    )


def _message(headers: Mapping[str, str], body: memoryview) -> memoryview:
    """The one message of a unary call, after its five bytes of gRPC."""
    if len(body) < 5:
        raise WireError(f"gRPC: a message of {len(body)} bytes")
    packed, length = struct.unpack_from(">BI", body)
    if length != len(body) - 5:
        raise WireError(f"gRPC: expected one message of {length} bytes, found {len(body) - 5}")
    message = body[5:]
    if not packed:
        return message
    coding = headers.get("grpc-encoding", "")
    if coding not in ("gzip", "deflate"):
        raise WireError(f"gRPC: compression {coding!r} is not known")
    try:
        engine = zlib.decompressobj(wbits=47)
        whole = engine.decompress(message, _MOST_UNPACKED)
    except zlib.error as error:
        raise WireError(f"gRPC: {coding}: {error}") from None
    if not engine.eof:
        raise WireError(f"gRPC: {coding}: cut off, or more than {_MOST_UNPACKED} bytes")
    return memoryview(whole)


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise WireError("protobuf: a number that does not end")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & (2**64 - 1), at
        shift += 7


def fields(data: memoryview) -> Iterator[tuple[int, int, int | memoryview]]:
    """Field number, wire type and value of each field, in order.

    Raises:
        WireError: bytes that are no message.
    """
    at = count = 0
    while at < len(data):
        count += 1
        if count > _MOST_FIELDS:
            raise WireError(f"protobuf: more than {_MOST_FIELDS} fields")
        tag, at = _varint(data, at)
        number, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            value, at = _varint(data, at)
            yield number, kind, value
            continue
        if kind == _BYTES:
            length, at = _varint(data, at)
        elif kind in (_FIXED64, _FIXED32):
            length = 8 if kind == _FIXED64 else 4
        else:
            raise WireError(f"protobuf: wire type {kind}")
        if at + length > len(data):
            raise WireError("protobuf: a field that ends beyond its message")
        yield number, kind, data[at : at + length]
        at += length


def _only(data: memoryview, wanted: tuple[int, ...]) -> Iterator[tuple[int, memoryview]]:
    """The length-delimited fields of some numbers."""
    for number, kind, value in fields(data):
        if number in wanted and kind == _BYTES and isinstance(value, memoryview):
            yield number, value


def _parameter(entry: memoryview) -> tuple[str, Any]:
    """An entry of the map: key 1, value 2 (bool 1, int64 2, string 3, double 4, uint64 5)."""
    key = ""
    value: Any = None
    for number, inner in _only(entry, (1, 2)):
        if number == 1:
            key = bytes(inner).decode()
            continue
        for field, _, found in fields(inner):
            if isinstance(found, int):
                value = bool(found) if field == 1 else _signed(found) if field == 2 else found
            elif field == 3:
                value = bytes(found).decode()
            elif field == 4:
                (value,) = struct.unpack("<d", found)
    return key, value


def _tensors(message: memoryview, *, raw_field: int) -> dict[str, Array]:
    """Either every tensor has its contents in the raw list, in order, or none has."""
    raw = [value for _, value in _only(message, (raw_field,))]
    found: dict[str, Array] = {}
    for tensor in (value for _, value in _only(message, (5,))):
        name, datatype, shape, contents, is_shared = _tensor(tensor)
        if is_shared:
            continue
        if contents is None and raw:
            found[name] = from_raw(name, datatype, shape, raw.pop(0))
        else:
            found[name] = from_values(name, datatype, shape, contents if contents else [])
    if raw:
        raise WireError(f"{len(raw)} raw contents more than tensors")
    return found


def _tensor(data: memoryview) -> tuple[str, str, tuple[int, ...], list[Any] | None, bool]:
    """Name 1, datatype 2, shape 3, parameters 4, contents 5."""
    name = datatype = ""
    shape: list[int] = []
    contents: list[Any] | None = None
    is_shared = False
    for number, _, value in fields(data):
        if isinstance(value, int):
            if number == 3:
                shape.append(_signed(value))
        elif number == 1:
            name = bytes(value).decode("utf-8", "replace")
        elif number == 2:
            datatype = bytes(value).decode("utf-8", "replace")
        elif number == 3:
            shape += [_signed(one) for one in _packed(value)]
        elif number == 4:
            is_shared = is_shared or _parameter(value)[0] == "shared_memory_region"
        elif number == 5:
            contents = _contents(value)
    return name, datatype, tuple(shape), contents, is_shared


def _contents(data: memoryview) -> list[Any]:
    found: list[Any] = []
    for number, kind, value in fields(data):
        form = _CONTENTS.get(number)
        if isinstance(value, int):
            found.append(_signed(value) if form == "int" else value)
        elif form == "bytes":
            found.append(bytes(value))
        elif form in ("<f4", "<f8"):
            if kind == _BYTES and len(value) % int(form[-1]):
                raise WireError("protobuf: a list of floats that ends within one")
            found += np.frombuffer(value, form).tolist()
        elif form is not None:
            found += [_signed(one) if form == "int" else one for one in _packed(value)]
    return found


def _packed(data: memoryview) -> Iterator[int]:
    at = 0
    while at < len(data):
        value, at = _varint(data, at)
        yield value


def _signed(value: int) -> int:
    return value - 2**64 if value >= 2**63 else value
