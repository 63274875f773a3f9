"""Signals of labels, masks, texts, embeddings and service against plain NumPy; own signals."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from vigil_records import a_batch, a_ruler

from vigil.catalogue import CATALOGUE, SCALAR_NAMES, TASK_SIGNALS, base_of, signal_of
from vigil.measuring.batch import RecordBatch
from vigil.measuring.columns import counted_classes, signals_of
from vigil.measuring.generic import generic_ruler
from vigil.measuring.measure import Measure
from vigil.measuring.summarise import summarise
from vigil.signals import declare
from vigil.signals.declare import MEASURED, signal
from vigil.signals.masks import areas_of
from vigil.signals.scripts import SCRIPTS, script_shares
from vigil.types import Signal, SignalForm
from vigil.windows.summary import Layout, Summary


@pytest.fixture(autouse=True)
def _forget_declared() -> Iterator[None]:
    """What a test declares is declared there only."""
    before, measured = dict(declare.DECLARED), dict(MEASURED)
    yield
    for table, was in ((declare.DECLARED, before), (MEASURED, measured)):
        table.clear()
        table.update(was)


def measured(measure: Measure, n: int, **arguments: Any) -> RecordBatch:
    return measure.batch(
        ids=[f"r{i}" for i in range(n)],
        counter=np.arange(n, dtype=np.uint64),
        custom_ids=False,
        time_s=0.0,
        version="v1",
        **arguments,
    )


def test_a_classifier_has_the_signals_that_it_always_had() -> None:
    assert a_batch(3).signal_names == SCALAR_NAMES
    assert generic_ruler("m", "v").layout.signals == SCALAR_NAMES


@pytest.mark.parametrize("task", TASK_SIGNALS)
def test_every_signal_of_a_task_has_a_column_a_unit_and_a_range(task: Any) -> None:
    batch = measured(Measure(task=task), 2)
    per_box = {name for name in TASK_SIGNALS[task] if CATALOGUE[name].per == "box"}
    assert set(batch.signal_names) == set(TASK_SIGNALS[task]) - per_box
    assert np.isnan(batch.signals).all()
    for name in TASK_SIGNALS[task]:
        one = CATALOGUE[name]
        assert one.form is SignalForm.SCALAR
        assert one.low < one.high < float("inf")
        assert one.unit
        assert one.description


def test_labels_are_counted_each() -> None:
    """Several a record, none, and a record whose outputs are missing."""
    outputs = np.array([[0.9, 0.8, 0.1], [0.2, 0.3, 0.1], [np.nan, 0.5, 0.5]])
    batch = measured(Measure(task="multilabel"), 3, outputs=outputs)
    np.testing.assert_array_equal(batch.column("label_count"), [2.0, 0.0, np.nan])
    np.testing.assert_allclose(batch.column("label_confidence")[:2], [0.85, 0.0], rtol=1e-6)
    np.testing.assert_allclose(batch.column("label_margin")[:2], [0.6, 0.4], rtol=1e-5)
    p = outputs[0]
    entropy = float(np.mean(-p * np.log2(p) - (1 - p) * np.log2(1 - p)))
    assert batch.column("label_entropy")[0] == pytest.approx(entropy, rel=1e-5)
    rows, classes = counted_classes(batch, 3)
    assert sorted(zip(rows.tolist(), classes.tolist(), strict=True)) == [(0, 0), (0, 1), (2, 3)]
    np.testing.assert_array_equal(batch.prediction, [0, 1, -1])


def test_logits_of_labels_are_sigmoids() -> None:
    measure = Measure(task="multilabel", outputs_are="logits")
    batch = measured(measure, 1, outputs=[[0.0, 100.0, -100.0]])
    np.testing.assert_allclose(batch.probabilities, [[0.5, 1.0, 0.0]], atol=1e-6)


def test_masks_are_shares_of_their_classes() -> None:
    masks = np.zeros((2, 4, 8), np.uint8)
    masks[0, :, 4:] = 2
    masks[0, 0, 0] = 255  # no class
    batch = measured(Measure(task="segmentation"), 2, masks=masks)
    np.testing.assert_allclose(batch.probabilities, [[15 / 31, 0, 16 / 31], [1, 0, 0]], rtol=1e-6)
    np.testing.assert_array_equal(batch.column("mask_count"), [1.0, 0.0])
    np.testing.assert_allclose(batch.column("mask_foreground"), [16 / 31, 0.0], rtol=1e-6)
    np.testing.assert_allclose(batch.column("mask_boundary"), [5 / 28, 0.0])
    rows, classes = counted_classes(batch, 3)
    assert list(zip(rows.tolist(), classes.tolist(), strict=True)) == [(0, 0), (0, 2), (1, 0)]


def test_areas_may_be_given_and_large_masks_are_thinned() -> None:
    given = areas_of({"areas": [[3.0, 1.0], [0.0, 0.0]], "counts": [4, 0]}, 2)
    np.testing.assert_allclose(given.shares, [[0.75, 0.25], [np.nan, np.nan]])
    np.testing.assert_array_equal(given.count, [4, 0])
    rng = np.random.default_rng(0)
    masks = (rng.random((1, 1024, 1024)) < 0.3).astype(np.uint8)
    assert areas_of(masks, 1).shares[0, 1] == pytest.approx(0.3, abs=0.01)


def test_the_area_of_each_class_is_a_signal_of_the_ruler() -> None:
    """A class that no mask of a batch shows has no area, and is not missing."""
    masks = np.zeros((3, 4, 4), np.uint8)
    masks[:, :2] = 1
    batch = measured(Measure(task="segmentation"), 3, masks=masks)
    ruler = generic_ruler("m", "v", classes=3, task="segmentation")
    summary, _, done = summarise(batch, ruler)
    np.testing.assert_allclose(done.column("area_share_1"), [0.5] * 3)
    np.testing.assert_allclose(done.column("area_share_2"), [0.0] * 3)
    assert summary.counts[:, :, -1][0, ruler.layout.signals.index("area_share_2")] == 0


def test_scripts_are_told_by_their_blocks() -> None:
    texts = ["AB 12", "Привет!", "日本ひらカナ한", "سلام", "λόγος", "naïve", "", "₂⅓"]
    shares = script_shares(texts)
    main = [SCRIPTS[i] for i in shares.argmax(axis=1)]
    assert main[1:6] == ["cyrillic", "cjk", "arabic", "greek", "latin"]
    np.testing.assert_allclose(shares[0], [0.5, 0.5, 0, 0, 0, 0, 0])
    np.testing.assert_allclose(shares[5], [0, 1, 0, 0, 0, 0, 0])
    np.testing.assert_array_equal(shares[6:].sum(axis=1), [0.0, 0.0])


def test_what_was_read_is_measured_by_text_and_character() -> None:
    batch = measured(
        Measure(task="ocr"),
        3,
        texts=["abcd", "", "12"],
        signals={"character_confidence": [np.array([0.9, 0.4, 0.8, 0.7]), [], [0.2, 0.4]]},
    )
    np.testing.assert_array_equal(batch.column("text_length"), [4, 0, 2])
    np.testing.assert_allclose(batch.column("text_confidence"), [0.7, 0.0, 0.3])
    np.testing.assert_allclose(batch.column("text_unsure"), [0.25, 0.0, 1.0])
    np.testing.assert_array_equal(batch.column("text_digits"), [0, 0, 1])


def test_stages_batch_size_and_queue_depth_are_service_signals() -> None:
    batch = measured(
        Measure(),
        2,
        stages_s={"decode JPEG": [0.01, np.inf], "model": 0.02},
        signals={"queue_depth": 5},
        batch_size=[2, 2],
    )
    np.testing.assert_array_equal(batch.column("stage_decode_jpeg_s"), [0.01, np.nan])
    np.testing.assert_array_equal(batch.column("stage_model_s"), [0.02, 0.02])
    np.testing.assert_array_equal(batch.column("queue_depth"), [5, 5])
    np.testing.assert_array_equal(batch.column("batch_size"), [2, 2])
    found = signal_of("stage_model_s")
    assert found is not None
    assert (found.unit, str(found.kind)) == ("seconds", "service")
    assert base_of("stage_model_s_spread") == "stage_model_s"


def test_own_values_are_taken_where_declared_and_counted_where_not() -> None:
    """An unknown name costs nothing but itself."""
    speed = signal("speed", unit="km/h", high=200.0, kind="image")
    measure = Measure(signals=[speed, "queue_depth"])
    batch = measured(measure, 2, signals={"speed": [3.0, np.nan], "mood": 1.0, "queue_depth": [1]})
    np.testing.assert_array_equal(batch.column("speed"), [3.0, np.nan])
    assert "mood" not in batch.signal_names
    assert measure.refused == Counter({"unknown_signal": 1, "bad_signal": 1})


def test_a_function_of_the_users_own_that_fails_costs_its_column() -> None:
    @signal("glare", unit="share", kind="image", harm="higher")
    def glare(view: Any) -> Any:
        return (view.images > 250).mean(axis=(1, 2, 3))

    @signal("broken", unit="share")
    def broken(view: Any) -> Any:
        raise RuntimeError("no")

    @signal("short", unit="share")
    def short(view: Any) -> Any:
        return [1.0]

    measure = Measure(signals=["glare", "broken", "short"])
    images = np.full((2, 8, 8, 3), 255, np.uint8)
    images[1] = 0
    batch = measured(measure, 2, images=images)
    np.testing.assert_array_equal(batch.column("glare"), [1.0, 0.0])
    assert np.isnan(batch.column("broken")).all()
    assert np.isnan(batch.column("short")).all()
    assert np.isfinite(batch.column("brightness")).all()
    assert measure.refused == Counter({"signal_failed:broken": 1, "signal_failed:short": 1})


def test_an_own_signal_of_boxes_is_counted_per_box() -> None:
    @signal("box_bottom", unit="share of the height", per="box")
    def box_bottom(view: Any) -> Any:
        return view.objects.boxes[:, 3]

    boxes = {"boxes": [[0, 0, 0.5, 0.5], [0, 0, 0.5, 1.0], [0, 0, 0.1, 0.1]], "counts": [2, 1, 0]}
    batch = measured(Measure(task="detection", signals=["box_bottom"]), 3, detections=boxes)
    ruler = generic_ruler(
        "m", "v", classes=1, task="detection", declared=Measure(signals=["box_bottom"]).own
    )
    summary, _, _ = summarise(batch, ruler)
    row = ruler.layout.signals.index("box_bottom")
    assert summary.counts[0, row].sum() == 3
    assert summary.records[0] == 3
    count = ruler.layout.signals.index("object_count")
    assert summary.counts[0, count, :-1].sum() == 3


def test_plugins_are_modules_that_declare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_signals.py").write_text(
        "from vigil import signal\n"
        "@signal('double_latency', unit='seconds', kind='service', high=120)\n"
        "def double_latency(view):\n"
        "    return None if view.latency_s is None else 2 * view.latency_s\n"
    )
    (tmp_path / "bad_signals.py").write_text("raise RuntimeError('not today')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    for _ in range(2):  # an imported module declares once, and counts for every tap
        measure = Measure(plugins=["my_signals"])
        batch = measured(measure, 2, latency_s=0.5)
        np.testing.assert_array_equal(batch.column("double_latency"), [1.0, 1.0])
    with pytest.raises(ValueError, match="bad_signals: RuntimeError: not today"):
        Measure(plugins=["bad_signals"])
    with pytest.raises(ValueError, match="no_such_module"):
        Measure(plugins=["no_such_module"])
    sys.modules.pop("my_signals")


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("Speed", {}),
        ("a" * 65, {}),
        ("light_spread", {}),
        ("light", {"low": 2.0}),
        ("light", {"high": float("inf")}),
        ("light", {"harm": "worse"}),
        ("light", {"kind": "colour"}),
        ("light", {"tolerance": 1.5}),
        ("brightness", {}),
    ],
)
def test_a_declaration_that_can_not_be_is_refused(name: str, changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"light|Speed|aaaa|brightness|worse|colour"):
        signal(name, unit="share", **changes)


def test_a_tap_knows_only_declared_names() -> None:
    with pytest.raises(ValueError, match="not declared"):
        Measure(signals=["never_heard_of"])
    with pytest.raises(ValueError, match="task: expected one of"):
        Measure(task="poetry")  # type: ignore[arg-type]


def test_a_layout_carries_what_declared_signals_mean() -> None:
    """The service never saw the declaration."""
    own = signal("speed", unit="km/h", high=200.0, harm="higher").signal
    ruler = generic_ruler("m", "v", declared=[own])
    again = Layout.from_json(ruler.layout.as_json())
    assert again == ruler.layout
    assert again.declared == (own,)
    assert isinstance(again.declared[0], Signal)


def test_distances_of_every_embedding_are_measured() -> None:
    from dataclasses import replace

    from vigil.windows.ruler import Projection, Ruler

    rng = np.random.default_rng(3)
    main, text = rng.normal(size=(5, 6)), rng.normal(size=(5, 3))
    batch = measured(Measure(), 5, embeddings={"main": main, "text": text})
    base = a_ruler()
    other = Projection(
        weights=np.zeros((0, 3), np.float32),
        mean=np.zeros(3, np.float32),
        whitening=np.eye(3, dtype=np.float32),
    )
    layout = replace(
        base.layout, keys=(), signals=(*base.layout.signals, "embedding_distance_text")
    )
    ruler = Ruler(
        model=base.model,
        layout=layout,
        edges=np.vstack([base.edges, base.edges[:1]]),
        center=np.append(base.center, 0.0),
        scale=np.append(base.scale, 1.0),
        projection=base.projection,
        others={"text": other},
    )
    ruler = Ruler.from_bytes(ruler.to_bytes())
    summary, _, done = summarise(batch, ruler)
    wanted = np.sqrt((text**2).mean(axis=1))
    np.testing.assert_allclose(done.column("embedding_distance_text"), wanted, rtol=1e-5)
    assert np.isfinite(done.column("embedding_distance")).all()
    assert summary.counts[0, -1, :-1].sum() == 5


def a_detection_batch(seed: int, n: int) -> RecordBatch:
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 5, n)
    corners = rng.random((int(counts.sum()), 2)) * 0.5
    boxes = np.concatenate([corners, corners + 0.1 + 0.4 * rng.random(corners.shape)], axis=1)
    return a_batch(
        n,
        seed=seed,
        task="detection",
        detections={
            "boxes": boxes,
            "counts": counts,
            "scores": rng.random(len(boxes)),
            "classes": rng.integers(0, 4, len(boxes)),
        },
    )


def test_order_inside_a_window_does_not_matter_and_sums_merge_in_any_order() -> None:
    """Boxes included: the same integers come out."""
    ruler = generic_ruler("reader", "v1", ("site", "camera"), 3, task="detection")
    parts = [a_detection_batch(seed, 40) for seed in range(3)]
    whole = RecordBatch.concatenate(parts)
    mixed = whole.take(np.random.default_rng(0).permutation(len(whole)))
    sums = [summarise(part, ruler)[0] for part in (*parts, whole, mixed)]
    first, second, third, together, shuffled = sums
    for left, right in (
        ((first + second) + third, first + (second + third)),
        (third + first + second, Summary.total([together])),
        (Summary.total([shuffled]), Summary.total([together])),
    ):
        assert left.cells == right.cells
        for name in ("records", "counts", "moments", "classes"):
            np.testing.assert_array_equal(getattr(left, name), getattr(right, name))
    assert together.classes.sum() == len(whole.objects or ())
    row = ruler.layout.signals.index("box_size")
    assert together.counts[:, row].sum() == len(whole.objects or ())


def test_signals_of_a_segmenter_follow_its_classes() -> None:
    names = [one.name for one in signals_of("segmentation", 40)]
    assert "area_share_31" in names
    assert "area_share_32" not in names
