"""Strips stand for an image: small ones whole, large ones by bands that see what it shows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from vigil.measuring.joining import form_of, joined
from vigil.signals.images import IMAGE_SIGNALS, as_images, image_signals, thumbnails_of
from vigil.signals.strips import BAND, cut_of, strips_of

RNG = np.random.default_rng(11)


def scenes(n: int, height: int = 224, width: int = 224) -> np.ndarray:
    """Blocks of colour at random places with some grain, (n, h, w, 3) uint8."""
    coarse = RNG.random((n, height // 28 + 1, width // 28 + 1, 3)).repeat(28, 1).repeat(28, 2)
    grain = RNG.normal(0, 0.04, (n, height, width, 3))
    for image, by in zip(coarse, RNG.integers(0, 28, n), strict=True):
        image[:] = np.roll(image, by, 0)
    return (np.clip(coarse[:, :height, :width] + grain, 0, 1) * 255).astype(np.uint8)


def test_small_images_are_taken_whole():
    images = RNG.integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    strips = strips_of(images)
    assert strips.band == 0
    assert strips.pixels is images


@pytest.mark.parametrize(("height", "width"), [(224, 224), (1080, 1920), (33, 5000), (4000, 40)])
def test_bands_lie_inside_the_image_evenly_and_hold_enough_pixels(height, width):
    cut = cut_of(height, width)
    last = cut.first + (cut.bands - 1) * cut.step
    assert cut.first >= 0
    assert last + BAND <= height
    assert cut.bands * BAND * width >= 3500
    assert abs(cut.first - (height - last - BAND)) <= cut.bands


@pytest.mark.parametrize("layout", ["grey", "last", "first"])
def test_the_rows_are_those_of_the_image(layout):
    images = scenes(3, 230, 226)
    images = {"grey": images[..., 0], "last": images, "first": np.moveaxis(images, 3, 1)}[layout]
    strips = strips_of(images)
    cut = cut_of(230, 226)
    rows = [cut.first + i * cut.step + j for i in range(cut.bands) for j in range(BAND)]
    expected = np.take(images, rows, axis=2 if layout == "first" else 1)
    np.testing.assert_array_equal(strips.pixels, expected)
    assert (strips.height, strips.width, strips.band) == (230, 226, 4)
    assert strips.pixels.flags.c_contiguous


def test_no_difference_runs_over_the_edge_of_a_band():
    """Bands measured together equal each band measured alone, averaged."""
    images = as_images(scenes(4), 4)
    strips = strips_of(images)
    found = image_signals(strips.pixels, strips.band)
    noise = IMAGE_SIGNALS.index("noise")
    bands = strips.pixels.reshape(4, -1, BAND, 224, 3)
    alone = np.mean([image_signals(bands[:, i])[:, noise] for i in range(bands.shape[1])], axis=0)
    np.testing.assert_allclose(found[:, noise], alone, rtol=1e-4)


def test_strips_tell_what_the_whole_images_tell():
    """Over many images the means agree, and blur and darkness show."""
    images = scenes(40)
    whole = image_signals(images)
    strips = strips_of(images)
    found = image_signals(strips.pixels, strips.band)
    np.testing.assert_allclose(found.mean(axis=0), whole.mean(axis=0), rtol=0.15, atol=0.004)
    blurred = sum(np.roll(images.astype(np.float32), i, 2) for i in range(4)) / 4
    blurred = sum(np.roll(blurred, i, 1) for i in range(4)).astype(np.float32) / 4 / 255
    soft = strips_of(blurred)
    sharpness = IMAGE_SIGNALS.index("sharpness")
    after = image_signals(soft.pixels, soft.band)[:, sharpness]
    assert (after < 0.7 * found[:, sharpness]).all()


def test_strips_of_several_calls_are_joined_with_their_thumbnails():
    """Each thumbnail stays beside its image; an image without one is black."""
    first, second = strips_of(scenes(2)), strips_of(scenes(3))
    grey = np.full((1, 8, 8, 3), 90, np.uint8)
    first = replace(first, picked=np.array([1]), small=grey)
    second = replace(second, picked=np.array([2]), small=grey * 2)
    assert form_of(first) == form_of(second)
    together = joined("images", [first, second], [2, 3])
    assert together.pixels.shape[0] == 5
    shown = thumbnails_of(together, 5)
    assert shown.reshape(5, -1).max(axis=1).tolist() == [0, 90, 0, 0, 180]
