"""Whole pictures are stored with the samples, go to label queues, and are deleted with a record."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from monitor.ingest.shapes import sample_problem
from monitor.labelling import pictures as kept
from monitor.store.samples import MemorySamples
from vigil import Tap
from vigil.errors import WireError
from vigil.privacy import Privacy
from vigil.shipping.transport import MemoryTransport
from vigil.values.png import to_png
from vigil.windows import wire
from vigil.windows.window import Window

N = 5


@pytest.fixture(scope="module")
def window() -> Window:
    transport = MemoryTransport()
    images = np.random.default_rng(0).integers(0, 256, (N, 90, 70, 3), np.uint8)
    with Tap("m", "v1", transport=transport, privacy=Privacy(pixels="full")) as tap:
        tap.record(images=images, ids=[f"r{i}" for i in range(N)])
        assert tap.flush()
    made = [Window.from_bytes(blob) for blob in transport.windows.values()]
    (window,) = [one for one in made if len(one.sample)]
    expected = {f"r{i}": to_png(images[i]) for i in range(N)}
    assert dict(zip(window.sample.ids, window.sample.pictures, strict=True)) == expected
    return window


def test_pictures_are_stored_read_and_forgotten(window):
    """Records of the same part that have none are read beside them."""
    samples = MemorySamples()
    bare = replace(
        window, sequence=9, sample=replace(window.sample.take([0]), ids=("x",), pictures=())
    )
    samples.write("a.parquet", [window, bare])
    found = samples.read(["a.parquet"])
    by_id = dict(zip(found.ids, found.pictures, strict=True))
    assert by_id["r3"] == dict(zip(window.sample.ids, window.sample.pictures, strict=True))["r3"]
    assert by_id["x"] == b""
    assert samples.forget("a.parquet", "r3") > 0
    left = samples.read(["a.parquet"])
    assert "r3" not in left.ids
    assert by_id["r3"] not in left.pictures


def test_label_queues_get_the_whole_picture(window):
    """And lose it with the record."""
    samples = MemorySamples()
    batch = kept.keep(samples, "b1", window.sample)
    first, second = window.sample.ids[:2]
    assert batch.png(first) == kept.of(samples, "b1").png(first) == window.sample.pictures[0]
    kept.strike(samples, "b1", [first])
    left = kept.of(samples, "b1")
    assert left.png(first) is None
    assert left.png(second) == window.sample.pictures[1]
    small = kept.keep(samples, "b2", replace(window.sample, pictures=()))
    assert len(small.png(first)) < len(window.sample.pictures[0])


def test_what_is_no_picture_is_refused(window):
    """A service takes PNG files only, and sizes that add up."""
    assert sample_problem(window) == ""
    forged = replace(window, sample=replace(window.sample, pictures=(b"<svg/>",) * N))
    assert "pictures" in sample_problem(forged)
    header, arrays = wire.unpack(window.to_bytes())
    assert header["format"] == 2
    arrays["sample.pictures.sizes"] = arrays["sample.pictures.sizes"] + 1
    with pytest.raises(WireError, match="sizes"):
        Window.from_bytes(wire.pack(header, arrays))
