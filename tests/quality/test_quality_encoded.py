"""Damaged images are told before a decoder fills them with grey."""

from __future__ import annotations

import io
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from vigil.quality import Encoded, check_encoded, decode_checked

PICTURE = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
FORMATS = ["JPEG", "PNG", "WEBP", "GIF", "BMP"]


def encoded(form: str, **options) -> bytes:
    out = io.BytesIO()
    Image.fromarray(PICTURE).save(out, form, **options)
    return out.getvalue()


def decode(raw: bytes):
    return np.asarray(Image.open(io.BytesIO(raw)).convert("RGB"))


class Losses:
    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def lose(self, reason: str, n: int = 1) -> None:
        self.counts[reason] += n


@pytest.mark.parametrize("form", FORMATS)
def test_whole_images_are_whole(form):
    losses = Losses()
    assert check_encoded(encoded(form)) is Encoded.WHOLE
    assert decode_checked(encoded(form), decode, losses).shape == (48, 64, 3)
    assert not losses.counts


@pytest.mark.parametrize("options", [{"progressive": True}, {"exif": b"Exif\0\0\xff\xd9" * 20}])
def test_jpegs_of_other_kinds_are_whole(options):
    """An end marker inside the description is not the end; zeros behind it are harmless."""
    raw = encoded("JPEG", **options)
    assert check_encoded(raw + b"\0" * 8) is Encoded.WHOLE
    assert check_encoded(raw[: len(raw) * 2 // 3]) is Encoded.TRUNCATED


@pytest.mark.parametrize("form", FORMATS)
def test_images_cut_at_any_place_are_never_whole(form):
    """Property; at the very front a format can't be told, and then the decoder decides."""
    raw = encoded(form)
    rng = np.random.default_rng(1)
    for end in rng.integers(12, len(raw) - 1, 40):
        assert check_encoded(raw[:end]) in (Encoded.TRUNCATED, Encoded.CORRUPT)
        losses = Losses()
        assert decode_checked(raw[:end], decode, losses) is None
        assert losses.counts.total() == 1


def test_a_damaged_png_is_corrupt():
    raw = bytearray(encoded("PNG"))
    raw[60] ^= 1
    assert check_encoded(bytes(raw)) is Encoded.CORRUPT


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"", "truncated"),
        (b"\xff\xd8\xff\xd9", "truncated"),
        (b"\xff\xd8\xff\xd9\0\0", "corrupt"),
        (b"\xff\xd8\xff\xe0\x00\x01rest", "corrupt"),
        (b"\xff\xd8nothing", "corrupt"),
        (b"<html>502 Bad Gateway</html>", "corrupt"),
    ],
)
def test_what_is_no_image_is_counted_by_what_it_is(raw, expected):
    losses = Losses()
    assert decode_checked(raw, decode, losses) is None
    assert losses.counts == {expected: 1}


def test_a_decoder_that_says_nothing_or_raises_means_corrupt():
    """As cv2 does, which gives None; without anybody to count it is only left out."""
    losses = Losses()
    assert decode_checked(encoded("PNG"), lambda raw: None, losses) is None
    assert losses.counts == {"corrupt": 1}
    assert decode_checked(b"something", lambda raw: None) is None
    assert decode_checked(b"unknown but readable", lambda raw: 5) == 5


@pytest.mark.parametrize("raw", [None, "text", object(), memoryview(b"\xff\xd8\xff")])
def test_what_is_no_bytes_is_a_count_and_no_exception(raw):
    lost = []

    class Losses:
        def lose(self, reason, n=1):
            lost.append((reason, n))

    assert decode_checked(raw, lambda _: 1 / 0, Losses()) is None
    assert len(lost) == 1


def test_a_view_of_whole_bytes_is_decoded():
    whole = memoryview(bytearray(b"GIF89a;"))
    assert decode_checked(whole, len) == 7
