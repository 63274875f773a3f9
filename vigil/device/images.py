"""``vigil.signals.images`` on tensors: the same statistics, on the device where the images are."""

from __future__ import annotations

from vigil.device.tensors import Tensor, torch
from vigil.signals.images import IMAGE_SIGNALS, THUMBNAIL_SIDE
from vigil.signals.strips import BAND, cut_of

CHUNK_PIXELS = 2**21
"""Measured at once: bounds what is borrowed on the device, about 12 float32 planes of it."""

_FULL = 255.0
_CHANNELS = (1, 3, 4)


def channels_last(images: Tensor) -> Tensor | None:
    """A view (n, h, w, c) of images (n, h, w), (n, h, w, c) or (n, c, h, w); None for others."""
    if images.ndim == 3:
        images = images.unsqueeze(-1)
    elif images.ndim == 4 and images.shape[3] not in _CHANNELS and images.shape[1] in _CHANNELS:
        images = images.permute(0, 2, 3, 1)
    if images.ndim != 4 or images.shape[3] not in _CHANNELS or 0 in images.shape[1:3]:
        return None
    return images


def bands_of(images: Tensor) -> Tensor:
    """The rows that the statistics need (``vigil.signals.strips``) of images (n, h, w, c): a view
    (n, bands, rows, w, c), one band with all rows where the image is small."""
    cut = cut_of(*images.shape[1:3])
    if not cut.bands:
        return images.unsqueeze(1)
    reach = (cut.bands - 1) * cut.step + BAND
    return images.narrow(1, cut.first, reach).unfold(1, BAND, cut.step).movedim(-1, 2)


def image_signals(bands: Tensor) -> Tensor:
    """Columns of ``IMAGE_SIGNALS`` for ``bands_of`` n images, as float64 (n, 6)."""
    step = max(1, CHUNK_PIXELS // bands[0, ..., 0].numel())
    parts = [_measure(bands[start : start + step]) for start in range(0, len(bands), step)]
    return parts[0] if len(parts) == 1 else torch().cat(parts)


def _measure(images: Tensor) -> Tensor:
    xp = torch()
    n, bands, height, width, channels = images.shape
    inside = (1, 2, 3)
    missing = xp.full((n,), float("nan"), dtype=xp.float64, device=images.device)
    planes = [images[..., channel] for channel in range(channels)]
    scaled = [_scaled(plane) for plane in planes]
    finite = _finite(scaled) if images.dtype.is_floating_point else None
    scaled = [plane.clamp(0.0, _FULL) for plane in scaled[:3]]
    if channels == 1:
        luma, saturation = scaled[0], missing
    else:
        red, green, blue = scaled
        luma = red * 0.299 + green * 0.587 + blue * 0.114
        saturation = _saturation(red, green, blue)
    mean = luma.mean(dim=inside)
    # The small allowance keeps 1/255 given as a float on the clipped side.
    extreme = (luma - 127.5).abs() >= 126.499
    clipping = extreme.sum(dim=inside).double() / (bands * height * width)
    luma = luma - mean[:, None, None, None]
    deviation = (luma * luma).mean(dim=inside).sqrt()
    sharpness = noise = missing
    if height >= 3 and width >= 3:
        laplacian, mask = _second_differences(luma)
        flat = deviation <= 1e-4
        sharpness = xp.where(flat, 0.0, laplacian / xp.where(flat, 1.0, deviation))
        noise = mask * ((xp.pi / 2) ** 0.5 / 6.0 / _FULL)
    columns = {
        "brightness": mean / _FULL,
        "contrast": deviation / _FULL,
        "sharpness": sharpness,
        "saturation": saturation,
        "clipping": clipping,
        "noise": noise,
    }
    out = xp.stack([columns[name].double() for name in IMAGE_SIGNALS], dim=1)
    return out if finite is None else xp.where(finite[:, None], out, float("nan"))


def _scaled(plane: Tensor) -> Tensor:
    """A plane as float32 in [0, 255], before what lies outside is cut."""
    xp = torch()
    values = plane.to(xp.float32)
    if plane.dtype == xp.uint8:
        return values
    if plane.dtype.is_floating_point or plane.dtype == xp.bool:
        return values * _FULL
    return values * (_FULL / xp.iinfo(plane.dtype).max)


def _finite(planes: list[Tensor]) -> Tensor:
    """Which images are finite in every plane, (n,)."""
    out = planes[0].isfinite().flatten(1).all(dim=1)
    for plane in planes[1:]:
        out = out & plane.isfinite().flatten(1).all(dim=1)
    return out


def _saturation(red: Tensor, green: Tensor, blue: Tensor) -> Tensor:
    xp = torch()
    top = xp.maximum(xp.maximum(red, green), blue)
    spread = top - xp.minimum(xp.minimum(red, green), blue)
    return (spread / xp.where(top == 0, 1.0, top)).mean(dim=(1, 2, 3))


def _second_differences(luma: Tensor) -> tuple[Tensor, Tensor]:
    """Mean absolute Laplacian and response to Immerkaer's mask inside the bands, each (n,)."""
    across = luma[..., :-2] - 2.0 * luma[..., 1:-1] + luma[..., 2:]
    middle = luma[..., 1:-1]
    down = middle[..., :-2, :] - 2.0 * middle[..., 1:-1, :] + middle[..., 2:, :]
    laplacian = (across[..., 1:-1, :] + down).abs().mean(dim=(1, 2, 3))
    mask = across[..., :-2, :] - 2.0 * across[..., 1:-1, :] + across[..., 2:, :]
    return laplacian, mask.abs().mean(dim=(1, 2, 3))


def small_of(images: Tensor) -> Tensor:
    """Every k-th pixel of images (n, h, w, c) so that no side is longer than 64, as a view."""
    step = -(-max(images.shape[1:3]) // THUMBNAIL_SIDE)
    return images[:, ::step, ::step, :3]


def thumbnails(small: Tensor) -> Tensor:
    """``small_of`` some images as uint8; black where an image is not finite."""
    if small.dtype == torch().uint8:
        return small.contiguous()
    scaled = _scaled(small)
    finite = scaled.isfinite().flatten(1).all(dim=1)[:, None, None, None]
    shown = torch().where(finite, scaled.clamp(0.0, _FULL), 0.0)
    return shown.round().to(torch().uint8).contiguous()
