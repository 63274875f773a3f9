"""What happens to pictures between the scene and the model: the faults of cameras.

A lens takes the pictures of one camera in one window, (n, h, w, 3) uint8, and gives what the
camera delivers instead.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from monitor.demo.world import Images

Lens = Callable[[Images, np.random.Generator], Images]


def glare(images: Images, rng: np.random.Generator) -> Images:
    """The sun stands in the corner of the picture and burns part of it out."""
    height, width = images.shape[1:3]
    row, column = np.mgrid[0:height, 0:width]
    centre = rng.uniform(0.15, 0.45, (len(images), 2)) * (height, width)
    distance = (row - centre[:, :1, None]) ** 2 + (column - centre[:, 1:, None]) ** 2
    light = 300.0 * np.exp(-distance / (2 * (0.3 * height) ** 2))
    return _pixels(images + light[..., None])


def sensor_noise(images: Images, rng: np.random.Generator) -> Images:
    """A sensor that runs hot: noise with a standard deviation of 12 % of full scale."""
    return _pixels(images + rng.normal(0.0, 0.12 * 255.0, images.shape))


def night(images: Images, rng: np.random.Generator) -> Images:
    """The lamp is out: a quarter of the light, and the noise of a high gain."""
    return _pixels(images * 0.25 + rng.normal(0.0, 0.02 * 255.0, images.shape))


def occlusion(images: Images, rng: np.random.Generator) -> Images:
    """Something dark hangs before the lower half of the dial."""
    covered = images.copy()
    top = int(0.45 * images.shape[1])
    covered[:, top:] = _pixels(rng.normal(35.0, 3.0, covered[:, top:].shape))
    return covered


def dirt(images: Images, rng: np.random.Generator) -> Images:
    """A greasy film: half of the light is scattered, and what is left is soft."""
    soft = ndimage.gaussian_filter(images.astype(np.float32), sigma=(0, 1.2, 1.2, 0))
    return _pixels(0.5 * soft + 70.0)


def black(images: Images, rng: np.random.Generator) -> Images:
    """Nothing but black."""
    return np.zeros_like(images)


def colour_cast(images: Images, rng: np.random.Generator) -> Images:
    """White balance gone wrong: green and blue are lost."""
    return _pixels(images * np.array([1.0, 0.5, 0.3]))


def blocks(images: Images, rng: np.random.Generator) -> Images:
    """A link that saves bits: blocks of 8 x 8, of which only the coarsest parts are kept."""
    n, height, width, channels = images.shape
    tiles = images.reshape(n, height // 8, 8, width // 8, 8, channels).astype(np.float32)
    parts = fft.dctn(tiles, axes=(2, 4), norm="ortho")
    parts[:, :, 2:] = 0.0
    parts[:, :, :, :, 2:] = 0.0
    return _pixels(fft.idctn(parts, axes=(2, 4), norm="ortho").reshape(images.shape))


def turned(images: Images, rng: np.random.Generator) -> Images:
    """Someone knocked the camera: it hangs on its side, and the picture is as good as before."""
    return np.ascontiguousarray(np.rot90(images, axes=(1, 2)))


def frozen(frame: NDArray[np.uint8]) -> Lens:
    """The camera delivers one and the same frame, (h, w, 3)."""
    return lambda images, rng: np.broadcast_to(frame, images.shape).copy()


def _pixels(values: NDArray[np.floating]) -> Images:
    clipped: Images = np.clip(values, 0, 255).astype(np.uint8)
    return clipped
