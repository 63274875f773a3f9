"""What the cameras see: real handwritten digits on the dials of meters at several sites.

The digits are those that ship with scikit-learn (1797 images of 8 x 8, UCI, Alpaydin and Kaynak).
Each camera has its own lighting, tint, framing and noise. Faults change the world, never the
monitor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from sklearn.datasets import load_digits

SIDE = 24
CANVAS = 28
TRAINING_DIGITS = 900

Images = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Camera:
    """One camera. ``light`` and ``ink`` are shares of full scale, ``blur_px`` is the defocus."""

    name: str
    site: str
    light: float
    ink: float
    slope: float
    tint: tuple[float, float, float]
    frame: tuple[int, int]
    noise: float
    blur_px: float = 0.0
    unfamiliar: bool = False

    @property
    def metadata(self) -> dict[str, str]:
        return {"site": self.site, "camera": self.name}


def make_cameras(sites: Sequence[str], per_site: int, rng: np.random.Generator) -> list[Camera]:
    """Cameras of one fleet: alike in kind, each with its own look."""
    return [
        Camera(
            name=f"{site}-{number}",
            site=site,
            light=float(rng.uniform(0.16, 0.30)),
            ink=float(rng.uniform(0.45, 0.62)),
            slope=float(rng.uniform(-0.06, 0.06)),
            tint=tuple(float(t) for t in rng.uniform(0.86, 1.0, 3)),  # type: ignore[arg-type]
            frame=(int(rng.integers(1, 4)), int(rng.integers(1, 4))),
            noise=float(rng.uniform(0.016, 0.022)),
        )
        for site in sites
        for number in range(1, per_site + 1)
    ]


class World:
    """Digits and how a camera renders them; the same seed gives the same world."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng([seed, 1])
        digits = load_digits()
        order = rng.permutation(len(digits.target))
        small = (digits.images[order] / 16.0).astype(np.float32)
        self.labels: NDArray[np.int64] = digits.target[order].astype(np.int64)
        self._familiar = _on_canvas(small)
        self._unfamiliar = _restyle(self._familiar)
        row, column = np.mgrid[0:SIDE, 0:SIDE] / (SIDE - 1) - 0.5
        self._ramp = (row + column).astype(np.float32)
        self._vignette = (1.0 - 0.25 * (row**2 + column**2)).astype(np.float32)

    def training_indices(self) -> NDArray[np.int64]:
        return np.arange(TRAINING_DIGITS)

    def held_out_indices(self) -> NDArray[np.int64]:
        return np.arange(TRAINING_DIGITS, len(self.labels))

    def render(
        self, camera: Camera, indices: NDArray[np.int64], rng: np.random.Generator
    ) -> Images:
        """The digits as one camera sees them, (n, 24, 24, 3) uint8."""
        return self.render_many([camera], [indices], rng)

    def render_many(
        self,
        cameras: Sequence[Camera],
        indices: Sequence[NDArray[np.int64]],
        rng: np.random.Generator,
    ) -> Images:
        """The digits of several cameras, one camera after the other."""
        counts = [len(part) for part in indices]
        every = np.concatenate(list(indices))
        n = len(every)
        who = np.repeat(np.arange(len(cameras)), counts)
        offsets = rng.integers(-1, 2, (n, 2)) + np.array([c.frame for c in cameras])[who]
        offsets = np.clip(offsets, 0, CANVAS - SIDE)
        shape = self._crops(self._familiar)[every, offsets[:, 0], offsets[:, 1]]
        for position, camera in enumerate(cameras):
            rows = who == position
            if camera.unfamiliar:
                picked = (every[rows], offsets[rows, 0], offsets[rows, 1])
                shape[rows] = self._crops(self._unfamiliar)[picked]
            if camera.blur_px > 0:
                shape[rows] = ndimage.gaussian_filter(
                    shape[rows], sigma=(0.0, camera.blur_px, camera.blur_px), mode="nearest"
                )

        def column(name: str) -> NDArray[np.float32]:
            values = np.array([getattr(c, name) for c in cameras], np.float32)
            return values[who][:, None, None]

        exposure = rng.normal(1.0, 0.05, (n, 1, 1)).astype(np.float32)
        luma = column("light") + column("slope") * self._ramp + column("ink") * shape
        luma = luma * self._vignette * exposure
        luma += column("noise") * rng.standard_normal((n, SIDE, SIDE), dtype=np.float32)
        tint = np.array([c.tint for c in cameras], np.float32)[who][:, None, None, :]
        pixels = np.empty((n, SIDE, SIDE, 3), np.uint8)
        for channel in range(3):
            plane = luma * tint[..., channel] * np.float32(255.0)
            pixels[..., channel] = np.clip(plane, 0, 255, out=plane)
        return pixels

    @staticmethod
    def _crops(bank: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.lib.stride_tricks.sliding_window_view(bank, (SIDE, SIDE), axis=(1, 2))


def defocus(cameras: Sequence[Camera], name: str, blur_px: float = 2.2) -> list[Camera]:
    """The same fleet with one camera out of focus."""
    return [replace(c, blur_px=blur_px) if c.name == name else c for c in cameras]


def new_site(
    cameras: Sequence[Camera], site: str, per_site: int, rng: np.random.Generator
) -> list[Camera]:
    """The fleet with one more site, where other hands write other digits.

    The light at the new site is that of cameras which the fleet already has.
    """
    looks = rng.permutation(len(cameras))[:per_site]
    added = [
        replace(cameras[look], name=f"{site}-{number}", site=site, unfamiliar=True, blur_px=0.0)
        for number, look in enumerate(looks, start=1)
    ]
    return [*cameras, *added]


def _on_canvas(small: NDArray[np.float32]) -> NDArray[np.float32]:
    enlarged = np.clip(ndimage.zoom(small, (1, 2.5, 2.5), order=3), 0.0, 1.0)
    margin = (CANVAS - enlarged.shape[1]) // 2
    canvas = np.zeros((len(small), CANVAS, CANVAS), np.float32)
    canvas[:, margin : margin + enlarged.shape[1], margin : margin + enlarged.shape[2]] = enlarged
    return canvas


def _restyle(bank: NDArray[np.float32]) -> NDArray[np.float32]:
    """Slanted the other way, turned and shifted: digits that the model has never seen."""
    angle, shear = np.deg2rad(24.0), 0.25
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = turn @ np.array([[1.0, 0.0], [shear, 1.0]])
    centre = np.full(2, (CANVAS - 1) / 2)
    offset = centre - matrix @ centre + np.array([1.5, -1.5])
    out = np.empty_like(bank)
    for i, image in enumerate(bank):
        out[i] = ndimage.affine_transform(image, matrix, offset=offset, order=1)
    return np.clip(out, 0.0, 1.0)
