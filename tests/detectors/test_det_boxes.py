"""Signals of boxes rest on the number of boxes: scores, effects and plain rules."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from small_fleet.tasks import Scenes, task_baseline

from detectors.effects import effects
from detectors.frame import Part
from detectors.hard_faults import value_faults
from detectors.scores import score
from vigil.measuring.batch import RecordBatch
from vigil.measuring.summarise import summarise
from vigil.windows.baseline import Baseline


def judged(batch: RecordBatch) -> Part:
    baseline = task_baseline("detection")
    return Part(baseline=baseline, summary=summarise(batch, baseline.ruler)[0])


def test_scores_and_effects_count_boxes() -> None:
    """Four times as many values as images, and noise as small as that makes it."""
    batch = Scenes("detection", "x").batch(5, n=400)
    assert batch.objects is not None
    part = judged(batch)
    scores = score([part], "m", "p")
    row = {stream.signal: i for i, stream in enumerate(scores.streams)}
    boxes, images = row["box_size"], row["object_count"]
    assert scores.records[boxes] == len(batch.objects)
    assert scores.records[images] == 400
    ratio = scores.noise[images] / scores.noise[boxes]
    assert ratio == pytest.approx((len(batch.objects) / 400) ** 0.5, rel=0.15)
    found = effects([part], [scores.streams[boxes], scores.streams[images]])
    assert [one.records for one in found.values()] == [len(batch.objects), 400]


def test_classes_of_boxes_are_counted_each() -> None:
    batch = Scenes("detection", "x").batch(6, n=100)
    assert batch.objects is not None
    counted = judged(batch).summary.classes.sum(axis=0)
    np.testing.assert_array_equal(counted[:-1], np.bincount(batch.objects.classes, minlength=3))


def test_boxes_without_a_place_are_a_hard_fault_in_shares_of_boxes() -> None:
    """Half of the boxes have no place: named as a share of boxes; without boxes nothing is."""
    batch = Scenes("detection", "x").batch(7, n=200)
    assert batch.objects is not None
    boxes = batch.objects.boxes.copy()
    items = batch.items.copy()
    boxes[::2] = np.nan
    items[::2, :4] = np.nan
    lost = replace(batch, objects=replace(batch.objects, boxes=boxes), items=items)
    faults = value_faults([judged(lost)], missing_share=0.2)
    assert {one.signal for one in faults} == {"box_size", "box_aspect", "box_x", "box_y"}
    assert all("50% of the boxes" in one.reason for one in faults)
    empty = replace(batch, objects=batch.objects.take([]), items=items[:0]).take(np.arange(0))
    assert value_faults([judged(empty)], missing_share=0.2) == []


def test_a_baseline_of_a_detector_comes_back_from_its_bytes() -> None:
    """Boxes of its sample included, and the hash that it states holds."""
    baseline = task_baseline("detection")
    again = Baseline.from_bytes(baseline.to_bytes())
    assert again.sha256 == baseline.sha256
    assert again.ruler.layout.task == "detection"
    assert again.sample.objects is not None
    assert again.sample.objects.records == len(again.sample)


def test_the_second_embedding_has_a_distance_and_no_features() -> None:
    ruler = task_baseline("embedding").ruler
    assert list(ruler.others) == ["text"]
    assert ruler.others["text"].features == 0
    assert "embedding_distance_text" in ruler.layout.signals
