"""The records of a block that may stay in a window's samples: picked and packed on the device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vigil.device.columns import Columns
from vigil.device.images import thumbnails
from vigil.device.tensors import Tensor, torch
from vigil.measuring.summarise import LEAST_WEIGHT, MAX_SAMPLE_CLASSES

Forms = list[tuple[tuple[int, ...], np.dtype[Any]]]

_HALF_MOST = 65504.0


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Chosen:
    """Rows of a block and what was measured of them, m rows; on the device or the host.

    ``rows`` int64 (m,): the uniform sample's candidates, then the informative one's. ``signals``
    float32 (m, S), ``probabilities`` float16 (m, K), ``embedding`` float16 (m, d), ``thumbnails``
    uint8 (m, h, w, c).
    """

    rows: Any
    signals: Any
    probabilities: Any
    embedding: Any
    thumbnails: Any

    def parts(self) -> list[Any]:
        return [self.rows, self.signals, self.probabilities, self.embedding, self.thumbnails]


def choose(
    columns: Columns,
    small: Tensor | None,
    hashes: Tensor,
    counts: Tensor,
    doubt: int | None,
    sizes: tuple[int, int],
) -> Chosen:
    """The candidates of one window among n records, as ``vigil.measuring.summarise.sample_of``
    ranks them: one more than a sample holds, because the first that is left out sets its threshold.

    Args:
        columns: what was measured.
        small: what thumbnails are made of, (n, h, w, c), or None.
        hashes: float64 (n,), ``unit_hash`` of each id.
        counts: bool (n,), which records are of the window.
        doubt: the table's column that says how unsure the model was, in [0, 1]; None for none.
        sizes: of the uniform and the informative sample.
    """
    xp, n = torch(), len(hashes)
    weight = xp.full_like(hashes, LEAST_WEIGHT)
    if doubt is not None:
        weight = weight + columns.table[:, doubt].nan_to_num(nan=0.0).clamp(0.0, 1.0)
    rows = []
    for size, priority in zip(sizes, (hashes, hashes / weight), strict=True):
        priority = xp.where(counts, priority, float("inf"))
        rows.append(priority.topk(min(n, size + 1) if size else 0, largest=False).indices)
    index = xp.cat(rows)
    probabilities = columns.probabilities
    if probabilities.shape[1] > MAX_SAMPLE_CLASSES:
        probabilities = probabilities[:, :0]
    none = probabilities[:, :0]
    embedding = none if columns.embedding is None else columns.embedding
    pictures = xp.zeros((len(index), 0, 0, 1), dtype=xp.uint8, device=index.device)
    if small is not None:
        pictures = thumbnails(small.index_select(0, index))
    return Chosen(
        rows=index,
        signals=columns.table.index_select(0, index).to(xp.float32),
        probabilities=_half(probabilities.index_select(0, index)),
        embedding=_half(embedding.index_select(0, index)),
        thumbnails=pictures,
    )


def _half(values: Tensor) -> Tensor:
    return values.clamp(-_HALF_MOST, _HALF_MOST).to(torch().float16)


def packed(parts: list[Tensor]) -> tuple[Tensor, Forms]:
    """Tensors as one of bytes, so that they take one copy, and what ``unpacked`` needs to know."""
    xp = torch()
    flat = [part.contiguous().reshape(-1).view(xp.uint8) for part in parts if part.numel()]
    forms = [
        (tuple(part.shape), np.dtype(str(part.dtype).removeprefix("torch."))) for part in parts
    ]
    return xp.cat(flat), forms


def unpacked(here: Tensor, forms: Forms) -> list[NDArray[Any]]:
    """The arrays of ``packed``, copied out of downloaded memory."""
    raw, at, out = here.numpy(), 0, []
    for shape, kind in forms:
        size = int(np.prod(shape)) * kind.itemsize
        out.append(np.frombuffer(raw[at : at + size].tobytes(), kind).reshape(shape))
        at += size
    return out
