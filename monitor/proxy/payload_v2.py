"""An inference over HTTP as the Open Inference Protocol has it: JSON, and binary data after it."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import numpy as np

from monitor.proxy.json_text import parsed
from monitor.proxy.tensors import Array, Call, from_raw, from_values
from vigil.errors import WireError

JSON_LENGTH = "inference-header-content-length"
_MOST_UNPACKED = 256 * 2**20
_PATH = re.compile(r"/v[12]/models/([^/?:]+)(?:/versions/([^/?:]+))?")


def decode(
    path: str,
    request_headers: Mapping[str, str],
    request: memoryview,
    response_headers: Mapping[str, str],
    response: memoryview,
) -> Call:
    """Raises:
    WireError: either is not what the protocol says.
    """
    asked, inputs = _half(request_headers, request, "inputs")
    answered, outputs = _half(response_headers, response, "outputs")
    model, version = named_in(path)
    return Call(
        model=model or _text(answered.get("model_name")),
        version=_text(answered.get("model_version")) or version,
        id=_text(asked.get("id")) or _text(answered.get("id")),
        parameters=_mapping(asked.get("parameters")),
        inputs=inputs,
        outputs=outputs,
    )


def decode_v1(path: str, request: memoryview, response: memoryview) -> Call:
    """KServe's V1 protocol; the tensors are called ``instances`` and ``predictions``.

    Raises:
        WireError: either is no such JSON.
    """
    model, version = named_in(path)
    asked, answered = _object(bytes(request)), _object(bytes(response))
    return Call(
        model=model,
        version=version,
        id=_text(asked.get("id")),
        inputs=_free(asked, "instances"),
        outputs=_free(answered, "predictions"),
    )


def named_in(path: str) -> tuple[str, str]:
    """Model and version in a request's path, each "" where it has none."""
    found = _PATH.match(path)
    if found is None:
        return "", ""
    return unquote(found[1]), unquote(found[2] or "")


def unpacked(headers: Mapping[str, str], body: memoryview) -> memoryview:
    """The body without its content coding.

    Raises:
        WireError: it can't be undone, or is too large then.
    """
    coding = headers.get("content-encoding", "identity").lower()
    if coding in ("", "identity"):
        return body
    if coding not in ("gzip", "deflate"):
        raise WireError(f"content coding {coding!r} is not known")
    try:
        engine = zlib.decompressobj(wbits=47)
        whole = engine.decompress(body, _MOST_UNPACKED)
    except zlib.error as error:
        raise WireError(f"{coding}: {error}") from None
    if not engine.eof:
        raise WireError(f"{coding}: cut off, or more than {_MOST_UNPACKED} bytes")
    return memoryview(whole)


def _half(
    headers: Mapping[str, str], body: memoryview, what: str
) -> tuple[dict[str, Any], dict[str, Array]]:
    body = unpacked(headers, body)
    length = headers.get(JSON_LENGTH)
    split = len(body)
    if length is not None:
        split = int(length) if length.isdecimal() else -1
        if not 0 <= split <= len(body):
            raise WireError(f"{JSON_LENGTH}: found {length} for {len(body)} bytes")
    plain = _object(bytes(body[:split]))
    return plain, _tensors(plain.get(what), body[split:])


def _tensors(listed: Any, rest: memoryview) -> dict[str, Array]:
    """Binary tensors follow each other in the order in which they are listed."""
    if not isinstance(listed, list):
        raise WireError("expected a list of tensors")
    found: dict[str, Array] = {}
    for one in listed:
        if not isinstance(one, dict):
            raise WireError("expected tensors to be objects")
        name, datatype = _text(one.get("name")), _text(one.get("datatype"))
        shape = _shape(name, one.get("shape"))
        parameters = _mapping(one.get("parameters"))
        size = parameters.get("binary_data_size")
        if size is not None:
            if not isinstance(size, int) or not 0 <= size <= len(rest):
                raise WireError(f"tensor {name}: binary_data_size {size} of {len(rest)} bytes")
            found[name] = from_raw(name, datatype, shape, rest[:size])
            rest = rest[size:]
        elif "data" in one:
            found[name] = from_values(name, datatype, shape, one["data"])
        elif "shared_memory_region" not in parameters:
            raise WireError(f"tensor {name}: no data")
    if rest:
        raise WireError(f"{len(rest)} bytes after the last tensor")
    return found


def _free(plain: Mapping[str, Any], name: str) -> dict[str, Array]:
    """Values without a type or shape; ragged ones, and objects, are left out."""
    try:
        array = _np_array(plain.get(name))
    except ValueError:
        return {}
    return {} if array.dtype == object else {name: array}


def _np_array(values: Any) -> Array:
    array = np.array(values)
    return array.astype(np.float32) if array.dtype == np.float64 else array


def _object(text: bytes) -> dict[str, Any]:
    plain = parsed(text)
    if not isinstance(plain, dict):
        raise WireError("expected a JSON object")
    return plain


def _shape(name: str, shape: Any) -> tuple[int, ...]:
    if not isinstance(shape, list) or not all(type(one) is int for one in shape):
        raise WireError(f"tensor {name}: shape {shape!r:.80}")
    return tuple(shape)


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
