"""From windows to the drift track: counts below the baseline's quantiles, and of the classes.

Versions meet in rank space, and the expected share of a slice is the mixture of its leaf cells' own
baselines, as in ``statistics.scalar``: a change of the traffic mix is not drift. Cells that the
baseline does not know are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from detectors.evidence.band import COLUMNS, BandBatch
from detectors.evidence.block_design import design_effect
from detectors.frame import Frame, Part, frame_of
from detectors.reference import reference_of
from detectors.streams import StreamKey
from vigil.catalogue import PREDICTED_CLASS, signal_of
from vigil.types import SignalKind, Slice

Floats = NDArray[np.float64]

_Table = tuple[Floats, Floats, Floats, Floats]
"""Of (slices, ...): records, counts, expected counts, sum of n^2 over reference records."""


def band_batch(
    blocks: Sequence[Sequence[Part]],
    model: str,
    deployment: str,
    tolerance: Callable[[StreamKey], float],
) -> BandBatch | None:
    """One step of one model; None where there was nothing.

    Args:
        blocks: the step's windows in order of time, summed to a few blocks, one part per version
            each. They all count; how they differ tells the design effect.
        tolerance: of each stream, in units of its effect.

    Raises:
        RulerMismatchError: parts of different signals or bins in one block.
    """
    filled = [list(block) for block in blocks if block]
    if not filled:
        return None
    axes = _axes(filled[-1][0])
    frames = [frame_of(block) for block in filled if _axes(block[0]) == axes]
    slices = tuple(dict.fromkeys(piece for frame in frames for piece in frame.slices))
    frames = [frame_of(block, slices) for block in filled if _axes(block[0]) == axes]
    reference = reference_of(frames[-1].pieces[0].part.baseline)
    names: list[str] = []
    tables: list[list[_Table]] = []
    classes: list[bool] = []
    used: list[int] = []
    for s, name in enumerate(frames[-1].signals):
        known = signal_of(name)
        judged = known is None or known.kind is not SignalKind.SERVICE
        if judged and reference.has_signal[s]:
            cuts = _cuts(reference.whole.cdf[0, s])
            names.append(name)
            classes.append(False)
            used.append(len(cuts))
            tables.append([_scalar(frame, s, cuts) for frame in frames])
    if reference.has_classes:
        order = np.argsort(-reference.whole.classes[0, :-1], kind="stable")[: COLUMNS - 1]
        names.append(PREDICTED_CLASS.name)
        classes.append(True)
        used.append(len(order) + 1)
        tables.append([_category(frame, order) for frame in frames])
    if not names:
        return None
    return _joined(names, tables, classes, used, slices, model, deployment, tolerance)


def _joined(
    names: list[str],
    tables: list[list[_Table]],
    classes: list[bool],
    used: list[int],
    slices: tuple[Slice, ...],
    model: str,
    deployment: str,
    tolerance: Callable[[StreamKey], float],
) -> BandBatch | None:
    streams: list[StreamKey] = []
    rows: list[tuple[Floats, ...]] = []
    for name, blocks, is_class, width in zip(names, tables, classes, used, strict=True):
        records = np.stack([table[0] for table in blocks])
        counts = np.stack([table[1] for table in blocks])
        wanted = np.stack([table[2] for table in blocks])
        against = np.stack([table[3] for table in blocks])
        blank = np.arange(COLUMNS) >= width
        total = records.sum(axis=0)
        share = wanted / np.maximum(records, 1e-9)[:, :, None]
        share[:, :, blank] = np.nan
        # The mix's error is that of the cells: their n add up over the blocks before squaring,
        # which the sum of squares of the blocks bounds from below by 1 / blocks.
        size = total**2 / np.maximum(len(blocks) * against.sum(axis=0), 1e-12)
        expected = wanted.sum(axis=0) / np.maximum(total, 1e-9)[:, None]
        expected[:, blank] = np.nan
        deff = design_effect(counts, share, records)
        keep = total > 0
        streams += [
            StreamKey(model, deployment, piece, name)
            for piece, kept in zip(slices, keep.tolist(), strict=True)
            if kept
        ]
        rows.append(
            (
                total[keep],
                counts.sum(axis=0)[keep],
                expected[keep],
                size[keep],
                np.full(int(keep.sum()), float(is_class)),
                deff[keep],
            )
        )
    if not streams:
        return None
    joined = [np.concatenate(column) for column in zip(*rows, strict=True)]
    return BandBatch(
        streams=tuple(streams),
        records=joined[0],
        counts=joined[1],
        expected=joined[2],
        reference_records=joined[3],
        tolerance=np.array([tolerance(stream) for stream in streams]),
        classes=joined[4] > 0,
        deff=joined[5],
    )


def join_batches(batches: Sequence[BandBatch]) -> BandBatch | None:
    """Those of several models as one step."""
    if not batches:
        return None
    columns = ("records", "counts", "expected", "reference_records", "tolerance", "deff")
    return BandBatch(
        streams=tuple(stream for batch in batches for stream in batch.streams),
        classes=np.concatenate([batch.classes for batch in batches]),
        **{name: np.concatenate([getattr(batch, name) for batch in batches]) for name in columns},
    )


def _axes(part: Part) -> tuple[tuple[str, ...], int]:
    layout = part.summary.layout
    return layout.signals, layout.bins


def _cuts(cdf: Floats) -> NDArray[np.int64]:
    """The bins that end nearest to 15 even quantiles; fewer where values repeat."""
    wanted = np.arange(1, COLUMNS + 1) / (COLUMNS + 1)
    nearest = np.abs(cdf[None, :] - wanted[:, None]).argmin(axis=1)
    inner = nearest[(cdf[nearest] > 0.0) & (cdf[nearest] < 1.0)]
    _, first = np.unique(np.round(cdf[inner], 12), return_index=True)
    return np.asarray(inner[first], np.int64)


def _scalar(frame: Frame, s: int, cuts: NDArray[np.int64]) -> _Table:
    size = len(frame.slices)
    records, against = np.zeros(size), np.zeros(size)
    counts, wanted = np.zeros((size, COLUMNS)), np.zeros((size, COLUMNS))
    for piece in frame.pieces:
        seen = piece.part.summary.counts[:, s, :-1].astype(np.float64)
        values = piece.tables.values[:, s]
        n = seen.sum(axis=1) * (values > 0)
        below = seen.cumsum(axis=1)[:, cuts] * (values > 0)[:, None]
        records += piece.known @ n
        counts[:, : len(cuts)] += piece.known @ below
        wanted[:, : len(cuts)] += piece.known @ (n[:, None] * piece.tables.cdf[:, s, cuts])
        against += piece.known @ (n**2 / np.maximum(values, 1.0))
    return records, counts, wanted, against


def _category(frame: Frame, order: NDArray[np.int64]) -> _Table:
    """The classes in ``order``, then all others together."""
    size, width = len(frame.slices), len(order)
    records, against = np.zeros(size), np.zeros(size)
    counts, wanted = np.zeros((size, COLUMNS)), np.zeros((size, COLUMNS))
    for piece in frame.pieces:
        if not piece.reference.has_classes:
            continue
        seen = piece.part.summary.classes.astype(np.float64)
        values = piece.tables.class_records
        n = seen.sum(axis=1) * (values > 0)
        mine = order[order < seen.shape[1] - 1]
        place = np.flatnonzero(order < seen.shape[1] - 1)
        chosen = np.zeros((len(n), width + 1))
        expected = np.zeros((len(n), width + 1))
        chosen[:, place] = seen[:, mine]
        expected[:, place] = piece.tables.classes[:, mine]
        chosen[:, width] = seen.sum(axis=1) - chosen[:, :width].sum(axis=1)
        expected[:, width] = 1.0 - expected[:, :width].sum(axis=1)
        records += piece.known @ n
        counts[:, : width + 1] += piece.known @ (chosen * (values > 0)[:, None])
        wanted[:, : width + 1] += piece.known @ (n[:, None] * expected)
        against += piece.known @ (n**2 / np.maximum(values, 1.0))
    return records, counts, wanted, against
