"""Encoded images that came damaged: told apart before a decoder makes grey of what is missing.

Many decoders fill the rest of a cut JPEG with grey and say nothing. So the bytes are looked at
first: their beginning, their checksums where the format has any, and whether the end is there.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from enum import StrEnum
from typing import Any, Protocol, TypeVar

Decoded = TypeVar("Decoded")


class Encoded(StrEnum):
    """What bytes are. ``unknown``: a format that is not known here, or none."""

    WHOLE = "whole"
    TRUNCATED = "truncated"
    CORRUPT = "corrupt"
    UNKNOWN = "unknown"


class Losses(Protocol):
    """Counts inputs that never became a record; a ``Tap`` is one."""

    def lose(self, reason: str, n: int = 1) -> None: ...


def check_encoded(raw: bytes) -> Encoded:
    """Whether bytes are a whole JPEG, PNG, WebP, GIF or BMP, as far as their frame tells."""
    if not raw:
        return Encoded.TRUNCATED
    if raw.startswith(b"\xff\xd8"):
        return _jpeg(raw)
    if raw.startswith(b"\x89PNG\r\n\x1a\n"):
        return _png(raw)
    if raw[:4] == b"RIFF" and raw[8:12] == b"WEBP":
        return _of_length(raw, struct.unpack_from("<I", raw, 4)[0] + 8)
    if raw[:6] in (b"GIF87a", b"GIF89a"):
        return Encoded.WHOLE if raw.rstrip(b"\0").endswith(b";") else Encoded.TRUNCATED
    if raw[:2] == b"BM" and len(raw) >= 6:
        return _of_length(raw, struct.unpack_from("<I", raw, 2)[0])
    return Encoded.UNKNOWN


def decode_checked(
    raw: bytes, decode: Callable[[bytes], Decoded | None], losses: Losses | None = None
) -> Decoded | None:
    """An image, or None where it is damaged; what is damaged is counted. Never raises.

    Args:
        raw: the encoded image.
        decode: your decoder: bytes in, an image out; None or an exception where it can't.
        losses: the tap, which then reports ``truncated`` or ``corrupt`` in its next window.
    """
    try:
        found = check_encoded(bytes(raw))
    except Exception:  # not bytes at all
        found = Encoded.CORRUPT
    if found in (Encoded.WHOLE, Encoded.UNKNOWN):
        image: Any = None
        try:
            image = decode(raw)
        except Exception:  # what a decoder of somebody else's raises
            found = Encoded.CORRUPT
        if image is not None:
            return image  # type: ignore[no-any-return]
        found = Encoded.CORRUPT
    if losses is not None:
        losses.lose(found.value)
    return None


def _of_length(raw: bytes, expected: int) -> Encoded:
    return Encoded.WHOLE if len(raw) >= expected else Encoded.TRUNCATED


def _jpeg(raw: bytes) -> Encoded:
    """Segment by segment to the scan; behind the scan its end must come."""
    at = 2
    while at + 4 <= len(raw):
        if raw[at] != 0xFF:
            return Encoded.CORRUPT
        marker = raw[at + 1]
        if marker == 0xFF:  # filling
            at += 1
            continue
        if marker == 0xD9:
            return Encoded.CORRUPT  # it ends before a scan began
        (length,) = struct.unpack_from(">H", raw, at + 2)
        if length < 2:
            return Encoded.CORRUPT
        at += 2 + length
        if marker == 0xDA:
            # Cameras append zeros, and some a second picture behind the first.
            return Encoded.WHOLE if raw.find(b"\xff\xd9", at) >= 0 else Encoded.TRUNCATED
    return Encoded.TRUNCATED


def _png(raw: bytes) -> Encoded:
    at = 8
    while at + 12 <= len(raw):
        length, name = struct.unpack_from(">I4s", raw, at)
        if at + 12 + length > len(raw):
            return Encoded.TRUNCATED
        (stated,) = struct.unpack_from(">I", raw, at + 8 + length)
        if zlib.crc32(raw[at + 4 : at + 8 + length]) != stated:
            return Encoded.CORRUPT
        if name == b"IEND":
            return Encoded.WHOLE
        at += 12 + length
    return Encoded.TRUNCATED
