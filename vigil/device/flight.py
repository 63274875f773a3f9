"""A block on its way: measured on the device, and what comes back of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from vigil.device.block import Block, Form
from vigil.device.call import DeviceCall
from vigil.device.candidates import Chosen, Forms, choose, packed, unpacked
from vigil.device.columns import columns_of
from vigil.device.frames import frame_parts
from vigil.device.gathered import Gathered
from vigil.device.kernels import PLAIN, Kernels
from vigil.device.tensors import torch
from vigil.errors import ShapeError
from vigil.measuring.batch import RecordBatch
from vigil.measuring.coalesce import arguments_of, groups
from vigil.measuring.conform import ordered
from vigil.quality.frames import Frames
from vigil.quality.kinds import DataFault
from vigil.signals.predictions import OutputsAre

Rows = NDArray[np.int64]
_PARTS = 5  # arrays of a Chosen
_FRAME_PARTS = 4
_VECTORS = ("outputs", "embeddings")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Segment:
    """m records of a block that are of one window. ``rows``: of the block, ``cells``, ``hashes``:
    (m,) each."""

    gathered: Gathered
    batch: RecordBatch
    rows: Rows
    cells: Rows
    hashes: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Flight:
    """A block under way: ``event`` says when ``here`` holds what was packed as ``forms``."""

    block: Block
    event: Any
    here: Any
    forms: Forms
    segments: Sequence[Segment]
    names: tuple[str, ...]

    def forget(self) -> None:
        """It is under way no longer."""
        for one in self.segments:
            one.gathered.waiting -= 1


def known_of(
    calls: Sequence[DeviceCall],
    measure: Callable[..., RecordBatch],
    drop: Callable[[str, int, Exception], None],
) -> tuple[RecordBatch, Rows] | None:
    """What the host knows of the calls in a block, and the row of each record in it.

    Calls that can't be measured are dropped: what is left may have fewer rows than the block; None
    where nothing is left.
    """
    batches: list[RecordBatch] = []
    rows: list[Rows] = []
    start = 0
    for group in cast("Iterator[list[DeviceCall]]", groups(cast("Any", calls))):
        for part in _measurable(group, measure, drop):
            if isinstance(part, RecordBatch):
                batches.append(part)
                rows.append(np.arange(start, start + len(part)))
                start += len(part)
            else:
                start += part
    if not batches:
        return None
    return RecordBatch.concatenate(batches), np.concatenate(rows)


def _measurable(
    group: list[DeviceCall],
    measure: Callable[..., RecordBatch],
    drop: Callable[[str, int, Exception], None],
) -> list[RecordBatch | int]:
    """Batches of the group's calls in order; the number of records of a call that has none."""
    try:
        return [measure(**arguments_of(cast("Any", group)))]
    except Exception as error:
        if len(group) > 1:
            return [part for call in group for part in _measurable([call], measure, drop)]
        n = len(group[0].ids)
        drop("bad_shape" if isinstance(error, ShapeError) else "error", n, error)
        return [n]


def launch(
    block: Block,
    segments: Sequence[Segment],
    sizes: tuple[int, int],
    outputs_are: OutputsAre,
    kernels: Kernels = PLAIN,
) -> Flight:
    """Start measuring a block; inside its lane's ``work``. Nothing waits for the device."""
    xp, lane, n = torch(), block.lane, block.filled
    m, names = len(segments), _names(segments)
    up = lane.host((n, m + 1 + len(names)), xp.float64)
    table = up.numpy()
    table[:] = np.nan
    for i, one in enumerate(segments):
        table[:, i] = one.gathered.sums.room
        table[one.rows, i] = one.cells
        table[one.rows, m] = one.hashes
        table[one.rows, m + 1 :] = ordered(one.batch.signals, one.batch.signal_names, names)
    there = xp.empty(up.shape, dtype=xp.float64, device=lane.device)
    lane.upload(there, up)
    columns = columns_of(block, there[:, m + 1 :], names, outputs_are, kernels)
    parts = [columns.classes.to(xp.int32), columns.confidence]
    bands = block.piece("bands")
    if bands is not None:
        parts += frame_parts(bands, columns.table, names, lane)
    for i, one in enumerate(segments):
        cells, sums = there[:, i].to(xp.int64), one.gathered.sums
        sums.add(columns.table, names, columns.classes, columns.embedding, cells)
        parts += choose(
            columns,
            block.piece("small"),
            there[:, m],
            cells < sums.room,
            names.index("entropy") if "entropy" in names else None,
            sizes,
        ).parts()
    flat, forms = packed(parts)
    here = lane.host(flat.shape, xp.uint8)
    lane.download(here, flat)
    for one in segments:
        one.gathered.waiting += 1
    return Flight(
        block=block, event=lane.done(), here=here, forms=forms, segments=segments, names=names
    )


def _names(segments: Sequence[Segment]) -> tuple[str, ...]:
    """The signals that the records of any segment have, and those that a ruler counts besides."""
    names: dict[str, None] = {}
    for one in segments:
        names |= dict.fromkeys(one.batch.signal_names)
    for one in segments:
        names |= dict.fromkeys(one.gathered.sums.ruler.lacking(tuple(names)))
    return tuple(names)


def land(flight: Flight, frames: Frames) -> None:
    """Give each window what came back of its records, once the flight's event came to pass.

    ``frames`` remembers the last frames of each camera.
    """
    prediction, confidence, *rest = unpacked(flight.here, flight.forms)
    seen = rest[:_FRAME_PARTS] if flight.block.form.image is not None else []
    rest = rest[len(seen) :]
    for i, one in enumerate(flight.segments):
        places = np.full(flight.block.filled, -1)
        places[one.rows] = np.arange(len(one.rows))
        rows, signals, probabilities, embedding, thumbnails = rest[_PARTS * i : _PARTS * (i + 1)]
        batch = replace(one.batch, prediction=prediction[one.rows])
        if seen:
            batch = _looked_at(batch, [part[one.rows] for part in seen], flight.block.form, frames)
        one.gathered.take(
            _shaped(batch, flight.block.form),
            one.cells,
            one.hashes,
            confidence[one.rows],
            places,
            Chosen(
                rows=rows,
                signals=signals,
                probabilities=probabilities,
                embedding=embedding,
                thumbnails=thumbnails,
            ),
            flight.names,
        )


def _looked_at(
    batch: RecordBatch, seen: Sequence[NDArray[Any]], form: Form, frames: Frames
) -> RecordBatch:
    """The batch with the data faults that its images show."""
    looks, exact, span, dark = seen
    flags = frames.flags_of(
        looks.view(np.uint64), exact.view(np.uint64), batch.metadata, batch.time_s
    )
    flags |= dark.astype(np.uint32) * np.uint32(DataFault.BLACK.bit)
    return replace(batch, flags=batch.flags | flags, image_form=form.image, pixel_range=span)


def _shaped(batch: RecordBatch, form: Form) -> RecordBatch:
    """With probabilities and embeddings of the right shape, which stayed on the device: a schema
    looks at no more."""
    sizes = {name: shape[0] for name, shape, _ in form.pieces if name in _VECTORS and shape}
    nothing = np.full((1, 1), np.nan, np.float32)
    return replace(
        batch,
        probabilities=np.broadcast_to(nothing, (len(batch), sizes.get("outputs", 0))),
        embedding=np.broadcast_to(nothing, (len(batch), sizes.get("embeddings", 0))),
    )
