"""Every record that a window's samples keep was picked when it was recorded."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from vigil_records import a_batch, a_recorder, a_ruler

from vigil import Tap
from vigil.clock import ManualClock
from vigil.measuring.picks import Picker
from vigil.shipping.transport import MemoryTransport
from vigil.split import SHADOW
from vigil.types import utc
from vigil.windows.window import Window

START = 1_700_000_040.0


@pytest.mark.parametrize(("seed", "prefix"), [(0, ""), (1, ""), (2, ""), (0, SHADOW)])
def test_no_record_of_a_sample_was_not_picked(seed, prefix):
    """Many small calls in one window: uniform and informative sample are within the picks, which
    are few; also where a shadow's records are sampled as their inputs are."""
    picker, recorder = Picker("src.boot.", 60.0, 32), a_recorder()
    picked: set[str] = set()
    first = 0
    for i in range(120):
        batch = a_batch(25, seed=seed * 1000 + i, first=first, time_s=START)
        batch = replace(batch, ids=tuple(prefix + one for one in batch.ids), custom_ids=True)
        first += 25
        rows = picker.pick(batch.ids, time_s=START, key=("v1",))
        picked.update(batch.ids[row] for row in rows.tolist())
        recorder.add(batch)
    (window,) = recorder.close()
    assert len(window.sample) == 32
    assert len(window.informative) == 16
    assert {*window.sample.ids, *window.informative.ids} <= picked
    assert len(picked) < 0.75 * first


def test_windows_versions_and_readers_start_over():
    picker = Picker("src.boot.", 60.0, 2)
    ids = [f"r{i}" for i in range(400)]
    picker.pick(ids, time_s=START, key=("v1", 0))
    again = len(picker.pick(ids[:50], time_s=START, key=("v1", 0)))
    assert again < 30
    for time_s, key in ((START + 60, ("v1", 0)), (START, ("v2", 0)), (START, ("v1", 1))):
        assert len(picker.pick(ids[:1], time_s=time_s, key=key)) == 1


def test_thumbnails_of_large_images_come_with_the_sample():
    """Only strips travel, yet each sampled record has the thumbnail of its own image."""
    transport = MemoryTransport({("reader", "v1"): a_ruler().to_bytes()})
    clock = ManualClock(utc(START))
    rng = np.random.default_rng(2)
    tap = Tap("reader", "v1", transport=transport, clock=clock, thumbnails=True, sample_size=4)
    shade: dict[str, int] = {}
    for _ in range(10):
        shades = rng.integers(1, 256, 20, dtype=np.uint8)
        images = np.broadcast_to(shades[:, None, None, None], (20, 200, 180, 3))
        ids = tap.record(images=np.ascontiguousarray(images), outputs=np.full((20, 2), 0.5))
        shade |= dict(zip(ids, shades.tolist(), strict=True))
    tap.close(10)
    windows = [Window.from_bytes(blob) for blob in transport.windows.values()]
    for sample in (windows[0].sample, windows[0].informative):
        assert sample.thumbnails.shape[1:] == (50, 45, 3)
        assert [shade[one] for one in sample.ids] == sample.thumbnails[:, 0, 0, 0].tolist()


class Elsewhere:
    """A tensor on another device whose values can't be had without waiting."""

    device = SimpleNamespace(type="cuda")
    shape = (2, 300, 300, 3)
    is_cuda = True

    def detach(self):
        return self

    def clone(self):
        raise AssertionError("waited for")

    def __array__(self, *_, **__):
        raise AssertionError("waited for")


def test_no_thumbnail_is_worth_waiting_for_a_device(monkeypatch):
    """Images on a GPU are not read in the caller's thread; they go with the call that follows."""
    deferred = []
    tap = Tap("m", "v1", transport=MemoryTransport(), thumbnails=True, device=False)
    intake = tap._home.intake
    monkeypatch.setattr(intake, "_defer", lambda arguments, *_: deferred.append(arguments) or True)
    tap.record(images=Elsewhere(), outputs=np.full((2, 3), 1 / 3))
    tap.close()
    assert len(deferred) == 1
    assert tap.dropped == {}
