"""Signals of boxes and tracks against plain loops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vigil.measuring.batch import make_batch  # noqa: F401 (declares the signals)
from vigil.signals.boxes import coverage, iou, mean_overlap
from vigil.signals.declare import MEASURED
from vigil.signals.following import Follower
from vigil.signals.view import View
from vigil.values.objects import Objects


def some_boxes(seed: int, records: int, most: int = 6, tracks: bool = False) -> Objects:
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, most, records)
    m = int(counts.sum())
    corners = rng.random((m, 2)) * 0.6
    boxes = np.concatenate([corners, corners + 0.02 + 0.35 * rng.random((m, 2))], axis=1)
    given = {"boxes": boxes, "counts": counts, "scores": rng.random(m), "classes": counts[:0]}
    given["classes"] = rng.integers(0, 3, m)
    return Objects.of(given, records, rng.integers(0, 5, m) if tracks else None)


def by_hand(first: Any, second: Any) -> float:
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    shared = max(0.0, float(width)) * max(0.0, float(height))
    sizes = [float((b[2] - b[0]) * (b[3] - b[1])) for b in (first, second)]
    union = sum(sizes) - shared
    return shared / union if union > 0 else 0.0


def of(name: str, objects: Objects) -> Any:
    return MEASURED[name](View(n=objects.records, objects=objects))


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**31), records=st.integers(1, 9))
def test_each_image_is_measured_as_a_loop_would(seed: int, records: int) -> None:
    """Count, scores and overlap of every image, whatever number of boxes it has."""
    objects = some_boxes(seed, records)
    overlap = mean_overlap(objects)
    means, best = of("object_score_mean", objects), of("object_score_max", objects)
    np.testing.assert_array_equal(of("object_count", objects), objects.counts)
    for row in range(records):
        mine = objects.take([row])
        pairs = [by_hand(mine.boxes[i], mine.boxes[j]) for i in range(len(mine)) for j in range(i)]
        assert overlap[row] == pytest.approx(np.mean(pairs) if pairs else 0.0, abs=1e-6)
        assert means[row] == pytest.approx(mine.scores.mean() if len(mine) else 0.0, rel=1e-6)
        assert best[row] == pytest.approx(mine.scores.max(initial=0.0), rel=1e-6)


def test_iou_of_boxes_that_touch_hold_or_miss_each_other() -> None:
    first = np.array([[0, 0, 0.5, 0.5]], np.float32)
    second = np.array(
        [[0, 0, 0.5, 0.5], [0.25, 0, 0.75, 0.5], [0.5, 0.5, 1, 1], [np.nan] * 4], np.float32
    )
    np.testing.assert_allclose(iou(first, second), [[1.0, 1 / 3, 0.0, 0.0]], rtol=1e-6)


def test_coverage_counts_shared_ground_once() -> None:
    """Of two halves that share a quarter, three quarters are covered."""
    boxes = [[0, 0, 0.5, 1], [0.25, 0, 0.75, 1], [0.1, 0.1, 0.2, 0.2]]
    objects = Objects.of({"boxes": boxes, "counts": [2, 0, 1]}, 3)
    np.testing.assert_allclose(coverage(objects), [0.75, 0.0, 0.01], atol=0.005)


def test_coverage_of_small_boxes_is_right_on_average() -> None:
    """A box smaller than a cell of the grid counts as often as its area says."""
    rng = np.random.default_rng(4)
    corner = rng.random((20000, 2)) * 0.98
    boxes = np.concatenate([corner, corner + 0.008], axis=1)
    objects = Objects.of({"boxes": boxes, "counts": np.ones(20000, int)}, 20000)
    assert coverage(objects).mean() == pytest.approx(0.008**2, rel=0.15)


def test_each_box_is_measured_by_its_corners() -> None:
    objects = Objects.of({"boxes": [[0.1, 0.2, 0.5, 0.4]], "counts": [1], "scores": [0.7]}, 1)
    found = {name: float(of(name, objects)[0]) for name in ("box_size", "box_aspect", "box_x")}
    assert found == pytest.approx({"box_size": 0.08**0.5, "box_aspect": 2.0, "box_x": 0.3})
    assert of("box_y", objects) == pytest.approx([0.3])
    assert of("box_score", objects) == pytest.approx([0.7])


def test_boxes_without_a_place_or_score_are_missing() -> None:
    objects = Objects.of({"boxes": [[0.5, 0.5, 0.1, 0.1]], "counts": [1, 0]}, 2)
    assert np.isnan(of("box_size", objects)).all()
    np.testing.assert_array_equal(of("object_score_mean", objects), [np.nan, 0.0])
    np.testing.assert_array_equal(of("object_count", objects), [1.0, 0.0])


def a_frame(*tracks: tuple[int, float]) -> Objects:
    """Boxes of one frame: a track's number and where it stands."""
    boxes = [[x, 0.1, x + 0.1, 0.3] for _, x in tracks]
    return Objects.of({"boxes": boxes, "counts": [len(tracks)]}, 1, [one for one, _ in tracks])


def test_a_track_grows_and_comes_back() -> None:
    """Length counts frames with the track; a return after a gap is a fragment."""
    follower = Follower()
    frames = [a_frame((7, 0.1)), a_frame((7, 0.11), (8, 0.5)), a_frame((8, 0.5)), a_frame((7, 0.1))]
    found = [follower.follow(frame, ["cam"]) for frame in frames]
    assert [one.length.tolist() for one in found] == [[1.0], [2.0, 1.0], [2.0], [3.0]]
    assert [one.fragments.tolist() for one in found] == [[0.0], [0.0], [0.0], [1.0]]
    assert sum(float(one.switches.sum()) for one in found) == 0.0


def test_a_box_in_the_place_of_another_track_is_a_switch() -> None:
    follower = Follower()
    follower.follow(a_frame((1, 0.1), (2, 0.6)), ["cam"])
    swapped = follower.follow(a_frame((2, 0.1), (1, 0.6)), ["cam"])
    fresh = follower.follow(a_frame((3, 0.1), (1, 0.6)), ["cam"])
    assert swapped.switches.tolist() == [2.0]
    assert fresh.switches.tolist() == [1.0]


def test_streams_do_not_see_each_other_and_batches_do_not_matter() -> None:
    """Two cameras in turns, in one call or one by one, give what each alone gives."""
    frames = [some_boxes(seed, 1, tracks=True) for seed in range(20)]
    names = [f"cam{i % 2}" for i in range(20)]
    together = Follower().follow(Objects.concatenate(frames), names)
    one_by_one = Follower()
    singles = [one_by_one.follow(f, [name]) for f, name in zip(frames, names, strict=True)]
    alone = Follower().follow(Objects.concatenate(frames[::2]), ["x"] * 10)
    np.testing.assert_array_equal(together.length, np.concatenate([s.length for s in singles]))
    np.testing.assert_array_equal(together.switches, np.concatenate([s.switches for s in singles]))
    np.testing.assert_array_equal(together.switches[::2], alone.switches)
    np.testing.assert_array_equal(together.fragments[::2], alone.fragments)


def test_what_is_remembered_of_tracks_is_bounded() -> None:
    """Ever new cameras and ever new tracks do not fill the memory."""
    follower = Follower()
    for number in range(400):
        follower.follow(a_frame((number, 0.1)), [f"cam{number}"])
    assert len(follower._streams) == 256
    for number in range(9000):
        follower.follow(a_frame((number, 0.1)), ["one"])
    assert len(follower._streams["one"].seen) <= 4096
