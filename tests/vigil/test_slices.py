"""A slice's name and back."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from vigil.types import Slice

TRICKY = st.text("ab &%=256 ", max_size=12)


@given(st.lists(st.tuples(st.sampled_from(["site", "camera"]), TRICKY), max_size=3))
@example([("site", "x &"), ("camera", "& y")])
def test_every_slice_is_read_as_it_was_written(pairs):
    piece = Slice(tuple(pairs))
    assert Slice.parse(str(piece)) == piece


def test_ordinary_values_are_written_as_they_are():
    assert str(Slice((("site", "A&B 50%"), ("camera", "c=1")))) == "site=A&B 50% & camera=c=1"
