"""Black, frozen and repeated frames are found, live pictures are left alone."""

from __future__ import annotations

import numpy as np
import pytest

from vigil.quality.frames import Frames, black_flags, pixel_range
from vigil.quality.hashes import frame_hashes, hamming
from vigil.quality.kinds import DataFault
from vigil.quality.repeats import MOST_CAMERAS, Repeats
from vigil.signals.images import as_images, image_signals
from vigil.signals.strips import strips_of


def scene(seed=0, side=96, channels=3):
    """A picture with structure of a few sizes, as a camera gives."""
    rng = np.random.default_rng(seed)
    out = np.zeros((side, side, channels))
    for cells in (3, 6, 12):
        coarse = rng.random((cells, cells, channels))
        out += np.kron(coarse, np.ones((side // cells, side // cells, 1)))
    return np.clip(out / 3 * 255, 0, 255)


def shots(n=12, seed=0, noise=2.0, **form):
    """The same scene n times with a sensor's noise."""
    rng = np.random.default_rng([7, seed])
    base = scene(seed, **form)
    return np.clip(base + rng.normal(0, noise, (n, *base.shape)), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
def test_noise_and_a_little_light_hardly_change_how_a_frame_looks(dtype, channels):
    """Another scene is far away. The exact hash tells every two frames apart."""
    full = {np.uint8: 1.0, np.float32: 1 / 255, np.uint16: 257.0}[dtype]
    frames = np.concatenate([shots(6, channels=channels), shots(6, seed=5, channels=channels)])
    brighter = np.clip(frames * 0.9 + 8, 0, 255)
    looks, exact = frame_hashes((frames * full).astype(dtype))
    lit, _ = frame_hashes((brighter * full).astype(dtype))
    assert hamming(looks[:6], looks[:1]).max() <= 3
    assert hamming(looks[:6], lit[:6]).max() <= 4
    assert hamming(looks[:6], looks[6:]).min() >= 16
    assert len(set(exact.tolist())) == 12
    again, same = frame_hashes((frames * full).astype(dtype))
    assert (again == looks).all()
    assert (same == exact).all()


def test_one_pixel_changes_the_exact_hash():
    """Property, of pixels in the rows that are looked at; of odd sizes too."""
    rng = np.random.default_rng(3)
    for side in (16, 17, 33):
        frame = rng.integers(0, 256, (1, side, side, 3), np.uint8)
        (before,) = frame_hashes(frame)[1].tolist()
        for _ in range(50):
            other = frame.copy()
            at = int((rng.integers(16) + 0.5) * side / 16), rng.integers(side), rng.integers(3)
            other[0, *at] ^= np.uint8(1 << rng.integers(8))
            assert frame_hashes(other)[1].tolist() != [before]


@pytest.mark.parametrize("shape", [(0, 8, 8, 3), (2, 0, 8, 3), (2, 1, 1, 1), (2, 4, 4, 1)])
def test_images_of_any_size_have_hashes(shape):
    looks, exact = frame_hashes(np.zeros(shape, np.uint8))
    assert len(looks) == len(exact) == shape[0]


def slow(history, cameras, looks, recent=8, bits=3):
    """The same, frame by frame."""
    near = []
    for camera, look in zip(cameras, looks.tolist(), strict=True):
        before = history.setdefault(camera, [])
        near.append(any((one ^ look).bit_count() <= bits for one in before[-recent:]))
        before.append(look)
    return near


def slow_frozen(state, cameras, exact, times, frames=8):
    frozen = []
    for camera, one, when in zip(cameras, exact.tolist(), times.tolist(), strict=True):
        last, run, since = state.get(camera, (None, 0, when))
        last, run, since = (one, run + 1, since) if one == last else (one, 1, when)
        state[camera] = (last, run, since)
        frozen.append(run >= frames and when > since)
    return frozen


def test_whole_batches_say_what_frame_by_frame_says():
    """Property: cameras come mixed, in batches of any size, hashes repeat often."""
    rng = np.random.default_rng(0)
    repeats, near_state, still_state = Repeats(), {}, {}
    now = 0.0
    for _ in range(200):
        n = int(rng.integers(0, 30))
        cameras = [f"c{i}" for i in rng.integers(0, 4, n)]
        looks = rng.integers(0, 2**64, n, dtype=np.uint64)
        copies = rng.random(n) < 0.5
        looks[copies] = np.uint64(0xF0F0) ^ (
            np.uint64(1) << rng.integers(0, 9, copies.sum()).astype(np.uint64)
        )
        exact = rng.choice([1, 2], n, p=[0.95, 0.05]).astype(np.uint64)
        times = np.full(n, now)
        now += float(rng.random() < 0.7)
        near, frozen = repeats.observe(cameras, looks, exact, times)
        assert near.tolist() == slow(near_state, cameras, looks)
        assert frozen.tolist() == slow_frozen(still_state, cameras, exact, times)


def test_copies_that_fill_a_batch_are_not_a_frozen_camera():
    """They are of one moment. The same picture a moment later is."""
    repeats, same = Repeats(), np.full(20, 7, np.uint64)
    assert not repeats.observe(["c"] * 20, same, same, np.zeros(20))[1].any()
    assert repeats.observe(["c"], same[:1], same[:1], np.ones(1))[1].all()


def test_a_frame_from_another_camera_does_not_repeat():
    repeats, same = Repeats(), np.full(2, 7, np.uint64)
    near, _ = repeats.observe(["a", "b"], same, same, np.zeros(2))
    assert not near.any()
    near, _ = repeats.observe(["b", "a"], same, same, np.ones(2))
    assert near.all()


def test_memory_is_bounded_and_the_camera_not_seen_for_longest_is_forgotten():
    repeats = Repeats(cameras=4)
    one = np.array([7], np.uint64)
    for name in ("a", "b", "c", "d", "a", "e"):
        repeats.observe([name], one, one, np.zeros(1))
    assert repeats.observe(["a"], one, one, np.ones(1))[0].tolist() == [True]
    assert repeats.observe(["b"], one, one, np.ones(1))[0].tolist() == [False]
    many = Repeats()
    for i in range(3 * MOST_CAMERAS):
        many.observe([f"c{i}"], one, one, np.zeros(1))
    assert len(many._slots) == MOST_CAMERAS


def flags_of(frames, images, metadata, start=0.0):
    table = image_signals(images)
    times = start + np.arange(len(images), dtype=float)
    return frames.flags(images, metadata, times) | black_flags(table[:, 0], table[:, 1])


def count(flags, kind):
    return int(np.count_nonzero(flags & np.uint32(kind.bit)))


def test_a_live_camera_has_near_duplicates_and_no_fault():
    """A still scene looks alike; its noise shows that it is live."""
    flags = flags_of(Frames(("camera",)), shots(30), [{"camera": "c1"}] * 30)
    assert count(flags, DataFault.NEAR_DUPLICATE) == 29
    assert count(flags, DataFault.FROZEN) == count(flags, DataFault.BLACK) == 0


def test_a_frozen_camera_among_live_ones_is_the_only_one_flagged():
    live, still = shots(40), np.repeat(shots(1, seed=2), 40, axis=0)
    images = np.empty((80, *live.shape[1:]), np.uint8)
    images[::2], images[1::2] = live, still
    metadata = [{"camera": "c1"}, {"camera": "c2"}] * 40
    flags = flags_of(Frames(("camera",)), images, metadata)
    assert count(flags[::2], DataFault.FROZEN) == 0
    assert count(flags[1::2], DataFault.FROZEN) == 40 - 7


def test_black_frames_are_black_and_a_night_scene_is_not():
    rng = np.random.default_rng(0)
    black = rng.integers(0, 3, (5, 96, 96, 3)).astype(np.uint8)
    night = (shots(5) * 0.12).astype(np.uint8)
    flags = flags_of(Frames(("camera",)), np.concatenate([black, night]), [{}] * 10)
    assert count(flags[:5], DataFault.BLACK) == 5
    assert count(flags[5:], DataFault.BLACK) == 0


def test_strips_of_large_images_serve_as_well():
    images = np.repeat(shots(1, side=240), 12, axis=0)
    strips = strips_of(images)
    assert strips.band
    pixels = as_images(strips.pixels, 12)
    flags = flags_of(Frames(("camera",)), pixels, [{}] * 12)
    assert count(flags, DataFault.FROZEN) == 12 - 7
    lively = strips_of(shots(12, side=240))
    flags = flags_of(Frames(("camera",)), as_images(lively.pixels, 12), [{}] * 12)
    assert count(flags, DataFault.FROZEN) == 0


def test_the_range_of_floats_is_measured_and_of_nothing_else():
    images = np.zeros((3, 4, 4, 1), np.float32)
    images[0, 0, 0] = -2.0
    images[1, 1, 1] = 255.0
    images[2, 2, 2] = np.nan
    found = pixel_range(images)
    assert found[:2].tolist() == [[-2.0, 0.0], [0.0, 255.0]]
    assert np.isnan(found[2]).all()
    assert np.isnan(pixel_range(np.zeros((2, 4, 4, 1), np.uint8))).all()
