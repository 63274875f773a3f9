"""The recorder seals windows by the records' own time and counts what it can't keep."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from vigil_records import DIMENSION, a_batch, a_ruler

from vigil.measuring.generic import generic_ruler
from vigil.pipeline import open_window
from vigil.pipeline.recorder import MAX_HEARTBEATS, Recorder
from vigil.windows.ruler import Ruler
from vigil.windows.summary import Summary
from vigil.windows.window import Window

START = 1_700_000_040.0  # a whole multiple of 60 s
RULERS = {"v1": a_ruler("v1"), "v2": a_ruler("v2", seed=2)}


def a_recorder(rulers: Callable[[str], Ruler] = RULERS.__getitem__, **changes: Any) -> Recorder:
    given: dict[str, Any] = {
        "model": "reader",
        "deployment": "production",
        "source": "src",
        "boot": "boot",
        "keys": ("site", "camera"),
        "window_s": 60.0,
        **changes,
    }
    return Recorder(rulers=rulers, **given)


def times(windows: list[Window]) -> list[tuple[float, float, int]]:
    return [
        (w.start.timestamp() - START, w.end.timestamp() - START, w.summary.total_records)
        for w in windows
    ]


def test_a_window_is_sealed_by_the_first_record_after_it():
    recorder = a_recorder()
    assert recorder.add(a_batch(3, time_s=START + 59.9)) == []
    windows = recorder.add(a_batch(2, first=3, time_s=START + 60.0))
    assert times(windows) == [(0, 60, 3)]
    assert times(recorder.close()) == [(60, 120, 2)]


def test_a_window_carries_its_records_its_ruler_and_a_ledger_of_all():
    recorder = a_recorder(sample_size=4, informative_size=2)
    batch = a_batch(10, time_s=START)
    recorder.add(batch)
    (window,) = recorder.seal(START + 60)
    assert window.ruler == RULERS["v1"].id
    assert (len(window.sample), len(window.informative), len(window.ledger)) == (4, 2, 10)
    assert window.ledger.counter.tolist() == list(range(10))
    assert window.ledger.ids == ()
    for i in range(10):
        cell = window.summary.cells[window.ledger.cell[i]]
        assert cell == (batch.metadata[i]["site"], batch.metadata[i]["camera"])
    again = Window.from_bytes(window.to_bytes())
    np.testing.assert_array_equal(again.summary.counts, window.summary.counts)
    assert again.sample.ids == window.sample.ids
    assert again.key == ("src", "boot", 0)


def test_batches_add_up_the_same_however_they_are_folded(monkeypatch):
    """Summing as records come or all at the end gives one window, to the last count."""

    def window(fold_records: int) -> Window:
        monkeypatch.setattr(open_window, "FOLD_RECORDS", fold_records)
        recorder = a_recorder(sample_size=8)
        for i in range(6):
            recorder.add(a_batch(7, seed=i, first=7 * i, time_s=START + i))
        (sealed,) = recorder.close()
        return sealed

    piecewise, at_once = window(1), window(10_000)
    assert piecewise.sample.ids == at_once.sample.ids
    assert piecewise.sample.threshold == at_once.sample.threshold
    assert piecewise.summary.cells == at_once.summary.cells
    for name in ("records", "counts", "moments", "classes", "embedded", "features"):
        np.testing.assert_array_equal(
            getattr(piecewise.summary, name), getattr(at_once.summary, name)
        )
    np.testing.assert_array_equal(piecewise.ledger.cell, at_once.ledger.cell)


def test_a_batch_over_several_windows_is_divided():
    recorder = a_recorder()
    windows = recorder.add(a_batch(6, time_s=START + np.array([0, 130.0, 1, 61, 62, 131])))
    windows += recorder.close()
    assert times(windows) == [(0, 60, 2), (60, 120, 2), (120, 180, 2)]
    assert windows[1].ledger.counter.tolist() == [3, 4]


def test_versions_have_windows_of_their_own():
    recorder = a_recorder()
    recorder.add(a_batch(2, time_s=START))
    recorder.add(a_batch(3, first=2, time_s=START, version="v2"))
    windows = recorder.seal(START + 60)
    assert [(w.model.version, w.ruler, w.summary.total_records) for w in windows] == [
        ("v1", RULERS["v1"].id, 2),
        ("v2", RULERS["v2"].id, 3),
    ]


def test_a_ruler_changes_only_between_windows():
    """A baseline that arrives in the middle of a window waits for the next."""
    offered = [generic_ruler("reader", "v1", ("site", "camera"))]
    recorder = a_recorder(lambda version: offered[0])
    recorder.add(a_batch(2, time_s=START))
    offered[0] = RULERS["v1"]
    recorder.add(a_batch(2, first=2, time_s=START + 30))
    (first,) = recorder.add(a_batch(2, first=4, time_s=START + 60))
    (second,) = recorder.close()
    assert first.summary.total_records == 4
    assert first.ruler == generic_ruler("reader", "v1", ("site", "camera")).id
    assert second.ruler == RULERS["v1"].id


def test_records_of_a_sealed_window_make_another_of_the_same_time():
    recorder = a_recorder()
    recorder.add(a_batch(2, time_s=START))
    recorder.seal(START + 60)
    late = recorder.add(a_batch(1, first=2, time_s=START + 59))
    assert times(late) == [(0, 60, 1)]
    assert late[0].sequence == 1


def test_records_that_are_far_too_late_are_counted():
    recorder = a_recorder(late_s=120)
    recorder.add(a_batch(1, time_s=START + 600))
    assert recorder.add(a_batch(5, first=1, time_s=START)) == []
    (window,) = recorder.close()
    assert window.dropped == {"late": 5}
    assert recorder.dropped_total == {"late": 5}


def test_a_clock_that_was_wrong_and_is_put_right_does_not_stop_the_recording():
    """After a leap into the future and back, records count again once the clock is right."""
    recorder = a_recorder(late_s=120)
    recorder.add(a_batch(1, time_s=START + 1e6))
    recorder.seal(START)
    recorder.add(a_batch(3, first=1, time_s=START + 1))
    assert recorder.dropped_total == {}
    assert (0, 60, 3) in times(recorder.seal(START + 60))


def test_times_that_are_no_times_are_counted():
    recorder = a_recorder()
    recorder.add(a_batch(4, time_s=np.array([np.nan, -1.0, 1e15, START])))
    (window,) = recorder.close()
    assert (window.summary.total_records, window.dropped) == (1, {"bad_time": 3})


def test_silence_is_told_by_heartbeats():
    """A source that is alive and sees nothing says so, once a window, with what it dropped."""
    recorder = a_recorder(version="v1")
    assert recorder.seal(START) == []
    recorder.drop("queue_full", 7)
    beats = recorder.seal(START + 125)
    assert times(beats) == [(0, 60, 0), (60, 120, 0)]
    assert [dict(beat.dropped) for beat in beats] == [{"queue_full": 7}, {}]
    assert recorder.seal(START + 130) == []
    recorder.add(a_batch(1, time_s=START + 131))
    assert times(recorder.seal(START + 180)) == [(120, 180, 1)]


def test_a_sleeping_machine_does_not_claim_to_have_been_alive():
    recorder = a_recorder(version="v1")
    recorder.seal(START)
    assert len(recorder.seal(START + 60 * 1000)) == MAX_HEARTBEATS


def test_sequences_count_up_without_gaps():
    recorder = a_recorder()
    windows = [
        window
        for i in range(5)
        for window in recorder.add(a_batch(1, first=i, time_s=START + 60 * i))
    ]
    assert [window.sequence for window in windows + recorder.close()] == [0, 1, 2, 3, 4]


def test_closing_early_cuts_the_window_short():
    recorder = a_recorder()
    recorder.add(a_batch(1, time_s=START))
    assert times(recorder.close(START + 10.5)) == [(0, 10.5, 1)]


def test_custom_ids_are_in_the_ledger():
    recorder = a_recorder()
    recorder.add(a_batch(1, time_s=START))
    recorder.add(a_batch(2, first=1, ids=["x", "y"], custom_ids=True, time_s=START))
    (window,) = recorder.close()
    assert window.ledger.ids == ("src.boot.0", "x", "y")


@pytest.mark.parametrize("fold_records", [1, 10_000])
def test_shapes_that_change_within_a_window_lose_only_what_does_not_fit(monkeypatch, fold_records):
    """Records without embedding, of another dimension, with other classes or sizes all count."""
    monkeypatch.setattr(open_window, "FOLD_RECORDS", fold_records)
    recorder = a_recorder(keep_thumbnails=True, sample_size=100)
    plain = {"time_s": START, "thumbnails": True}
    recorder.add(a_batch(2, embeddings=None, outputs=None, images=None, **plain))
    recorder.add(a_batch(2, first=2, **plain))
    recorder.add(a_batch(2, first=4, embeddings=np.ones((2, 99)), **plain))
    recorder.add(a_batch(2, first=6, outputs=np.full((2, 7), 1 / 7), **plain))
    recorder.add(a_batch(2, first=8, images=np.full((2, 18, 16, 3), 200, np.uint8), **plain))
    (window,) = recorder.close()
    assert window.summary.total_records == 10
    assert int(window.summary.embedded.sum()) == 6
    assert window.dropped == {}
    sample = window.sample
    assert sample.embedding.shape == (10, DIMENSION)
    assert sample.thumbnails.shape == (10, 9, 8, 1)
    by_id = {one: i for i, one in enumerate(sample.ids)}
    assert np.isnan(sample.embedding[by_id["src.boot.4"]]).all()
    assert np.isfinite(sample.embedding[by_id["src.boot.2"]]).all()
    assert (sample.thumbnails[by_id["src.boot.9"]] == 200).all()
    assert Window.from_bytes(window.to_bytes()).summary.total_records == 10


def test_a_version_without_baseline_is_summed_with_a_generic_ruler():
    recorder = a_recorder(lambda version: generic_ruler("reader", version, ("site",)))
    recorder.add(a_batch(3, time_s=START))
    assert recorder.keys_differ
    (window,) = recorder.close()
    assert Summary.total([window.summary]).total_records == 3
    assert (window.sample.embedding.shape[1], int(window.summary.embedded.sum())) == (DIMENSION, 3)


def test_nan_embeddings_count_as_missing():
    recorder = a_recorder()
    batch = a_batch(3, time_s=START)
    recorder.add(replace(batch, embedding=np.full_like(batch.embedding, np.nan)))
    (window,) = recorder.close()
    assert (window.summary.total_records, int(window.summary.embedded.sum())) == (3, 0)


def test_a_window_without_length_is_refused():
    with pytest.raises(ValueError, match="window_s"):
        a_recorder(window_s=0)
