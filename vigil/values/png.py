"""A picture as PNG, with the standard library only: for whole pictures that a sample keeps.

Source: PNG Specification, third edition, W3C 2025. Every row is written as its difference from the
row above (filter 2), which compresses pictures well and costs one subtraction.
"""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOUR = {1: 0, 3: 2, 4: 6}
_UP = 2


def to_png(image: NDArray[np.uint8], *, level: int = 1) -> bytes:
    """A picture (h, w, c) uint8 with c in 1, 3, 4 as a PNG file.

    Args:
        level: zlib's, 0 to 9.

    Raises:
        ValueError: another shape or type, or a picture without a pixel.
    """
    if image.ndim != 3 or image.shape[2] not in _COLOUR or image.dtype != np.uint8:
        raise ValueError(f"picture: expected (h, w, c) uint8, found {image.shape} {image.dtype}")
    height, width, channels = image.shape
    if height == 0 or width == 0:
        raise ValueError("picture: expected at least one pixel")
    rows = image.reshape(height, width * channels)
    filtered = np.empty((height, 1 + width * channels), np.uint8)
    filtered[:, 0] = _UP
    filtered[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
    header = struct.pack(">IIBBBBB", width, height, 8, _COLOUR[channels], 0, 0, 0)
    return b"".join(
        [
            _SIGNATURE,
            _chunk(b"IHDR", header),
            _chunk(b"IDAT", zlib.compress(filtered.tobytes(), level)),
            _chunk(b"IEND", b""),
        ]
    )


def size_of(png: bytes) -> tuple[int, int, int] | None:
    """Height, width and channels that a PNG file states; None where it is no picture of ours."""
    if len(png) < 33 or not png.startswith(_SIGNATURE) or png[12:16] != b"IHDR":
        return None
    width, height, depth, colour = struct.unpack(">IIBB", png[16:26])
    channels = {code: count for count, code in _COLOUR.items()}.get(colour)
    return None if channels is None or depth != 8 else (height, width, channels)


def _chunk(name: bytes, body: bytes) -> bytes:
    whole = name + body
    return struct.pack(">I", len(body)) + whole + struct.pack(">I", zlib.crc32(whole))
