"""What is copied into a ring comes out as it went in, whatever was handed to ``record``."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from vigil.pipeline.drain import Drain
from vigil.recording.intake import Intake
from vigil.ring.identity import Identity
from vigil.signals.strips import Strips, strips_of
from vigil.values.objects import Objects

WHO = Identity(model="reader", version="v1", deployment="production", source="here", boot="b0")
RNG = np.random.default_rng(5)


def through(arguments: dict[str, Any], metadata: Any = None, ids: Any = None, n: int = 2):
    """A call as it comes out of a ring."""
    intake = Intake(WHO, folder=None, max_records=1000, max_bytes=2**20)
    assert intake.put(arguments, metadata, n, 7, ids, 12.5, "v1")
    call = Drain(intake.memory, WHO).take()
    assert call is not None
    assert (call.first, call.time_s, call.version, len(call.ids)) == (7, 12.5, "v1", n)
    return call


ARRAYS = {
    "float32": RNG.random((2, 5)).astype(np.float32),
    "float16": RNG.random((2, 5)).astype(np.float16),
    "double": RNG.random((2, 5)),
    "integers": np.array([3, 4]),
    "bytes": RNG.integers(0, 256, (2, 8, 8, 3), dtype=np.uint8),
    "booleans": np.array([True, False]),
    "other byte order": np.arange(6, dtype=">f4").reshape(2, 3),
    "every other column": RNG.random((2, 10))[:, ::2],
    "transposed": RNG.random((5, 2)).T,
    "nothing in it": np.zeros((2, 0)),
    "one number": np.float32(0.25),
}


@pytest.mark.parametrize("array", ARRAYS.values(), ids=ARRAYS)
def test_arrays_of_every_kind(array):
    found = through({"outputs": array}).arguments["outputs"]
    np.testing.assert_array_equal(found, array)
    assert found.dtype == np.asarray(array).dtype


def test_mappings_lists_and_numbers():
    arguments = {
        "embeddings": {"main": np.ones((2, 3)), "second": np.zeros((2, 4), np.float32)},
        "stages_s": {"pre": 0.25, "post": np.array([1.0, 2.0])},
        "latency_s": 0.125,
        "texts": ["plate", None],
        "uris": ["a", "b"],
        "signals": {"fog": [0.5, 0.75], "character_confidence": [np.ones(3), np.ones(1)]},
        "masks": None,
    }
    found = through(arguments).arguments
    np.testing.assert_array_equal(found["embeddings"]["second"], np.zeros((2, 4)))
    assert found["stages_s"]["pre"] == 0.25
    assert found["stages_s"]["post"].tolist() == [1.0, 2.0]
    assert (found["latency_s"], found["texts"], found["uris"]) == (0.125, ["plate", ""], ["a", "b"])
    assert [len(one) for one in found["signals"]["character_confidence"]] == [3, 1]
    assert "masks" not in found


def test_boxes_come_out_as_boxes():
    boxes = Objects.of({"boxes": RNG.random((3, 4)), "counts": [1, 2], "tracks": [4, 5, 6]}, 2)
    found = through({"detections": boxes}).arguments["detections"]
    for field in fields(Objects):
        np.testing.assert_array_equal(getattr(found, field.name), getattr(boxes, field.name))


METADATA = {
    "one for all": ({"site": "a", "port": 8}, {"site": "a", "port": "8"}),
    "columns": ({"site": ["a", "b"], "n": [1, None]}, {"site": ["a", "b"], "n": ["1", "None"]}),
    "an array": ({"camera": np.array([5, 6])}, {"camera": ["5", "6"]}),
    "rows": ([{"site": "a"}, {"site": "b"}], {"site": ["a", "b"]}),
    "rows that differ": ([{"site": "a"}, {"x": 1}], [{"site": "a"}, {"x": "1"}]),
    "a NUL": ({"site": ["a\0b", "c"]}, {"site": ["a?b", "c"]}),
    "not encodable": ({"site": ["\ud800", "ü"]}, {"site": ["?", "ü"]}),
    "no keys": ({}, {}),
    "empty texts": ({"site": ["", ""], "b": ""}, {"site": ["", ""], "b": ""}),
    "an empty column": ({"a": [], "site": ["x", "y"]}, {"a": [], "site": ["x", "y"]}),
}


@pytest.mark.parametrize(("metadata", "expected"), METADATA.values(), ids=METADATA)
def test_metadata_in_all_its_forms(metadata, expected):
    assert through({"outputs": np.zeros((2, 2))}, metadata).arguments["metadata"] == expected


def test_ids_of_the_callers_own_and_those_made_from_numbers():
    own = through({"outputs": np.zeros((2, 2))}, ids=["x", "ÿ"])
    assert (list(own.ids), own.custom_ids) == (["x", "ÿ"], True)
    made = through({"outputs": np.zeros((2, 2))})
    assert (list(made.ids), made.custom_ids) == (["here.b0.7", "here.b0.8"], False)


@pytest.mark.parametrize("layout", ["last", "first", "grey", "view"])
def test_of_large_images_the_strips_arrive(layout):
    images = RNG.integers(0, 256, (2, 230, 240, 3), dtype=np.uint8)
    images = {
        "last": images,
        "first": np.ascontiguousarray(np.moveaxis(images, 3, 1)),
        "grey": images[..., 0],
        "view": images[:, ::-1, 5:235],
    }[layout]
    found = through({"images": images}).arguments["images"]
    expected = strips_of(images)
    np.testing.assert_array_equal(found.pixels, expected.pixels)
    assert (found.band, found.height, found.width) == (4, 230, expected.width)


def test_small_images_arrive_whole():
    images = RNG.random((2, 20, 30)).astype(np.float32)
    found = through({"images": images}).arguments["images"]
    assert isinstance(found, Strips)
    assert found.band == 0
    np.testing.assert_array_equal(found.pixels, images)


def test_calls_that_look_alike_share_a_form_and_new_forms_do_not_pile_up():
    intake = Intake(WHO, folder=None, max_records=10**6, max_bytes=2**22)
    for n in range(1, 600):
        intake.put({"outputs": np.zeros((n % 300 + 1, 2))}, None, 1, n, None, 0.0, "v1")
    assert 0 < len(intake._encoder._forms) <= 256
    for _ in range(50):
        intake.put({"outputs": np.ones((3, 2))}, {"a": ["x"] * 3}, 3, 0, None, 0.0, "v1")
    assert len(intake._encoder._forms) <= 256


ALIKE = [
    ({"outputs": np.zeros((2, 3)), "latency_s": 0.5}, {"site": ["a", "b"]}),
    ({"outputs": np.ones((2, 3)), "latency_s": 0.25}, {"site": ["c", "d"]}),
    ({"outputs": np.ones((2, 3)), "latency_s": 2}, {"site": ["c", "d"]}),
    ({"outputs": np.ones((2, 3), np.float32), "latency_s": 0.25}, {"site": ["c", "d"]}),
    ({"outputs": np.ones((2, 4)), "latency_s": 0.25}, {"site": ["c", "d"]}),
    ({"outputs": np.ones((2, 3)), "latency_s": None}, {"site": ["c", "d"]}),
    ({"outputs": np.ones((2, 3)), "latency_s": 0.25}, {"camera": ["c", "d"]}),
    ({"outputs": np.ones((2, 3)), "latency_s": 0.25}, {"site": "c"}),
    ({"outputs": np.ones((2, 3)), "latency_s": 0.25}, {"site": ["c", 5]}),
    ({"outputs": np.ones((2, 3)), "latency_s": 0.25}, None),
    ({"outputs": [[1.0, 0.0]] * 2, "latency_s": 0.25}, None),
    ({"outputs": {"a": np.ones((2, 3))}, "latency_s": None}, None),
]


@pytest.mark.parametrize("first", range(len(ALIKE)))
def test_a_call_that_nearly_looks_like_the_last_one_is_not_taken_for_it(first):
    """What is known of the last call is used for the next only where it is the same."""
    for arguments, metadata in ALIKE:
        intake = Intake(WHO, folder=None, max_records=1000, max_bytes=2**20)
        drain = Drain(intake.memory, WHO)
        for given, beside in (ALIKE[first], (arguments, metadata), (arguments, metadata)):
            every = {name: given.get(name) for name in ("outputs", "latency_s", "uris")}
            assert intake.put(every, beside, 2, 0, None, 0.0, "v1")
            found = drain.take()
            alone = through(every, beside).arguments
        assert found is not None
        np.testing.assert_equal(found.arguments, alone)
