"""What is measured on a device is what NumPy measures: sums bit for bit, signals closely."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from vigil_records import CLASSES, DIMENSION, START, a_batch, a_ruler

from vigil.catalogue import SCALAR_NAMES
from vigil.device.accumulator import DeviceAccumulator
from vigil.device.block import Block, form_of, pieces_of
from vigil.device.call import DeviceCall
from vigil.device.columns import Columns, columns_of
from vigil.device.frames import frame_parts
from vigil.device.images import bands_of
from vigil.device.lane import HostLane
from vigil.device.ruler import DeviceRuler
from vigil.device.tensors import product
from vigil.measuring.summarise import cells_of, summarise
from vigil.quality.frames import pixel_range
from vigil.quality.hashes import frame_hashes, hamming
from vigil.signals.images import IMAGE_SIGNALS, as_images
from vigil.signals.strips import strips_of
from vigil.windows.ruler import Ruler
from vigil.windows.summary import SUMMED, Summary

S = len(SCALAR_NAMES)
DISTANCE = SCALAR_NAMES.index("embedding_distance")


def without_projection(ruler: Ruler) -> Ruler:
    layout = replace(ruler.layout, features=0)
    return replace(ruler, layout=layout, projection=None, id="")


def summed(ruler: Ruler, batches: list[Any], room: int = 256) -> Summary:
    """The batches through the accumulator, one after the other."""
    lane, cells = HostLane(), ()
    with lane.work(()):
        sums = DeviceAccumulator(DeviceRuler(ruler, lane), lane, room)
        for batch in batches:
            cells, rows = cells_of(batch, ruler.layout.keys, max_cells=room, known=cells)
            sums.add(
                torch.from_numpy(batch.signals.copy()),
                batch.signal_names,
                torch.from_numpy(batch.prediction.astype(np.int64)),
                torch.from_numpy(batch.embedding) if batch.embedding.size else None,
                torch.from_numpy(rows),
            )
        return sums.summary(sums.download(len(cells)), cells)


def expected(ruler: Ruler, batches: list[Any]) -> Summary:
    return Summary.total([summarise(batch, ruler)[0] for batch in batches])


def sorted_sums(summary: Summary) -> Summary:
    return Summary.total([summary])


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_sums_are_those_of_numpy_bit_for_bit(data):
    """Values on the edges, missing and endless ones, classes beyond the ruler's: all the same."""
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1), "seed"))
    ruler = without_projection(a_ruler(seed=int(rng.integers(100))))
    batches = []
    for _ in range(data.draw(st.integers(1, 3), "calls")):
        batch = a_batch(data.draw(st.integers(1, 40), "n"), seed=int(rng.integers(1000)))
        signals = rng.normal(0.5, 2.0, batch.signals.shape)
        on_edges = rng.choice(ruler.edges.reshape(-1), signals.shape)
        odd = rng.choice([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e300, -1e300, 5e-324], signals.shape)
        kind = rng.integers(0, 3, signals.shape)
        batches.append(
            replace(
                batch,
                signals=np.choose(kind, [signals, on_edges, odd]),
                prediction=rng.integers(-1, CLASSES + 3, len(batch)).astype(np.int32),
                embedding=rng.choice(
                    [0.0, 1.0, np.nan, np.inf], (len(batch), DIMENSION), p=[0.45, 0.45, 0.05, 0.05]
                ).astype(np.float32),
            )
        )
    found, wanted = sorted_sums(summed(ruler, batches)), expected(ruler, batches)
    assert found.cells == wanted.cells
    for name in SUMMED:
        np.testing.assert_array_equal(getattr(found, name), getattr(wanted, name), err_msg=name)


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**32 - 1))
def test_equal_edges_take_a_value_as_numpy_does(seed):
    """Quantiles of a discrete signal coincide: the value belongs to the bin above all of them."""
    rng = np.random.default_rng(seed)
    ruler = replace(
        without_projection(a_ruler()),
        edges=np.sort(rng.integers(0, 3, (S, 7)) / 2.0, axis=1),
        id="",
    )
    values = rng.integers(-1, 4, (50, S)) / 2.0
    lane = HostLane()
    device = DeviceRuler(ruler, lane)
    np.testing.assert_array_equal(device.digitise(torch.from_numpy(values)), ruler.digitise(values))
    np.testing.assert_array_equal(
        device.standardise(torch.from_numpy(values)), ruler.standardise(values)
    )


def test_features_and_distance_are_those_of_numpy_within_rounding():
    ruler, batch = a_ruler(), a_batch(200)
    broken = batch.embedding.copy()
    broken[3, 1], broken[9] = np.nan, np.inf
    batch = replace(batch, embedding=broken)
    found, wanted = sorted_sums(summed(ruler, [batch])), expected(ruler, [batch])
    for name in ("records", "classes", "embedded"):
        np.testing.assert_array_equal(getattr(found, name), getattr(wanted, name))
    # Each of up to 200 cosines may round to the next unit of 2**-20.
    assert np.abs(found.features - wanted.features).max() <= 200
    others = [i for i in range(S) if i != DISTANCE]
    np.testing.assert_array_equal(found.counts[:, others], wanted.counts[:, others])
    np.testing.assert_array_equal(found.moments[:, others], wanted.moments[:, others])
    assert np.abs(found.counts[:, DISTANCE] - wanted.counts[:, DISTANCE]).sum() <= 2
    assert found.embedded.sum() == 198


def test_an_embedding_of_another_size_is_not_counted():
    batch = replace(a_batch(5), embedding=np.ones((5, DIMENSION + 1), np.float32))
    found = summed(a_ruler(), [batch])
    assert found.embedded.sum() == 0
    assert found.features.sum() == 0


def test_features_do_not_depend_on_what_precision_the_caller_allows():
    """TF32 keeps 10 bits of a float32: a Fourier feature would be off by a hundredth."""
    rng = np.random.default_rng(2)
    left = torch.from_numpy(rng.normal(size=(8, 512)).astype(np.float32))
    right = torch.from_numpy(rng.normal(size=(512, 16)).astype(np.float32))
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("high")
        reduced = product(left, right)
    finally:
        torch.set_float32_matmul_precision(before)
    wanted = left.double() @ right.double()
    assert reduced.dtype == torch.float32
    torch.testing.assert_close(reduced, wanted.float(), rtol=0, atol=0)


def test_signals_that_records_lack_are_missing_and_those_of_boxes_are_not_counted():
    names = (*SCALAR_NAMES[:3], "humidity", "box_size", "latency_s")
    ruler = a_ruler()
    layout = replace(ruler.layout, signals=names, features=0)
    ruler = replace(
        ruler,
        layout=layout,
        edges=ruler.edges[: len(names)],
        center=ruler.center[: len(names)],
        scale=ruler.scale[: len(names)],
        projection=None,
        id="",
    )
    lane, batch = HostLane(), a_batch(30)
    with lane.work(()):
        sums = DeviceAccumulator(DeviceRuler(ruler, lane), lane, 256)
        assert sums.ruler.lacking(SCALAR_NAMES) == ["humidity"]
        cells, rows = cells_of(batch, ruler.layout.keys, max_cells=256)
        table = np.concatenate([batch.signals, np.full((30, 1), np.nan)], axis=1)
        sums.add(
            torch.from_numpy(table),
            (*SCALAR_NAMES, "humidity"),
            torch.from_numpy(batch.prediction.astype(np.int64)),
            torch.from_numpy(batch.embedding),
            torch.from_numpy(rows),
        )
        found = sorted_sums(sums.summary(sums.download(len(cells)), cells))
    wanted = expected(ruler, [batch])
    for name in SUMMED:
        np.testing.assert_array_equal(getattr(found, name), getattr(wanted, name), err_msg=name)
    assert found.counts[:, 4].sum() == 0
    assert found.counts[:, 3, -1].sum() == 30


def measured(outputs_are: Any = "probabilities", **tensors: Any) -> Columns:
    """Tensors through a block, as ``record`` and the collector treat them."""
    n = len(next(iter(tensors.values())))
    given = (tensors.get("images"), tensors.get("embeddings"), tensors.get("outputs"))
    pieces = pieces_of(*given, n, thumbnails=False)
    assert pieces is not None
    block = Block(form_of(pieces, "v1", n), HostLane())
    ids = [str(i) for i in range(n)]
    block.put(
        DeviceCall(ids=ids, first=0, custom_ids=False, time_s=START, version="v1", arguments={}),
        pieces,
    )
    table = torch.full((n, S), float("nan"), dtype=torch.float64)
    return columns_of(block, table, SCALAR_NAMES, outputs_are)


def assert_close_signals(found: Columns, batch: Any) -> None:
    np.testing.assert_allclose(found.table.numpy(), batch.signals, rtol=2e-4, atol=2e-6)
    np.testing.assert_array_equal(found.classes.numpy(), batch.prediction)


def pictures(height: int = 40, width: int = 33, channels: int = 3) -> np.ndarray:
    rng = np.random.default_rng(5)
    smooth = np.linspace(0, 1, width)[None, None, :, None] * rng.random((6, 1, 1, channels))
    return np.clip(smooth + rng.normal(0, 0.1, (6, height, width, channels)), 0, 1)


IMAGE_KINDS = {
    "uint8": lambda x: torch.from_numpy((x * 255).astype(np.uint8)),
    "int16": lambda x: torch.from_numpy((x * 32767).astype(np.int16)),
    "int32": lambda x: torch.from_numpy((x * (2**31 - 1)).astype(np.int32)),
    "bool": lambda x: torch.from_numpy(x > 0.5),
    "float16": lambda x: torch.from_numpy(x.astype(np.float16)),
    "bfloat16": lambda x: torch.from_numpy(x).to(torch.bfloat16),
    "float32": lambda x: torch.from_numpy(x.astype(np.float32)) * 1.2 - 0.1,
    "float64": torch.from_numpy,
}


@pytest.mark.parametrize("kind", IMAGE_KINDS)
@pytest.mark.parametrize("shape", [(40, 33, 3), (224, 230, 3), (64, 20, 1), (9, 8, 4), (2, 5, 3)])
def test_image_signals_of_every_type_are_those_of_numpy(kind, shape):
    """Large images by their strips, small ones whole; too small ones have no sharpness."""
    images = IMAGE_KINDS[kind](pictures(*shape))
    assert_close_signals(measured(images=images), a_batch(6, **only(images=images)))


def only(**given: Any) -> dict[str, Any]:
    return {"images": None, "embeddings": None, "outputs": None, "latency_s": None, **given}


LAYOUTS = {
    "channels first": lambda x: x.permute(0, 3, 1, 2).contiguous(),
    "channels last": lambda x: x.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last),
    "a part of a larger image": lambda x: torch.nn.functional.pad(x, (0, 0, 2, 3, 1, 4))[
        :, 1:-4, 2:-3
    ],
    "mirrored": lambda x: x.flip(2).transpose(1, 2).contiguous().transpose(1, 2),
    "grey without a channel": lambda x: x[..., 1],
    "one image for all": lambda x: x[:1].expand(6, -1, -1, -1),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("size", [(40, 33), (200, 231)])
def test_image_signals_do_not_depend_on_how_the_images_lie_in_memory(layout, size):
    images = LAYOUTS[layout](torch.from_numpy(pictures(*size).astype(np.float32)))
    assert_close_signals(measured(images=images), a_batch(6, **only(images=images)))


def test_an_image_that_is_not_finite_is_missing_and_others_are_not():
    images = pictures(60, 50).astype(np.float32)
    images[1, 3, 3, 0], images[2, 59, 49, 2], images[4, :] = np.nan, np.inf, -np.inf
    batch = a_batch(6, **only(images=images))
    found = measured(images=torch.from_numpy(images))
    assert_close_signals(found, batch)
    missing = found.table[:, [SCALAR_NAMES.index(name) for name in IMAGE_SIGNALS]].isnan()
    assert missing.all(1).tolist() == [False, True, True, False, True, False]


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("outputs_are", ["probabilities", "logits"])
def test_predictions_of_every_type_are_those_of_numpy(kind, outputs_are):
    rng = np.random.default_rng(3)
    scores = torch.from_numpy(rng.normal(0, 3, (50, 7)))
    outputs = (torch.softmax(scores, 1) if outputs_are == "probabilities" else scores).to(kind)
    outputs[3, 2], outputs[5, 1], outputs[7], outputs[9, 0] = float("nan"), float("inf"), 0.5, -4.0
    outputs[11] = 1.0 / 7.0
    found = measured(outputs_are, outputs=outputs)
    batch = a_batch(50, outputs_are=outputs_are, **only(outputs=outputs))
    assert_close_signals(found, batch)
    np.testing.assert_allclose(found.probabilities.numpy(), batch.probabilities, atol=1e-6)
    np.testing.assert_allclose(
        found.confidence.numpy(), batch.signals[:, SCALAR_NAMES.index("confidence")], atol=1e-6
    )


@pytest.mark.parametrize("kind", [torch.uint8, torch.int32, torch.int64])
def test_classes_alone_are_taken(kind):
    outputs = torch.tensor([0, 3, 100, 2], dtype=kind)
    batch = a_batch(4, **only(outputs=outputs))
    assert_close_signals(measured(outputs=outputs), batch)
    wide = torch.tensor([-3, 2**40, 5])
    np.testing.assert_array_equal(measured(outputs=wide).classes, [-1, -1, 5])


@pytest.mark.parametrize(
    "arrays",
    [
        {"outputs": np.ones((4, 3))},
        {"outputs": torch.ones(4, 1)},
        {"outputs": torch.ones(4)},
        {"outputs": torch.ones(3, 5)},
        {"outputs": torch.ones(4, 5, dtype=torch.complex64)},
        {"outputs": torch.ones(4, 5), "embeddings": np.ones((4, 2))},
        {"embeddings": torch.ones(4, 5, 2)},
        {"embeddings": torch.ones(4, 2), "images": torch.ones(4, 2, 8, 8)},
        {"embeddings": torch.ones(4, 2), "outputs": torch.ones(4, 3, device="meta")},
        {},
    ],
)
def test_what_is_not_for_a_device_goes_the_hosts_way(arrays):
    given = (arrays.get("images"), arrays.get("embeddings"), arrays.get("outputs"))
    assert pieces_of(*given, 4, thumbnails=False) is None


@pytest.mark.parametrize("kind", ["uint8", "bool", "int16", "float16", "bfloat16", "float64"])
@pytest.mark.parametrize("shape", [(224, 230, 3), (40, 33, 3), (9, 8, 1), (64, 20, 4)])
def test_frames_have_the_hashes_and_the_range_that_numpy_sees(kind, shape):
    """Bit for bit, so that a frame that came once as an array and once as a tensor is the same."""
    images = IMAGE_KINDS[kind](pictures(*shape))
    if images.dtype.is_floating_point:
        images[2, -1, -1, 0] = float("nan")
    bands = bands_of(images)
    lane = HostLane()
    with lane.work(()):
        table = torch.full((6, S), 0.001, dtype=torch.float64)
        looks, exact, span, dark = frame_parts(bands, table, SCALAR_NAMES, lane)
    wanted = as_images(strips_of(as_images(images, 6)).pixels, 6)
    wanted_looks, wanted_exact = frame_hashes(wanted)
    assert hamming(looks.numpy().view(np.uint64), wanted_looks).max() <= 1
    np.testing.assert_array_equal(exact.numpy().view(np.uint64), wanted_exact)
    np.testing.assert_array_equal(span.numpy(), pixel_range(wanted))
    assert dark.tolist() == [1] * 6
