"""Baselines of detectors, readers and segmenters from tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from monitor.baselines.load import load_batches
from vigil.errors import BaselineError
from vigil.measuring.batch import RecordBatch
from vigil.measuring.own_signals import signal
from vigil.types import Task


def load(path: Path, task: Task, **changes: Any) -> RecordBatch:
    given: dict[str, Any] = {"model": "m", "version": "v1", "task": task, **changes}
    ((batch, _),) = load_batches(str(path), **given)
    return batch


def test_boxes_in_lists_of_any_length(tmp_path: Path) -> None:
    pq.write_table(
        pa.table(
            {
                "boxes": [[[0.1, 0.1, 0.5, 0.5], [0, 0, 1, 1]], [], None],
                "scores": [[0.9, 0.5], [], []],
                "classes": [[1, 0], [], []],
                "tracks": [[7, 8], [], []],
                "camera": ["a", "b", "b"],
                "stage_decode_s": [0.1, 0.2, 0.3],
            }
        ),
        tmp_path / "boxes.parquet",
    )
    batch = load(tmp_path / "boxes.parquet", "tracking", keys=("camera",))
    assert batch.objects is not None
    np.testing.assert_array_equal(batch.objects.counts, [2, 0, 0])
    np.testing.assert_array_equal(batch.objects.track_ids(), [7, 8])
    np.testing.assert_allclose(batch.column("stage_decode_s"), [0.1, 0.2, 0.3])
    assert batch.metadata == ({"camera": "a"}, {"camera": "b"}, {"camera": "b"})


def test_boxes_padded_in_arrays(tmp_path: Path) -> None:
    boxes = np.full((2, 3, 4), np.nan)
    boxes[0, 1], boxes[1, 0], boxes[1, 2] = [0, 0, 1, 1], [0, 0, 0.5, 0.5], [0.1, 0.1, 0.2, 0.2]
    scores = np.array([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]])
    np.savez(tmp_path / "boxes.npz", boxes=boxes, scores=scores)
    batch = load(tmp_path / "boxes.npz", "detection")
    assert batch.objects is not None
    np.testing.assert_array_equal(batch.objects.counts, [1, 2])
    np.testing.assert_allclose(batch.objects.scores, [0.2, 0.4, 0.6], rtol=1e-6)


def test_texts_areas_and_own_signals(tmp_path: Path) -> None:
    belt = signal("belt_speed_here", unit="m/s", high=5.0)
    pq.write_table(
        pa.table(
            {
                "text": ["ab", None],
                "character_confidence": [[0.5, 0.7], []],
                "belt_speed_here": [1.0, 2.0],
            }
        ),
        tmp_path / "texts.parquet",
    )
    batch = load(tmp_path / "texts.parquet", "ocr", signals=[belt.signal])
    np.testing.assert_array_equal(batch.column("text_length"), [2, 0])
    np.testing.assert_allclose(batch.column("text_confidence"), [0.6, 0.0])
    np.testing.assert_array_equal(batch.column("belt_speed_here"), [1.0, 2.0])
    pq.write_table(pa.table({"areas": [[0.5, 0.5], [1.0, 0.0]]}), tmp_path / "areas.parquet")
    batch = load(tmp_path / "areas.parquet", "segmentation")
    np.testing.assert_allclose(batch.probabilities, [[0.5, 0.5], [1.0, 0.0]])


@pytest.mark.parametrize(
    ("columns", "found"),
    [
        ({"boxes": [[[0.1, 0.1, 0.5]], []]}, "boxes of row 1: expected four corners"),
        ({"boxes": [[[0, 0, 1, 1]], []], "scores": [[], []]}, "scores of row 1: expected 1"),
    ],
)
def test_boxes_that_do_not_fit_are_named_with_their_row(
    columns: dict[str, Any], found: str, tmp_path: Path
) -> None:
    pq.write_table(pa.table(columns), tmp_path / "bad.parquet")
    with pytest.raises(BaselineError, match=found):
        load(tmp_path / "bad.parquet", "detection")
