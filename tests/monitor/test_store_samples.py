"""Sampled records go into parts and come back; one contract for every place they are kept."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import stored

from monitor.store.samples import FsspecSamples, MemorySamples, SampleStore
from vigil.types import ModelRef, Slice
from vigil.windows.sample import Sample

V2 = ModelRef(name="digits", version="v2")
START = stored.NOON - timedelta(seconds=60)


@pytest.fixture(params=["memory", "folder", "fsspec"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> SampleStore:
    if request.param == "memory":
        return MemorySamples()
    if request.param == "folder":
        return FsspecSamples(str(tmp_path / "samples"))
    return FsspecSamples(f"memory://{tmp_path.name}")


def test_records_come_back_as_they_were(store: SampleStore) -> None:
    """Every column survives, pixels included, in the order of their priority."""
    sent = stored.window(1, sampled=6, pixels=5)
    assert store.write("d/a.parquet", [sent]) is True
    found = store.read(["d/a.parquet"])
    order = np.argsort(sent.sample.priority, kind="stable")
    expected = sent.sample.take(order)
    for name in ("ids", "versions", "metadata", "uris", "trace_ids", "signal_names"):
        assert getattr(found, name) == getattr(expected, name), name
    for name in ("time_s", "prediction", "probabilities", "embedding", "signals", "thumbnails"):
        got, want = getattr(found, name), getattr(expected, name)
        assert got.dtype == want.dtype, name
        assert np.array_equal(got, want), name
    assert found.threshold == float("inf")


def test_two_samples_are_kept_apart(store: SampleStore) -> None:
    """The informative sample is asked for by its kind."""
    store.write("a.parquet", [stored.window(1, sampled=6)])
    assert len(store.read(["a.parquet"])) == 6
    assert len(store.read(["a.parquet"], kind="informative")) == 2


def test_filters_choose_records(store: SampleStore) -> None:
    """By version, model, time and slice; what is asked for in vain is an empty sample."""
    late = stored.NOON + timedelta(hours=1)
    store.write("a.parquet", [stored.window(1), stored.window(2, model=V2, end=late)])
    parts = ["a.parquet"]
    assert set(store.read(parts, version="v2").versions) == {"v2"}
    assert len(store.read(parts, model="digits", deployment="production")) == 8
    assert len(store.read(parts, start=START, end=stored.NOON)) == 4
    assert len(store.read(parts, end=START)) == 0
    sliced = store.read(parts, slice=Slice((("camera", "cam-2"), ("site", "north"))))
    assert {one["camera"] for one in sliced.metadata} == {"cam-2"}
    assert len(store.read(parts, slice=Slice((("camera", "none"),)))) == 0


def test_union_of_parts_is_a_sample(store: SampleStore) -> None:
    """At most as many as wanted, the smallest priorities of all, each id once."""
    windows = [stored.window(i, records=10, sampled=12) for i in range(3)]
    for i, window in enumerate(windows):
        store.write(f"{i}.parquet", [window])
    names = [f"{i}.parquet" for i in range(3)]
    found = store.read([*names, names[0]], limit=20)
    expected = Sample.merge([window.sample for window in windows], 20)
    assert found.ids == expected.ids
    assert found.threshold == expected.threshold


def test_records_of_another_shape_stay_apart(store: SampleStore) -> None:
    """A changed embedding dimension does not break the read: the majority comes back."""
    odd = stored.window(2, sampled=3)
    wide = odd.sample
    object.__setattr__(wide, "embedding", np.zeros((3, 9), np.float16))
    store.write("a.parquet", [stored.window(1, sampled=6), odd])
    found = store.read(["a.parquet"])
    assert found.embedding.shape == (6, 4)


def test_nothing_sampled_is_no_part(store: SampleStore) -> None:
    """A heartbeat writes nothing; a part that is gone is left out."""
    assert store.write("a.parquet", [stored.window(1, records=0, cells=())]) is False
    assert store.parts() == []
    assert len(store.read(["a.parquet", "gone/b.parquet"])) == 0


def test_parts_are_listed_and_deleted(store: SampleStore) -> None:
    """A name may hold a folder; deleting twice is harmless."""
    store.write("2026-11-20/a.parquet", [stored.window(1)])
    store.write("2026-11-21/b.parquet", [stored.window(2)])
    assert store.parts() == ["2026-11-20/a.parquet", "2026-11-21/b.parquet"]
    for _ in range(2):
        store.delete("2026-11-20/a.parquet")
    assert store.parts() == ["2026-11-21/b.parquet"]


def test_one_record_is_forgotten(store: SampleStore) -> None:
    """It leaves both samples; the others stay; the last one takes the part with it."""
    sent = stored.window(1, sampled=3)
    store.write("a.parquet", [sent])
    first, second, third = sent.sample.ids
    assert store.forget("a.parquet", first) == 2
    assert store.forget("a.parquet", first) == 0
    assert set(store.read(["a.parquet"]).ids) == {second, third}
    store.forget("a.parquet", second)
    store.forget("a.parquet", third)
    assert store.parts() == []
    assert store.forget("gone.parquet", "x") == 0


def test_half_written_part_is_not_listed(tmp_path: Path) -> None:
    """A crash while writing leaves a file that no one takes for a part."""
    store = FsspecSamples(str(tmp_path))
    (tmp_path / "a.parquet.tmp").write_bytes(b"PAR1")
    assert store.parts() == []
