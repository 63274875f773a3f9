"""``vigil.quality.hashes`` on tensors, and the like: what tells frozen, repeated, black frames."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vigil.device.lane import Lane
from vigil.device.tensors import Tensor, product, torch
from vigil.quality.frames import BLACK_BRIGHTNESS, BLACK_CONTRAST
from vigil.quality.hashes import CELLS, FLAT, ROWS, field_means, multipliers


def frame_parts(bands: Tensor, table: Tensor, names: Sequence[str], lane: Lane) -> list[Tensor]:
    """Of n images: the perceptual and the exact hash, int64 (n,) each, with the bits of
    ``vigil.quality.hashes.frame_hashes``; the range of their values, float32 (n, 2), NaN for
    integers; and whether they are black, uint8 (n,).

    Args:
        bands: ``vigil.device.images.bands_of`` the images.
        table: their signals, columns ``names``.
        lane: their device.
    """
    xp, n = torch(), len(bands)
    if bands.dtype == xp.bfloat16:  # as NumPy, which has no such type, would see it
        bands = bands.to(xp.float32)
    rows = _sixteen(bands)
    dark = xp.ones((n,), dtype=xp.bool, device=bands.device)
    for name, limit in (("brightness", BLACK_BRIGHTNESS), ("contrast", BLACK_CONTRAST)):
        dark = dark & (table[:, names.index(name)] < limit)
    return [_perceptual(rows, lane), _exact(rows, lane), _range(bands), dark.to(xp.uint8)]


def _sixteen(bands: Tensor) -> Tensor:
    n, count, height = bands.shape[:3]
    rows = bands.reshape(n, count * height, *bands.shape[3:])
    at = ((np.arange(2 * ROWS) + 0.5) * (count * height) / (2 * ROWS)).astype(int).tolist()
    if at == list(range(count * height)):
        return rows.contiguous()
    return torch().stack([rows[:, row] for row in at], dim=1)


def _perceptual(rows: Tensor, lane: Lane) -> Tensor:
    xp = torch()
    n, count, width, channels = rows.shape
    whole = not rows.dtype.is_floating_point and rows.dtype != xp.bool
    scale = float(xp.iinfo(rows.dtype).max) if whole else 1.0
    weights = lane.table(
        ("fields", width, channels, scale), lambda: field_means(width, channels, scale)
    )
    flat = rows.reshape(n * count, width * channels).to(xp.float32)
    fields = product(flat, weights).reshape(n, ROWS, 2, CELLS).mean(dim=2)
    bits = (fields[:, :, 1:] - fields[:, :, :-1] > FLAT).reshape(n, 64)
    return (bits.to(xp.int64) * lane.table("bits", _bit_values)).sum(dim=1)


def _bit_values() -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """What each of 64 bits is worth: bytes from the lowest, in each the highest bit first."""
    place = 8 * (np.arange(64) // 8) + 7 - np.arange(64) % 8
    return (np.uint64(1) << place.astype(np.uint64)).view(np.int64)


def _exact(rows: Tensor, lane: Lane) -> Tensor:
    xp, n = torch(), len(rows)
    raw = rows.reshape(n, -1).view(xp.uint8)
    rest = -raw.shape[1] % 8
    if rest:
        raw = xp.nn.functional.pad(raw, (0, rest))
    words = raw.contiguous().view(xp.int64)
    count = words.shape[1]
    factors = lane.table(("factors", count), lambda: multipliers(count).view(np.int64))
    return (words * factors).sum(dim=1)


def _range(bands: Tensor) -> Tensor:
    xp, n = torch(), len(bands)
    if not bands.dtype.is_floating_point:
        return xp.full((n, 2), float("nan"), dtype=xp.float32, device=bands.device)
    flat = bands.reshape(n, -1)
    found = xp.stack([flat.amin(dim=1), flat.amax(dim=1)], dim=1).to(xp.float32)
    return xp.where(found.isfinite().all(dim=1, keepdim=True), found, float("nan"))
