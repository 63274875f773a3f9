"""Image statistics equal their formulas, whatever form the images come in."""

from __future__ import annotations

import numpy as np
import pytest

from vigil.errors import ShapeError
from vigil.signals.images import IMAGE_SIGNALS, as_images, image_signals, make_thumbnails

RNG = np.random.default_rng(7)


def measured(images: object, n: int) -> dict[str, np.ndarray]:
    table = image_signals(as_images(images, n))
    return {name: table[:, i] for i, name in enumerate(IMAGE_SIGNALS)}


def by_formula(luma: np.ndarray) -> dict[str, float]:
    """The definitions, written out for one image with values in [0, 1]."""
    laplacian = (
        luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:] - 4 * luma[1:-1, 1:-1]
    )
    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]])
    height, width = luma.shape
    response = sum(
        kernel[i, j] * luma[i : height - 2 + i, j : width - 2 + j]
        for i in range(3)
        for j in range(3)
    )
    return {
        "brightness": luma.mean(),
        "contrast": luma.std(),
        "sharpness": np.abs(laplacian).mean() / luma.std(),
        "clipping": ((luma <= 1 / 255) | (luma >= 254 / 255)).mean(),
        "noise": np.sqrt(np.pi / 2) / 6 * np.abs(response).mean(),
    }


@pytest.mark.parametrize("shape", [(5, 24, 24), (3, 7, 31), (2, 300, 280)])
def test_grey_images_match_the_formulas(shape):
    """Blocks, odd sizes and images larger than a block all give the textbook values."""
    images = RNG.integers(0, 256, shape, dtype=np.uint8)
    found = measured(images, shape[0])
    for row, image in enumerate(images):
        for name, value in by_formula(image / 255.0).items():
            assert found[name][row] == pytest.approx(value, rel=1e-4), name
    assert np.isnan(found["saturation"]).all()


def test_the_three_layouts_and_both_types_agree():
    """(n, h, w, c), (n, c, h, w), bytes and floats of one image give the same numbers."""
    colour = RNG.integers(0, 256, (4, 12, 10, 3), dtype=np.uint8)
    last = image_signals(as_images(colour, 4))
    np.testing.assert_allclose(image_signals(as_images(np.moveaxis(colour, 3, 1), 4)), last)
    floats = (colour / 255.0).astype(np.float32)
    np.testing.assert_allclose(image_signals(as_images(floats, 4)), last, rtol=1e-3, atol=1e-5)
    luma = colour[0] @ np.array([0.299, 0.587, 0.114]) / 255
    assert last[0, 0] == pytest.approx(luma.mean(), rel=1e-5)
    top, low = colour[0].max(axis=2).astype(float), colour[0].min(axis=2)
    assert last[0, 3] == pytest.approx(((top - low) / top).mean(), rel=1e-5)


def test_torch_images_of_any_type_are_read():
    """A bfloat16 tensor that still needs its gradient is measured like the array it holds."""
    torch = pytest.importorskip("torch")
    plain = RNG.random((3, 1, 8, 8)).astype(np.float32)
    tensor = torch.tensor(plain, dtype=torch.bfloat16, requires_grad=True)
    expected = measured(plain, 3)["brightness"]
    np.testing.assert_allclose(measured(tensor, 3)["brightness"], expected, atol=5e-3)


def test_blur_lowers_sharpness_and_noise_raises_noise():
    """The signals move the way their description says."""
    image = RNG.integers(0, 2, (1, 32, 32)).repeat(4, 1).repeat(4, 2)[:, :64, :64] * 0.6 + 0.2
    blurred = sum(np.roll(np.roll(image, i, 1), j, 2) for i in range(5) for j in range(5)) / 25
    noisy = image + RNG.normal(0, 0.05, image.shape)
    plain = measured(image, 1)
    assert measured(blurred, 1)["sharpness"][0] < 0.7 * plain["sharpness"][0]
    assert measured(noisy, 1)["noise"][0] > plain["noise"][0] + 0.01
    smooth = np.full((1, 128, 128), 0.5) + RNG.normal(0, 0.05, (1, 128, 128))
    assert measured(smooth, 1)["noise"][0] == pytest.approx(0.05, rel=0.05)


def test_an_image_that_is_not_finite_is_missing_and_its_neighbours_are_not():
    """One NaN or infinite pixel makes that image's signals missing, no others."""
    images = RNG.random((4, 6, 6))
    images[1, 2, 2], images[2, 0, 0] = np.nan, np.inf
    found = measured(images, 4)
    for name in ("brightness", "contrast", "sharpness", "clipping", "noise"):
        assert np.isnan(found[name]).tolist() == [False, True, True, False], name


def test_a_black_frame_is_flat_and_clipped():
    found = measured(np.zeros((1, 5, 5), np.uint8), 1)
    assert (found["brightness"][0], found["contrast"][0], found["sharpness"][0]) == (0, 0, 0)
    assert found["clipping"][0] == 1


def test_the_edge_of_clipping_is_the_same_for_bytes_and_floats():
    """1/255 counts as clipped and 2/255 does not, in both types."""
    for image in (np.array([[[1, 2, 253, 254]]], np.uint8), np.array([[[1, 2, 253, 254]]]) / 255):
        assert measured(image, 1)["clipping"][0] == 0.5


def test_narrow_images_have_no_sharpness_and_no_noise():
    found = measured(RNG.random((2, 2, 9)), 2)
    assert np.isnan(found["sharpness"]).all()
    assert np.isnan(found["noise"]).all()
    assert np.isfinite(found["contrast"]).all()


@pytest.mark.parametrize(
    "images",
    [np.zeros((2, 3)), np.zeros((2, 5, 4, 5)), np.zeros((3, 4, 4)), np.zeros((2, 0, 4)), "pixels"],
)
def test_other_shapes_are_refused(images):
    with pytest.raises(ShapeError, match="images: expected"):
        as_images(images, 2)


def test_thumbnails_keep_small_images_as_they_are_and_thin_large_ones():
    small = RNG.integers(0, 256, (2, 28, 28, 1), dtype=np.uint8)
    np.testing.assert_array_equal(make_thumbnails(small), small)
    assert make_thumbnails(np.zeros((1, 200, 130, 4), np.uint8)).shape == (1, 50, 33, 3)
    assert make_thumbnails(np.full((1, 4, 4, 1), 0.5)).max() == 128
