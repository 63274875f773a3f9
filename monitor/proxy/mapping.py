"""From the tensors of a call to what a tap records of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from monitor.proxy.tensor_use import TensorUse
from monitor.proxy.tensors import Array, Call
from vigil.errors import ShapeError
from vigil.types import Harm, Signal, SignalForm, SignalKind

_FROM_REQUEST = ("images",)
_OF_ONE = {"images": 3, "embeddings": 1, "outputs": 1, "masks": 2}
"""Dimensions that one record has: a tensor of so many comes without a batch dimension."""


MOST_RECORDS = 100_000
"""Of one call, as a tap takes them. A tensor of no size may say that it has any number of rows."""


def arguments(call: Call, uses: tuple[TensorUse, ...]) -> tuple[int, dict[str, Any]]:
    """How many records the call holds, and the arguments of ``Tap.record``.

    Raises:
        ShapeError: a tensor that is configured is not there, or is of another shape or type.
    """
    try:
        return _arguments(call, uses)
    except (TypeError, ValueError) as error:  # numpy's: it can't be what it is said to be
        raise ShapeError("tensors", expected="what --tensor says", found=str(error)) from None


def _arguments(call: Call, uses: tuple[TensorUse, ...]) -> tuple[int, dict[str, Any]]:
    found = {use: _batched(use, _tensor(call, use)) for use in uses}
    for use, array in found.items():
        if use.role != "texts" and array.dtype.kind not in "biuf":
            raise ShapeError(use.tensor, expected="numbers", found=f"type {array.dtype}")
    given: dict[str, Any] = {}
    n = _records(found)
    boxes: dict[str, tuple[TensorUse, Array]] = {}
    for use, array in found.items():
        match use.role:
            case "images":
                given["images"] = as_pixels(array, use)
            case "embeddings":
                flat = array.reshape(len(array), -1)
                given.setdefault("embeddings", {})[use.name or "main"] = flat
            case "outputs":
                given["outputs"] = as_outputs(array)
            case "masks":
                given["masks"] = array
            case "texts":
                given["texts"] = [str(one) for one in array.reshape(-1).tolist()]
            case "signal":
                given.setdefault("signals", {})[use.name] = array.reshape(-1).astype(np.float64)
            case _:
                boxes[use.role] = (use, array)
    if boxes:
        given["detections"] = as_detections(boxes, n)
    vectors = given.get("embeddings")
    if vectors is not None and list(vectors) == ["main"]:
        given["embeddings"] = vectors["main"]
    return n, given


def own_signal(use: TensorUse) -> Signal:
    """The description of a signal that a tensor holds."""
    return Signal(
        name=use.name,
        kind=SignalKind.PREDICTION,
        form=SignalForm.SCALAR,
        unit="",
        low=use.low,
        high=use.high,
        harm=Harm.NEITHER,
        tolerance=0.15,
        description=f"tensor {use.tensor}",
    )


def as_pixels(array: Array, use: TensorUse) -> Array:
    """Images as the tap takes them: integers as they are, or floats in [0, 1]."""
    last = use.layout == "nhwc"
    if not use.layout and array.ndim == 4:
        last = array.shape[-1] in (1, 3, 4) and array.shape[1] not in (1, 3, 4)
    pixels = array if last or array.ndim != 4 else np.moveaxis(array, 1, -1)
    channels = pixels.shape[-1] if pixels.ndim == 4 else 1
    for what, numbers in (("mean", use.mean), ("std", use.std)):
        if len(numbers) > 1 and len(numbers) != channels:
            raise ShapeError(
                use.tensor, expected=f"{len(numbers)} channels, as {what} has", found=str(channels)
            )
    if use.std or use.mean or use.most != 1.0:
        pixels = pixels * np.array(use.std or 1.0, np.float32) + np.array(
            use.mean or 0.0, np.float32
        )
        pixels = pixels / np.float32(use.most)
    if pixels.dtype.kind == "f":
        pixels = np.clip(pixels, 0.0, 1.0)
    return pixels


def as_outputs(array: Array) -> Array:
    """(n, K) values of classes, or (n,) classes. Further dimensions of size one are dropped."""
    if array.ndim > 2:
        array = array.reshape(len(array), -1)
    if array.ndim == 2 and array.shape[1] == 1 and array.dtype.kind in "iu":
        return array[:, 0]
    return array


def as_detections(boxes: Mapping[str, tuple[TensorUse, Array]], n: int) -> dict[str, Any]:
    """Boxes padded to (n, M) as flat columns with the row that each belongs to.

    Raises:
        ShapeError: boxes, scores and classes that don't fit together.
    """
    if "boxes" not in boxes:
        raise ShapeError("boxes", expected="a tensor", found="none")
    use, corners = boxes["boxes"]
    if corners.shape[-1:] != (4,):
        raise ShapeError("boxes", expected="four numbers a box", found=str(corners.shape))
    corners = corners.reshape(n, corners.size // (4 * max(n, 1)), 4).astype(np.float32)
    most = corners.shape[1]
    real = np.ones((n, most), bool)
    columns: dict[str, Array] = {}
    for role in ("scores", "classes"):
        if role in boxes:
            how, array = boxes[role]
            if array.size != n * most:
                raise ShapeError(role, expected=f"{n} x {most}", found=str(array.shape))
            columns[role] = array.reshape(n, most)
            if role == "scores":
                real &= columns[role] >= how.least
    if "counts" in boxes:
        counts = boxes["counts"][1].reshape(-1)
        if len(counts) != n:
            raise ShapeError("counts", expected=f"({n},)", found=str(counts.shape))
        real &= np.arange(most) < counts[:, np.newaxis]
    rows = np.nonzero(real)[0]
    flat = {role: column[real] for role, column in columns.items()}
    return {"boxes": _relative(corners[real], use), "row": rows, **flat}


def _relative(corners: Array, use: TensorUse) -> Array:
    """(M, 4) as left, top, right, bottom, in shares of width and height."""
    a, b, c, d = corners.T
    if use.form == "xywh":
        c, d = a + c, b + d
    elif use.form == "cxcywh":
        a, b, c, d = a - c / 2, b - d / 2, a + c / 2, b + d / 2
    elif use.form == "yxyx":
        a, b, c, d = b, a, d, c
    width, height = use.width or 1.0, use.height or 1.0
    return np.stack([a / width, b / height, c / width, d / height], axis=1)


def _tensor(call: Call, use: TensorUse) -> Array:
    """Images are looked for in the request first, everything else in the response."""
    places = (call.inputs, call.outputs)
    for place in places if use.role in _FROM_REQUEST else reversed(places):
        if use.tensor in place:
            return place[use.tensor]
    known = ", ".join([*call.inputs, *call.outputs])
    raise ShapeError(use.tensor, expected=f"a tensor for {use.role}", found=known or "none")


def _batched(use: TensorUse, array: Array) -> Array:
    """With a batch dimension, also where the server's model has none."""
    if array.ndim != _OF_ONE.get(use.role):
        return array
    if use.role == "outputs" and array.dtype.kind != "f":
        return array
    # Grey images in a batch look as one image does, unless the layout or the channels tell.
    channels = (array.shape[0], array.shape[-1])
    if use.role == "images" and not use.layout and not {1, 3, 4} & set(channels):
        return array
    return array[np.newaxis]


def _records(found: Mapping[TensorUse, Array]) -> int:
    sizes = {
        use.tensor: len(array) if array.ndim else 1
        for use, array in found.items()
        if use.role in ("images", "embeddings", "outputs", "masks")
    }
    if not sizes:
        if any(use.role == "boxes" and array.ndim == 2 for use, array in found.items()):
            return 1  # (M, 4): all boxes of one image
        sizes = {use.tensor: len(a) for use, a in found.items() if a.ndim > (use.role == "boxes")}
    if len(set(sizes.values())) > 1:
        text = ", ".join(f"{name}: {size}" for name, size in sizes.items())
        raise ShapeError("tensors", expected="one number of records", found=text)
    n = next(iter(sizes.values()), 1)
    if n > MOST_RECORDS:
        raise ShapeError("tensors", expected=f"at most {MOST_RECORDS} records", found=str(n))
    return n
