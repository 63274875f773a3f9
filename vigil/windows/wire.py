"""Named arrays with a small header as bytes: the form of windows, rulers, baselines and state.

Layout: magic ``VGL1``, CRC-32 of the rest (u32), length of the JSON header (u32), length of the
arrays before compression (u64), then zlib of header + arrays. Little-endian throughout. Nothing is
executed on reading, sizes are bounded, and damage is detected.
"""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vigil.errors import WireError

MAGIC = b"VGL1"
DEFAULT_LIMIT_BYTES = 256 * 2**20
_PREFIX = struct.Struct("<4sIIQ")
_FRAME = struct.Struct("<I")
_DTYPES = {
    np.dtype(name).str: np.dtype(name)
    for name in (
        "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64".split()
    )
}

Array = NDArray[Any]

UNREADABLE = (
    AttributeError,
    IndexError,
    KeyError,
    OverflowError,
    RecursionError,
    TypeError,
    ValueError,
)
"""What reading somebody else's header may raise; its readers turn them into ``WireError``."""


def pack(header: Mapping[str, Any], arrays: Mapping[str, Array], *, level: int = 1) -> bytes:
    """Header and arrays as one blob.

    Args:
        header: JSON values.
        arrays: booleans, integers or floats; any shape.
        level: zlib's, 0 to 9.

    Raises:
        WireError: an array of another type, or a header that is not JSON.
    """
    meta, parts = _serialise(header, arrays)
    raw_length = len(meta) + sum(map(len, parts))
    body = zlib.compress(b"".join([meta, *parts]), level)
    return _PREFIX.pack(MAGIC, zlib.crc32(body), len(meta), raw_length) + body


def digest(header: Mapping[str, Any], arrays: Mapping[str, Array]) -> str:
    """SHA-256 of header and arrays, whatever the compression; hexadecimal."""
    meta, parts = _serialise(header, arrays)
    hasher = hashlib.sha256(meta)
    for part in parts:
        hasher.update(part)
    return hasher.hexdigest()


def _serialise(header: Mapping[str, Any], arrays: Mapping[str, Array]) -> tuple[bytes, list[bytes]]:
    entries, parts = [], []
    for name, array in arrays.items():
        little = np.ascontiguousarray(array)
        if little.dtype.byteorder == ">":
            little = little.astype(little.dtype.newbyteorder("<"))
        if little.dtype.str not in _DTYPES:
            raise WireError(f"array {name!r}: type {array.dtype} can't be sent")
        entries.append([name, little.dtype.str, list(array.shape)])
        parts.append(little.tobytes())
    try:
        meta = json.dumps(
            {"header": header, "arrays": entries},
            allow_nan=False,
            separators=(",", ":"),
            sort_keys=True,
        ).encode()
    except (TypeError, ValueError) as error:
        raise WireError(f"header: {error}") from None
    return meta, parts


def verify(blob: bytes) -> None:
    """Check magic and checksum only.

    Raises:
        WireError: damaged, truncated or foreign.
    """
    if len(blob) < _PREFIX.size:
        raise WireError(f"expected at least {_PREFIX.size} bytes, found {len(blob)}")
    magic, crc, _, _ = _PREFIX.unpack_from(blob)
    if magic != MAGIC:
        raise WireError(f"expected magic {MAGIC!r}, found {magic!r}")
    if zlib.crc32(memoryview(blob)[_PREFIX.size :]) != crc:
        raise WireError("checksum differs: the bytes were damaged or cut short")


def unpacked_size(blob: bytes) -> int:
    """How many bytes a blob says that it holds unpacked; 0 where it is too short to say."""
    return int(_PREFIX.unpack_from(blob)[3]) if len(blob) >= _PREFIX.size else 0


def unpack(
    blob: bytes, *, limit_bytes: int = DEFAULT_LIMIT_BYTES
) -> tuple[dict[str, Any], dict[str, Array]]:
    """What ``pack`` wrote; the arrays are read-only views.

    Raises:
        WireError: damaged, truncated, foreign, or larger than ``limit_bytes`` unpacked.
    """
    verify(blob)
    _, _, meta_length, raw_length = _PREFIX.unpack_from(blob)
    if raw_length > limit_bytes:
        raise WireError(f"{raw_length} bytes unpacked, at most {limit_bytes} are allowed")
    body = memoryview(blob)[_PREFIX.size :]
    inflater = zlib.decompressobj()
    try:
        raw = inflater.decompress(body, raw_length + 1)
    except zlib.error as error:
        raise WireError(f"can't be decompressed: {error}") from None
    if len(raw) != raw_length or meta_length > raw_length:
        raise WireError(f"expected {raw_length} bytes unpacked, found {len(raw)}")
    try:
        meta = json.loads(raw[:meta_length])
        header, entries = dict(meta["header"]), list(meta["arrays"])
        return header, _arrays(raw, meta_length, entries)
    except UNREADABLE as error:
        raise WireError(f"header can't be read: {error}") from None


def _arrays(raw: bytes, offset: int, entries: list[Any]) -> dict[str, Array]:
    arrays: dict[str, Array] = {}
    for name, code, shape in entries:
        dtype = _DTYPES.get(code)
        if dtype is None or any(not isinstance(n, int) or n < 0 for n in shape):
            raise WireError(f"array {name!r}: type {code!r} or shape {shape!r} is not allowed")
        count = 1
        for n in shape:
            count *= n
        if offset + count * dtype.itemsize > len(raw):
            raise WireError(f"array {name!r}: shape {shape} is longer than the bytes that came")
        arrays[str(name)] = np.frombuffer(raw, dtype, count, offset).reshape(shape)
        offset += count * dtype.itemsize
    return arrays


def join(blobs: Iterable[bytes]) -> bytes:
    """Several blobs as one, each behind its length (u32)."""
    return b"".join(_FRAME.pack(len(blob)) + blob for blob in blobs)


def split(joined: bytes) -> list[bytes]:
    """What ``join`` joined.

    Raises:
        WireError: a length points past the end.
    """
    blobs, offset = [], 0
    while offset < len(joined):
        if offset + _FRAME.size > len(joined):
            raise WireError("cut short inside a length")
        (length,) = _FRAME.unpack_from(joined, offset)
        offset += _FRAME.size
        if offset + length > len(joined):
            raise WireError(f"expected {length} bytes, found {len(joined) - offset}")
        blobs.append(joined[offset : offset + length])
        offset += length
    return blobs
