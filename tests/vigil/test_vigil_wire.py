"""Bytes that are damaged, foreign, too large or from the future are refused, never half read."""

from __future__ import annotations

import struct
import zlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from vigil_records import a_batch, a_recorder, a_ruler

from vigil.errors import FormatVersionError, VigilError, WireError
from vigil.types import WHOLE, Slice
from vigil.windows import wire
from vigil.windows.ruler import Ruler
from vigil.windows.summary import membership, narrow, slices_of, widen
from vigil.windows.window import Window


def a_window() -> Window:
    recorder = a_recorder()
    recorder.add(a_batch(5, thumbnails=True))
    (window,) = recorder.close()
    return window


KINDS = st.sampled_from(["u1", "i1", "i8", "u8", "f2", "f4", "f8", "?"])


@settings(max_examples=50, deadline=None)
@given(
    st.dictionaries(
        st.text(max_size=8),
        KINDS.flatmap(lambda kind: hnp.arrays(kind, hnp.array_shapes(min_dims=0, min_side=0))),
        max_size=4,
    )
)
def test_what_is_packed_comes_back(arrays):
    header, found = wire.unpack(wire.pack({"a": [1, "é", None]}, arrays))
    assert header == {"a": [1, "é", None]}
    assert list(found) == list(arrays)
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


def test_any_damage_to_a_window_is_noticed():
    """Each flipped byte and each cut end is a WireError, whatever part it hits."""
    blob = a_window().to_bytes()
    for position in range(0, len(blob), 37):
        damaged = bytearray(blob)
        damaged[position] ^= 0x55
        with pytest.raises(WireError):
            Window.from_bytes(bytes(damaged))
    for length in (0, 3, 19, len(blob) // 2, len(blob) - 1):
        with pytest.raises(WireError):
            Window.from_bytes(blob[:length])


def test_a_bomb_is_refused_before_it_is_unpacked():
    body = zlib.compress(bytes(10**7), 9)
    blob = struct.pack("<4sIIQ", wire.MAGIC, zlib.crc32(body), 10, 10**12) + body
    with pytest.raises(WireError, match="at most"):
        wire.unpack(blob)
    lying = struct.pack("<4sIIQ", wire.MAGIC, zlib.crc32(body), 10, 100) + body
    with pytest.raises(WireError, match="expected 100 bytes"):
        wire.unpack(lying)


def test_a_window_is_not_a_ruler_and_the_future_is_not_read():
    blob = a_window().to_bytes()
    with pytest.raises(WireError, match="expected a ruler"):
        Ruler.from_bytes(blob)
    header, arrays = wire.unpack(blob)
    with pytest.raises(FormatVersionError, match="reads up to 2"):
        Window.from_bytes(wire.pack({**header, "format": 99}, arrays))


@pytest.mark.parametrize("field", ["source", "model", "summary", "sample", "dropped", "end_s"])
def test_a_window_with_a_field_missing_or_foreign_is_refused(field):
    header, arrays = wire.unpack(a_window().to_bytes())
    for value in (None, 7, "x", [1]):
        if field == "source" and value is not None:
            continue
        broken = {k: v for k, v in header.items() if k != field}
        if value is not None:
            broken[field] = value
        if field == "end_s" and value == 7:
            continue
        with pytest.raises(VigilError):
            Window.from_bytes(wire.pack(broken, arrays))


def test_a_ruler_keeps_its_id_and_another_has_another():
    ruler = a_ruler()
    assert Ruler.from_bytes(ruler.to_bytes()).id == ruler.id
    assert replace(ruler, edges=ruler.edges + 1e-9, id="").id != ruler.id


def test_joined_blobs_are_split_again_and_a_cut_is_noticed():
    blobs = [b"", b"abc", b"x" * 1000]
    joined = wire.join(blobs)
    assert wire.split(joined) == blobs
    for length in (2, len(joined) - 1):
        with pytest.raises(WireError):
            wire.split(joined[:length])


@given(hnp.arrays(np.int64, st.integers(0, 5), elements=st.integers(-(2**63), 2**63 - 1)))
def test_narrow_integers_are_the_same_integers(values):
    np.testing.assert_array_equal(widen(narrow(values)), values)


def test_slices_are_the_whole_the_single_keys_and_the_leaves_that_differ():
    cells = [("a", "1"), ("a", "2"), ("b", "3")]
    slices = slices_of(("site", "camera"), cells)
    assert slices[0] == WHOLE
    texts = [str(one) for one in slices[1:]]
    assert texts == ["site=a", "site=b", "camera=1", "camera=2", "camera=3"]
    table = membership(slices, ("site", "camera"), cells)
    assert table[0].all()
    assert table[1].tolist() == [True, True, False]


@pytest.mark.parametrize("text", ["all traffic", "site=a", "site=a & camera=x=y"])
def test_a_slice_is_read_as_it_is_written(text):
    assert str(Slice.parse(text)) == text


def test_a_slice_without_a_value_is_refused():
    with pytest.raises(ValueError, match="expected key=value"):
        Slice.parse("site")
