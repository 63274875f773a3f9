"""Redactions hide what they should, and what can't be redacted is not kept."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from vigil.privacy import Blur, Crop, Fill, Pixelate, Privacy
from vigil.privacy.pictures import REDACTION_FAILED, Pictures
from vigil.values.files import within
from vigil.values.png import size_of, to_png

BOX = [0.25, 0.25, 0.75, 0.75]
NO_METADATA = [{}] * 3


def noise(n=3, side=64, channels=3):
    return np.random.default_rng(1).integers(1, 256, (n, side, side, channels), np.uint8)


def boxes(rows=(0, 1, 2), classes=None, box=BOX):
    return {
        "boxes": np.tile(np.array(box, np.float32), (len(rows), 1)),
        "row": list(rows),
        "classes": list(classes or [1] * len(rows)),
    }


def kept(
    redact, images=None, *, detections=None, pixels="full", metadata=NO_METADATA, rows=(0, 1, 2)
):
    pictures = Pictures(Privacy(pixels=pixels, redact=redact))
    images = noise() if images is None else images
    found = pictures.of(images, list(rows), len(images), metadata=metadata, detections=detections)
    return found, pictures


@pytest.mark.parametrize(
    "hook", [Fill(margin=0.0), Blur(margin=0.0), Pixelate(boxes="detections", margin=0.0)]
)
def test_the_records_own_boxes_are_hidden_and_the_rest_is_as_it_was(hook):
    """The caller's picture is not touched."""
    images = noise()
    before = images.copy()
    found, _ = kept(hook, images, detections=boxes())
    inside, was = found[:, 16:48, 16:48], before[:, 16:48, 16:48]
    same = (inside == was).mean()
    assert same < 0.02
    outside = np.ones((64, 64), bool)
    outside[16:48, 16:48] = False
    assert (found[:, outside] == before[:, outside]).all()
    assert (images == before).all()
    # What is left varies far less than noise does: nobody reads it.
    assert inside.astype(float).std(axis=(1, 2)).max() < 0.35 * was.astype(float).std()


def test_only_the_named_classes_and_boxes_of_unknown_class_are_hidden():
    images = noise()
    found, _ = kept(Fill(classes=(7,), margin=0.0), images, detections=boxes(classes=[7, 1, -1]))
    changed = (found != images).any(axis=(1, 2, 3))
    assert changed.tolist() == [True, False, True]


def test_a_margin_grows_the_box_and_stays_inside():
    images = noise(1)
    found, _ = kept(Fill(margin=0.5), images, detections=boxes((0,)), metadata=[{}], rows=(0,))
    assert (found == 0).all()


def test_a_box_without_a_place_hides_the_whole_picture():
    images = noise(1)
    found, _ = kept(
        Fill(),
        images,
        detections=boxes((0,), box=[0.9, 0.1, 0.2, 0.3]),
        metadata=[{}],
        rows=(0,),
    )
    assert (found == 0).all()


def test_a_detector_of_ones_own_says_where():
    def faces(images, records):
        assert [one.metadata["camera"] for one in records] == ["c1", "c2"]
        return [[[0.0, 0.0, 0.5, 0.5]], []]

    images = noise()
    found, _ = kept(
        Fill(boxes=faces, margin=0.0),
        images,
        metadata=[{"camera": "c0"}, {"camera": "c1"}, {"camera": "c2"}],
        rows=(1, 2),
    )
    assert (found[0, :32, :32] == 0).all()
    assert (found[0, 32:] == images[1, 32:]).all()
    assert (found[1] == images[2]).all()


def test_pixelate_leaves_one_value_a_square_and_crop_one_region():
    found, _ = kept(Pixelate(block=16))
    assert len(np.unique(found[0, :16, :16, 0])) == 1
    images = noise()
    found, _ = kept(Crop((0.5, 0.0, 1.0, 0.5)), images)
    assert (found[:, :32, 32:] == images[:, :32, 32:]).all()
    found[:, :32, 32:] = 0
    assert not found.any()


def test_hooks_run_one_after_the_other():
    found, _ = kept([Crop((0.0, 0.0, 0.5, 1.0)), Crop((0.25, 0.0, 1.0, 1.0))])
    assert found[:, :, 16:32].all()
    assert not found[:, :, :16].any()
    assert not found[:, :, 32:].any()


def raises(images, records):
    raise RuntimeError("marker-4711 of the picture")


@pytest.mark.parametrize(
    ("hook", "says"),
    [
        (raises, "raises: RuntimeError"),
        (lambda images, records: images[:, :10], "expected"),
        (lambda images, records: images.astype(np.float32), "expected"),
        (lambda images, records: None, "found NoneType"),
        (lambda images, records: images.tolist(), "found list"),
        (Blur(), "Blur: ValueError"),
        (Fill(boxes=lambda images, records: []), "Fill: ValueError"),
    ],
)
@pytest.mark.parametrize("pixels", ["thumbnails", "full"])
def test_a_hook_that_fails_means_no_pixels(hook, says, pixels):
    """Counted, with a reason that holds nothing of the picture. ``Blur`` of detections fails where
    the record came without any."""
    found, pictures = kept([Crop((0.0, 0.0, 1.0, 1.0)), hook], pixels=pixels)
    assert found.size == 0
    assert len(found) == 3
    assert pictures.counts == {REDACTION_FAILED: 3}
    assert says in pictures.problem
    assert "marker-4711" not in pictures.problem


def test_without_pixels_no_hook_is_asked():
    found, pictures = kept(raises, pixels="none")
    assert (found.size, dict(pictures.counts)) == (0, {})


@pytest.mark.parametrize("shape", [(1, 3, 40, 50), (1, 40, 50), (1, 40, 50, 4)])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.uint16])
def test_whole_pictures_and_thumbnails_of_every_form(shape, dtype):
    images = np.full(shape, 1.0 if dtype == np.float32 else np.iinfo(dtype).max, dtype)
    full, _ = kept(None, images, metadata=[{}], rows=(0,))
    small, _ = kept(None, images, pixels="thumbnails", metadata=[{}], rows=(0,))
    assert full.shape[1:3] == (40, 50)
    assert small.shape[1:3] == (40, 50)
    assert (full == 255).all()


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_png_is_what_others_read(channels):
    picture = noise(1, 33, channels)[0]
    raw = to_png(picture)
    assert size_of(raw) == (33, 33, channels)
    with Image.open(io.BytesIO(raw)) as opened:
        back = np.asarray(opened).reshape(picture.shape)
    assert (back == picture).all()


@pytest.mark.parametrize("bad", [np.zeros((2, 2), np.uint8), np.zeros((0, 2, 3), np.uint8)])
def test_what_is_no_picture_is_no_png(bad):
    with pytest.raises(ValueError, match="picture"):
        to_png(bad)
    assert size_of(b"\x89PNG") is None


def test_files_beyond_a_limit_are_left_out():
    assert within([b"12", b"1234", b"1", b"12"], each=3, total=4) == (b"12", b"", b"1", b"")
    assert within([b"1234"], each=3, total=9) == ()


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Crop((0.5, 0.0, 0.5, 1.0)),
        lambda: Blur(boxes="faces"),
        lambda: Pixelate(block=1),
        lambda: Fill(margin=-1.0),
        lambda: Blur(strength=0.0),
    ],
)
def test_a_redaction_that_hides_nothing_sensible_is_refused(wrong):
    with pytest.raises(ValueError, match="expected"):
        wrong()
