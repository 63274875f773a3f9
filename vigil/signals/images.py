"""Image statistics of a batch, computed on luma.

Source of the noise estimate: Immerkaer, Fast Noise Variance Estimation, 1996. Luma is BT.601,
``0.299 R + 0.587 G + 0.114 B``; a fourth channel is ignored.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vigil.errors import ShapeError
from vigil.signals.strips import Strips
from vigil.values.arrays import as_numpy

IMAGE_SIGNALS = ("brightness", "contrast", "sharpness", "saturation", "clipping", "noise")
THUMBNAIL_SIDE = 64

_FULL = np.float32(255.0)
_BLOCK_PIXELS = 65536
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_CHANNELS = (1, 3, 4)

Float32 = NDArray[np.float32]


def as_images(value: Any, n: int) -> NDArray[Any]:
    """Images as (n, h, w, c) in the type they came in.

    Takes (n, h, w), (n, h, w, c) and (n, c, h, w) with c in 1, 3, 4; where both readings fit, the
    channels are last.

    Raises:
        ShapeError: another shape, or another number of images than n.
    """
    images = as_numpy(value, "images")
    expected = f"({n}, h, w), ({n}, h, w, c) or ({n}, c, h, w) with c 1, 3 or 4"
    found = str(images.shape)
    if images.ndim == 3:
        images = images[..., np.newaxis]
    elif images.ndim == 4 and images.shape[3] not in _CHANNELS and images.shape[1] in _CHANNELS:
        images = np.moveaxis(images, 1, 3)
    if images.ndim != 4 or images.shape[3] not in _CHANNELS or images.shape[0] != n:
        raise ShapeError("images", expected=expected, found=found)
    if n and (images.shape[1] == 0 or images.shape[2] == 0):
        raise ShapeError("images", expected="at least one pixel", found=found)
    return images


def image_signals(images: NDArray[Any], band: int = 0) -> NDArray[np.float64]:
    """Columns of ``IMAGE_SIGNALS`` for images (n, h, w, c), as (n, 6).

    ``band``: where the rows are strips of larger images (``vigil.signals.strips``), how many rows
    are neighbours; 0 for whole images.

    Full scale is 1 for floats (values beyond are clipped) and the largest value of an integer
    type. With luma Y in [0, 1], Laplacian L (4 neighbours) and Immerkaer's mask M, over the
    image's interior:

    * brightness ``mean Y``; contrast ``sd Y``; sharpness ``mean |L| / sd Y`` (0 for a flat image)
    * saturation ``mean (max - min) / max`` over red, green, blue; missing for grey images
    * clipping: share of pixels with ``Y <= 1/255`` or ``Y >= 254/255``
    * noise ``sqrt(pi/2) / 6 * mean |M|``

    An image with a value that is not finite has all of them missing (NaN); an image narrower than
    3 pixels has no sharpness and no noise.
    """
    n, height, width, _ = images.shape
    out = np.full((n, len(IMAGE_SIGNALS)), np.nan)
    block = max(1, _BLOCK_PIXELS // max(1, height * width))
    for start in range(0, n, block):
        _measure(images[start : start + block], out[start : start + block], band or height)
    return out


def _measure(images: NDArray[Any], out: NDArray[np.float64], band: int) -> None:
    n, height, width, channels = images.shape
    scaled, finite = _to_full_scale(images)
    if channels == 1:
        luma = scaled.reshape(n, height * width)
    else:
        luma = (scaled[..., :3] @ _LUMA).reshape(n, height * width)
        out[:, 3] = _saturation(images if images.dtype == np.uint8 else scaled)
    mean = luma.mean(axis=1)
    out[:, 0] = mean / _FULL
    # The small allowance keeps 1/255 given as a float on the clipped side.
    extreme = np.abs(luma - np.float32(127.5)) >= np.float32(126.499)
    out[:, 4] = np.count_nonzero(extreme, axis=1) / (height * width)
    luma = luma - mean[:, np.newaxis]
    deviation = np.sqrt(np.vecdot(luma, luma) / (height * width))
    out[:, 1] = deviation / _FULL
    if band >= 3 and width >= 3:
        laplacian, mask = _second_differences(luma.reshape(-1), n * height, width, band, n)
        flat = deviation <= 1e-4
        out[:, 2] = np.where(flat, 0.0, laplacian / np.where(flat, 1.0, deviation))
        out[:, 5] = np.sqrt(np.pi / 2) / 6.0 * mask / _FULL
    out[~finite] = np.nan


def _saturation(images: NDArray[Any]) -> NDArray[np.float32]:
    """Mean of ``(max - min) / max`` over the colours of each pixel, 0 where they are black; (n,).

    Plane by plane: a reduction over 3 neighbours in memory is 10 times slower.
    """
    red, green, blue = np.ascontiguousarray(np.moveaxis(images[..., :3], 3, 0))
    top = np.maximum(np.maximum(red, green), blue).astype(np.float32)
    spread = top - np.minimum(np.minimum(red, green), blue)
    top[top == 0] = 1.0
    spread /= top
    return np.asarray(spread.reshape(len(images), -1).mean(axis=1), np.float32)


def _to_full_scale(images: NDArray[Any]) -> tuple[Float32, NDArray[np.bool_]]:
    """Images as new float32 in [0, 255], and which of them are finite."""
    n = len(images)
    if images.dtype.kind == "f":
        with np.errstate(over="ignore", invalid="ignore"):
            scaled = np.multiply(images, _FULL, dtype=np.float32, casting="unsafe")
            finite = np.isfinite(scaled.reshape(n, -1).sum(axis=1))
            if not finite.all():
                finite = np.isfinite(scaled).reshape(n, -1).all(axis=1)
                scaled[~finite] = 0.0
        np.clip(scaled, 0.0, _FULL, out=scaled)
        return scaled, finite
    scaled = np.ascontiguousarray(images, np.float32)
    if images.dtype == np.bool_:
        scaled = scaled * _FULL
    elif images.dtype != np.uint8:
        scaled = np.clip(scaled * np.float32(255.0 / np.iinfo(images.dtype).max), 0.0, _FULL)
    return scaled, np.ones(n, bool)


def _second_differences(
    luma: Float32, rows: int, width: int, band: int, n: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean absolute Laplacian and mean absolute response to Immerkaer's mask, each (n,).

    The images lie end to end in ``luma``, so that each difference is one pass over contiguous
    memory; places where it runs over the edge of an image or a band are left out of the mean.
    Immerkaer's mask is the second difference down of the second difference across.
    """
    across = luma[1:-1] * np.float32(-2.0)
    across += luma[:-2]
    across += luma[2:]
    down = luma[width:-width] * np.float32(-2.0)
    down += luma[: -2 * width]
    down += luma[2 * width :]
    reach = len(luma) - 2 * width - 2
    laplacian = np.zeros(len(luma), np.float32)
    np.add(across[width : width + reach], down[1 : 1 + reach], out=laplacian[:reach])
    mask = np.zeros(len(luma), np.float32)
    inner = mask[:reach]
    np.multiply(across[width : width + reach], np.float32(-2.0), out=inner)
    inner += across[:reach]
    inner += across[2 * width : 2 * width + reach]
    shape = (rows // band, band, width)
    return _mean_inside(laplacian, shape, n), _mean_inside(mask, shape, n)


def _mean_inside(flat: Float32, shape: tuple[int, int, int], n: int) -> NDArray[np.float64]:
    bands, band, width = shape
    np.abs(flat, out=flat)
    field = flat.reshape(shape)
    field[:, :, width - 2 :] = 0.0
    field[:, band - 2 :, :] = 0.0
    total = flat.reshape(n, -1).sum(axis=1)
    places = bands // max(1, n) * (band - 2) * (width - 2)
    return np.asarray(total / places, np.float64)


def make_thumbnails(images: NDArray[Any]) -> NDArray[np.uint8]:
    """Images (n, h, w, c) as uint8, every k-th pixel so that no side is longer than 64."""
    step = max(1, -(-max(images.shape[1:3]) // THUMBNAIL_SIDE))
    return as_bytes(images[:, ::step, ::step, :3])


def as_bytes(images: NDArray[Any]) -> NDArray[np.uint8]:
    """Images (n, h, w, c) of any type as uint8, full scale at 255."""
    if images.dtype == np.uint8:
        return np.ascontiguousarray(images)
    scaled, _ = _to_full_scale(images)
    return np.rint(scaled).astype(np.uint8)


def thumbnails_of(images: Any, n: int) -> NDArray[np.uint8]:
    """Thumbnails of n images or of their strips; black where strips came without one.

    Raises:
        ShapeError: as ``as_images``.
    """
    if not isinstance(images, Strips):
        return make_thumbnails(as_images(images, n))
    if images.picked is None or images.small is None:
        if not images.band:
            return make_thumbnails(as_images(images.pixels, n))
        return np.zeros((n, 0, 0, 1), np.uint8)
    small = make_thumbnails(images.small)
    out = np.zeros((n, *small.shape[1:]), np.uint8)
    out[images.picked] = small
    return out


def whole_of(images: Any, n: int) -> tuple[NDArray[np.uint8] | None, ...]:
    """The picked pictures of n images, None for the others; () where none was picked."""
    if not isinstance(images, Strips) or images.picked is None or images.small is None:
        return ()
    found: list[NDArray[np.uint8] | None] = [None] * n
    for row, picture in zip(images.picked.tolist(), images.small, strict=True):
        found[row] = picture if picture.size else None
    return tuple(found)
