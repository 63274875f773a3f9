"""Tensors of the Open Inference Protocol as arrays."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vigil.errors import WireError

DTYPES: dict[str, str] = {
    "BOOL": "?",
    "UINT8": "u1",
    "UINT16": "<u2",
    "UINT32": "<u4",
    "UINT64": "<u8",
    "INT8": "i1",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT64": "<i8",
    "FP16": "<f2",
    "FP32": "<f4",
    "FP64": "<f8",
    "BF16": "<u2",
}
Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """An inference as the protocol has it, decoded. "" where the wire did not say."""

    model: str
    version: str
    id: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Array]
    outputs: Mapping[str, Array]


def from_raw(name: str, datatype: str, shape: tuple[int, ...], raw: memoryview | bytes) -> Array:
    """Elements in row-major order, little-endian; BYTES with four bytes of length before each.

    Raises:
        WireError: a type that is not known, or not as many bytes as type and shape ask for.
    """
    if datatype == "BYTES":
        return _shaped(name, _texts(name, bytes(raw)), shape)
    if datatype not in DTYPES:
        raise WireError(f"tensor {name}: type {datatype!r} is not known")
    dtype = np.dtype(DTYPES[datatype])
    if any(size < 0 for size in shape):
        raise WireError(f"tensor {name}: shape {shape}")
    expected = _count(shape) * dtype.itemsize
    if len(raw) != expected:
        raise WireError(f"tensor {name}: expected {expected} bytes, found {len(raw)}")
    flat = np.frombuffer(raw, dtype)
    if datatype == "BF16":
        flat = (flat.astype(np.uint32) << 16).view(np.float32)
    return flat.reshape(shape)


def from_values(name: str, datatype: str, shape: tuple[int, ...], values: Any) -> Array:
    """Elements as JSON or protobuf lists them, flat or nested.

    Raises:
        WireError: as above, or values of another type.
    """
    if datatype == "BYTES":
        flat = np.array(_leaves(values), dtype=object)
        return _shaped(name, flat, shape)
    if datatype not in DTYPES:
        raise WireError(f"tensor {name}: type {datatype!r} is not known")
    dtype = np.dtype("<f4" if datatype == "BF16" else DTYPES[datatype])
    try:
        array = np.array(values, dtype)
    except (ValueError, TypeError, OverflowError):
        # What numpy says has the values in it; /healthz shows the reason to anyone.
        raise WireError(f"tensor {name}: values that are no {datatype}") from None
    return _shaped(name, array, shape)


def _shaped(name: str, array: Array, shape: tuple[int, ...]) -> Array:
    if any(size < 0 for size in shape) or array.size != _count(shape):
        raise WireError(f"tensor {name}: {array.size} elements for shape {shape}")
    return array.reshape(shape)


def _count(shape: tuple[int, ...]) -> int:
    product = 1
    for size in shape:
        product *= size
    return product


def _texts(name: str, raw: bytes) -> Array:
    found, at = [], 0
    while at < len(raw):
        if at + 4 > len(raw):
            raise WireError(f"tensor {name}: ends within a length")
        (length,) = struct.unpack_from("<I", raw, at)
        at += 4
        if at + length > len(raw):
            raise WireError(f"tensor {name}: ends within an element")
        found.append(raw[at : at + length].decode("utf-8", "replace"))
        at += length
    texts = np.empty(len(found), dtype=object)
    texts[:] = found
    return texts


def _leaves(values: Any) -> list[str]:
    if isinstance(values, list):
        return [leaf for value in values for leaf in _leaves(value)]
    return [values.decode("utf-8", "replace") if isinstance(values, bytes) else str(values)]
