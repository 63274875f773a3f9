"""Where a batch is copied to on its own device when it is recorded: the caller's only work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

from vigil.device.call import DeviceCall
from vigil.device.images import bands_of, channels_last, small_of
from vigil.device.lane import Lane
from vigil.device.predictions import fits
from vigil.device.tensors import Tensor, is_tensor, torch
from vigil.quality.schema import ImageForm

BLOCK_RECORDS = 256
"""Calls are gathered until so many records are measured at once."""


@dataclass(frozen=True, slots=True)
class Form:
    """What calls share that lie in one block: device, version, and shape and type of a record.

    ``image``: height, width, channels and type of the images. ``pieces``: name -> (shape of a
    record, type). Images are ``bands``, or ``bands_planar`` where
    each colour lies by itself; with thumbnails ``small`` or ``small_planar`` beside them.
    ``capacity``: records of a block.
    """

    device: Any
    version: str
    pieces: tuple[tuple[str, tuple[int, ...], Any], ...]
    capacity: int
    image: ImageForm | None = None

    @property
    def nbytes(self) -> int:
        """Of one block."""
        return self.capacity * sum(prod(shape) * int(one.itemsize) for _, shape, one in self.pieces)


def pieces_of(
    images: Any, embeddings: Any, outputs: Any, n: int, *, thumbnails: bool
) -> dict[str, Tensor] | None:
    """What is kept of a batch of n: name to a view (n, ...). None where it is not for a device:
    no tensor, tensors of several devices, or of shapes that the host's way has to judge.
    """
    given = [one for one in (images, embeddings, outputs) if one is not None]
    if not given or not all(map(is_tensor, given)):
        return None
    if any(one.device != given[0].device or one.ndim < 1 or len(one) != n for one in given):
        return None
    if any(one.is_complex() or one.is_sparse or one.is_quantized for one in given):
        return None
    pieces: dict[str, Tensor] = {}
    if outputs is not None:
        if not fits(outputs):
            return None
        pieces["outputs"] = outputs
    if embeddings is not None:
        if embeddings.ndim != 2:
            return None
        pieces["embeddings"] = embeddings
    if images is not None:
        pixels = channels_last(images)
        if pixels is None:
            return None
        _put_form(pieces, "bands", bands_of(pixels))
        if thumbnails:
            _put_form(pieces, "small", small_of(pixels))
    return pieces


def _put_form(pieces: dict[str, Tensor], name: str, view: Tensor) -> None:
    """Images whose colours lie apart are kept so: copying them in order is fastest."""
    planar = view.shape[-1] > 1 and view.stride(-1) != 1
    pieces[f"{name}_planar" if planar else name] = view.movedim(-1, 1) if planar else view


def image_form(images: Any) -> ImageForm | None:
    """Of images that ``pieces_of`` takes; None without any."""
    pixels = None if images is None else channels_last(images)
    if pixels is None:
        return None
    kind = str(pixels.dtype).removeprefix("torch.")
    kind = "float32" if kind == "bfloat16" else kind
    return ImageForm(pixels.shape[1], pixels.shape[2], pixels.shape[3], kind)


def form_of(
    pieces: Mapping[str, Tensor], version: str, n: int, image: ImageForm | None = None
) -> Form:
    kinds = tuple((name, tuple(one.shape[1:]), one.dtype) for name, one in pieces.items())
    capacity = max(BLOCK_RECORDS, 1 << max(0, n - 1).bit_length())
    return Form(next(iter(pieces.values())).device, version, kinds, capacity, image)


class Block:
    """Memory on one device for up to ``form.capacity`` records, and the calls they belong to."""

    def __init__(self, form: Form, lane: Lane) -> None:
        self.form, self.lane = form, lane
        self._buffers = {
            name: torch().empty((form.capacity, *shape), dtype=kind, device=form.device)
            for name, shape, kind in form.pieces
        }
        self.calls: list[DeviceCall] = []
        self.filled = 0
        self._marks: dict[int, Any] = {}

    def has_room(self, n: int) -> bool:
        return self.filled + n <= self.form.capacity

    def put(self, call: DeviceCall, pieces: Mapping[str, Tensor]) -> None:
        """Copy a call's records, in order with what the caller's stream does before and after."""
        start, end = self.filled, self.filled + len(call.ids)
        with torch().inference_mode():
            for name, piece in pieces.items():
                self._buffers[name][start:end].copy_(piece, non_blocking=True)
        self.lane.mark(self._marks, self._buffers.values())
        self.calls.append(call)
        self.filled = end

    @property
    def marks(self) -> list[Any]:
        """Events after which all copies are there."""
        return list(self._marks.values())

    def clear(self) -> None:
        self.calls, self.filled, self._marks = [], 0, {}

    def piece(self, name: str) -> Tensor | None:
        """The records' ``outputs``, ``embeddings``, ``bands`` or ``small``, (filled, ...); None
        where the form has none. Images have their colours last."""
        if name in self._buffers:
            return self._buffers[name][: self.filled]
        planar = self._buffers.get(f"{name}_planar")
        return None if planar is None else planar[: self.filled].movedim(1, -1)
