"""From tensors to what the tap records."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.proxy.mapping import arguments
from monitor.proxy.model_options import ModelOptions
from monitor.proxy.tensor_use import TensorUse
from monitor.proxy.tensors import Call
from vigil.errors import ConfigError, ShapeError
from vigil.values.objects import Objects


def mapped(inputs: dict | None = None, outputs: dict | None = None, *uses: str):
    call = Call(model="m", version="", id="", inputs=inputs or {}, outputs=outputs or {})
    return arguments(call, tuple(map(TensorUse.parse, uses)))


def test_images_come_channels_last_with_standardisation_undone():
    """(x * std + mean) / max per channel, and never outside [0, 1]."""
    x = np.zeros((2, 3, 4, 5), np.float32)
    x[:, 1], x[:, 2] = 1.0, 100.0
    n, given = mapped({"x": x}, None, "images=x:nchw:mean=127.5,51,0:std=10,51,255:max=255")
    assert (n, given["images"].shape) == (2, (2, 4, 5, 3))
    np.testing.assert_allclose(given["images"][0, 0, 0], [0.5, 0.4, 1.0], rtol=1e-6)


@pytest.mark.parametrize(
    ("shape", "use", "expected"),
    [
        ((2, 6, 5, 3), "images=x", (2, 6, 5, 3)),
        ((2, 3, 6, 5), "images=x", (2, 6, 5, 3)),
        ((3, 4, 5), "images=x", (1, 4, 5, 3)),
        ((4, 5, 3), "images=x:nhwc", (1, 4, 5, 3)),
        ((7, 4, 5), "images=x", (7, 4, 5)),
        ((7, 4, 5), "images=x:nchw", (1, 4, 5, 7)),
    ],
)
def test_the_shape_tells_layout_and_batch_unless_they_are_said(shape, use, expected):
    n, given = mapped({"x": np.zeros(shape, np.uint8)}, None, use)
    assert (n, given["images"].shape) == (expected[0], expected)


def test_one_embedding_is_the_main_one_and_several_have_names():
    neck, head = np.ones((2, 4, 1, 1), np.float32), np.zeros((2, 3), np.float32)
    _, given = mapped(None, {"neck": neck}, "embeddings=neck")
    assert given["embeddings"].shape == (2, 4)
    _, given = mapped(
        None, {"neck": neck, "head": head}, "embeddings.neck=neck", "embeddings.head=head"
    )
    assert {k: v.shape for k, v in given["embeddings"].items()} == {"neck": (2, 4), "head": (2, 3)}


@pytest.mark.parametrize(
    ("array", "n", "shape"),
    [
        (np.zeros(3, np.float32), 1, (1, 3)),
        (np.zeros(3, np.int64), 3, (3,)),
        (np.zeros((3, 1), np.int64), 3, (3,)),
        (np.zeros((3, 4, 1, 1), np.float32), 3, (3, 4)),
    ],
)
def test_outputs_are_scores_or_classes(array, n, shape):
    found, given = mapped(None, {"y": array}, "outputs=y")
    assert (found, given["outputs"].shape) == (n, shape)


def test_padded_detections_lose_their_padding():
    """By their count, and by the least score; boxes in any form become relative corners."""
    boxes = np.zeros((2, 3, 4), np.float32)
    boxes[0, 0], boxes[1, 0], boxes[1, 1] = (50, 20, 20, 20), (10, 10, 20, 20), (90, 90, 20, 20)
    outputs = {
        "boxes": boxes,
        "scores": np.array([[0.9, 0.8, 0], [0.7, 0.1, 0]], np.float32),
        "classes": np.array([[1, 2, 0], [3, 4, 0]]),
        "count": np.array([[1], [2]]),
    }
    n, given = mapped(
        None,
        outputs,
        "boxes=boxes:cxcywh:pixels=100x200",
        "scores=scores:min=0.5",
        "classes=classes",
        "counts=count",
    )
    found = Objects.of(given["detections"], n)
    assert (n, found.row.tolist(), found.classes.tolist()) == (2, [0, 1], [1, 3])
    np.testing.assert_allclose(found.boxes, [[0.4, 0.05, 0.6, 0.15], [0, 0, 0.2, 0.1]], atol=1e-6)


def test_a_picture_without_batch_has_its_detections():
    n, given = mapped(
        {"x": np.zeros((3, 8, 8), np.float32)},
        {"b": np.array([[0, 0, 0.5, 0.5]], np.float32)},
        "images=x:nchw",
        "boxes=b",
    )
    assert (n, len(Objects.of(given["detections"], n))) == (1, 1)


def test_texts_and_own_signals():
    outputs = {"t": np.array(["AB 12", ""], dtype=object), "blur": np.array([[0.5], [0.25]])}
    n, given = mapped(None, outputs, "texts=t", "signal.blur=blur")
    assert (n, given["texts"]) == (2, ["AB 12", ""])
    assert given["signals"]["blur"].tolist() == [0.5, 0.25]


def test_a_tensor_that_is_not_there_is_named_with_those_that_are():
    with pytest.raises(ShapeError, match="scores: expected a tensor for outputs, found x"):
        mapped({"x": np.zeros((1, 2))}, None, "outputs=scores")


def test_tensors_of_different_batches_are_refused():
    with pytest.raises(ShapeError, match="one number of records"):
        mapped({"x": np.zeros((2, 3, 8, 8))}, {"y": np.zeros((3, 4))}, "images=x", "outputs=y")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("x", "role=tensor"),
        ("pictures=x", "a role of"),
        ("images.two=x", "there is one images"),
        ("signal=x", "signal.NAME"),
        ("images=", "the name of a tensor"),
        ("images=x:chw", "options of images: nchw"),
        ("images=x:std=a", "expected numbers"),
        ("images=x:max=0", "above 0"),
        ("signal.a=x:range=2,1", "expected LOW below HIGH, found '2,1'"),
        ("outputs=x:logits", "options of outputs: none"),
        ("boxes=x:pixels=1xb", "expected numbers"),
    ],
)
def test_a_use_that_is_misspelt_is_explained(text, why):
    with pytest.raises(ValueError, match=why):
        TensorUse.parse(text)


@pytest.mark.parametrize("boxes", [3, 0])
def test_boxes_without_a_batch_are_all_of_one_image(boxes):
    """As detectors without a batch dimension answer: (M, 4), (M,) and (M,)."""
    outputs = {
        "b": np.full((boxes, 4), 0.5, np.float32),
        "s": np.full(boxes, 0.9, np.float32),
        "c": np.zeros(boxes, np.int64),
    }
    n, given = mapped(None, outputs, "boxes=b", "scores=s", "classes=c")
    assert (n, len(Objects.of(given["detections"], n))) == (1, boxes)


@pytest.mark.parametrize(
    ("array", "use"),
    [
        (np.zeros((2, 3, 5)), "boxes=t"),
        (np.zeros(()), "boxes=t"),
        (np.array([["secret"]], object), "scores=t"),
        (np.array(["secret"]), "signal.q=t"),
        (np.zeros(()), "embeddings=t"),
        (np.zeros((2, 3, 4, 4)), "images=t:nchw:std=1,2,3,4"),
        # Grey pictures do not turn into pictures of three channels.
        (np.zeros((2, 1, 4, 4)), "images=t:nchw:mean=1,2,3"),
        (np.zeros((5, 6, 5)), "images=t:std=1,2,3"),
    ],
)
def test_a_tensor_of_another_shape_or_type_is_the_tensors_fault(array, use):
    """And what it holds is in no message: reasons are shown to anyone who may ask."""
    with pytest.raises(ShapeError) as refused:
        mapped({"t": array}, None, use)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        "boxes=b:pixels=0x0",
        "boxes=b:pixels=-5x640",
        "boxes=b:pixels=nan",
        "boxes=b:pixels=1,2x3",
        "scores=s:min=0.1,0.2",
        "images=x:max=inf",
        "images=x:max=1,2",
        "signal.q=t:range=0,inf",
        "images=x:std=0",
        "images=x:std=-1",
        "images=x:std=0.2,0,0.2",
        "images=x:std=nan",
        "images=x:std=inf",
        "images=x:std=1e-300",
        "images=x:std=",
        "images=x:mean=nan",
        "images=x:mean=-inf",
        "images=x:mean=",
        "images=x:mean=1e300",
        "images=x:mean=1,2",
        "images=x:std=1,2,3,4,5",
        "images=x:mean=1,2,3:std=1,2,3,4",
        "images=x:max=1e-300",
    ],
)
def test_a_number_that_no_image_has_is_refused(text):
    """Pixels that were multiplied by nothing would be black pictures in every record."""
    with pytest.raises(ValueError, match="expected"):
        TensorUse.parse(text)


@pytest.mark.parametrize(
    ("texts", "why"),
    [
        (["images=x:std=1:std=2"], "std is said twice"),
        (["outputs=a", "outputs=b"], "outputs is said twice"),
        (["embeddings.neck=a", "embeddings.neck=b"], "embeddings.neck is said twice"),
        (["scores=a", "counts=b"], "scores, counts: expected boxes=TENSOR"),
    ],
)
def test_tensors_that_can_not_go_together_are_refused(texts, why):
    """At the start, not as calls that are never recorded."""
    with pytest.raises(ConfigError, match=why):
        ModelOptions(model="m", tensors=tuple(texts)).recorded({}, hardware_signals=False)
