"""Faults that need no statistics: missing values, blank and frozen frames, silence. Plain rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from detectors.attribution import name_slice
from detectors.frame import Frame, Part, Piece, frame_of
from detectors.intervals import wilson
from detectors.reference import Floats
from vigil.catalogue import EMBEDDING, PREDICTED_CLASS, is_per_box
from vigil.types import WHOLE, Slice
from vigil.windows.summary import MOMENT_UNIT

BLANK_CONTRAST = 0.01
USUAL_CONTRAST = 0.03
FROZEN_RECORDS = 8
FROZEN_SIGNALS = ("brightness", "contrast", "sharpness")
_FROZEN_SPREAD = 2.0 / MOMENT_UNIT


class HardFaultKind(StrEnum):
    """What went wrong, beyond doubt."""

    MISSING = "missing"
    BLANK = "blank_frames"
    FROZEN = "frozen_frames"
    SILENCE = "silence"
    SCHEMA = "schema"
    DAMAGED = "damaged"


@dataclass(frozen=True, kw_only=True, slots=True)
class HardFault:
    """One fault, where, and why it was called. ``signal`` is "" where it is about no signal."""

    kind: HardFaultKind
    signal: str
    slice: Slice
    reason: str


def value_faults(
    parts: Sequence[Part], *, missing_share: float, min_records: int = 1
) -> list[HardFault]:
    """Missing values, blank and frozen frames in one span of time.

    * missing: a signal that the baseline had is missing (NaN, infinite, not supplied) in more than
      ``missing_share`` of the records, beyond its share in the baseline and beyond doubt (Wilson,
      95 %);
    * blank: the mean contrast of a leaf cell is below 1 % of full scale, in the baseline above 3 %;
    * frozen: at least 8 frames of a leaf cell whose brightness, contrast and sharpness are all the
      same.

    Args:
        parts: one per version.
        missing_share: in [0, 1].
        min_records: cells with fewer records are not judged.

    Raises:
        RulerMismatchError: see ``frame_of``.
    """
    if not parts:
        return []
    frame = frame_of(parts)
    faults: list[HardFault] = []
    for piece in frame.pieces:
        records = piece.part.summary.records.astype(np.float64)
        judged = records >= max(1, min_records)
        if not judged.any():
            continue
        faults += _missing(frame, piece, judged, missing_share)
        faults += _blank(frame, piece, judged)
        faults += _frozen(frame, piece, judged)
    return list(dict.fromkeys(faults))


def silence_faults(
    last_records: Mapping[str, datetime | None],
    *,
    now: datetime,
    window_s: float,
    silent_after_windows: int,
) -> list[HardFault]:
    """Sources that have sent no records for ``silent_after_windows`` windows.

    Args:
        last_records: source to the end of its last window with records; None: it never had any.
        now: the watermark, aware; windows up to it should have come.
    """
    limit = silent_after_windows * window_s
    faults = []
    for source, last in sorted(last_records.items()):
        quiet = float("inf") if last is None else (now - last).total_seconds()
        if quiet >= limit:
            since = "ever" if last is None else f"for {quiet:.0f} s"
            faults.append(
                HardFault(
                    kind=HardFaultKind.SILENCE,
                    signal="",
                    slice=WHOLE,
                    reason=f"source {source}: no records {since}; expected every {limit:.0f} s",
                )
            )
    return faults


def _missing(
    frame: Frame, piece: Piece, judged: NDArray[np.bool_], allowed: float
) -> list[HardFault]:
    summary, reference = piece.part.summary, piece.reference
    usual = reference.baseline.reference
    total = max(1, usual.total_records)
    # A signal of boxes, or classes of which a record has several, has a number of its own.
    columns = [
        (name, summary.counts[:, s, -1], summary.counts[:, s].sum(axis=1), usual.counts[:, s])
        for s, name in enumerate(frame.signals)
        if reference.has_signal[s]
    ]
    if reference.has_classes:
        found = summary.classes
        columns.append((PREDICTED_CLASS.name, found[:, -1], found.sum(axis=1), usual.classes))
    shares = [
        (name, gone, of, float(before[:, -1].sum()) / max(1, int(before.sum())))
        for name, gone, of, before in columns
    ]
    if reference.has_embedding:
        lacking = 1.0 - float(usual.embedded.sum()) / total
        gone = summary.records - summary.embedded
        shares.append((EMBEDDING.name, gone, summary.records, lacking))
    faults = []
    for name, gone, of, before in shares:
        low, _ = wilson(gone.astype(np.float64), of.astype(np.float64))
        bad = judged & (of > 0) & (low > before + allowed)
        if bad.any():
            share = float(gone[bad].sum() / of[bad].sum())
            things = "boxes" if is_per_box(name) else "records"
            faults.append(
                HardFault(
                    kind=HardFaultKind.MISSING,
                    signal=name,
                    slice=name_bad_cells(frame, piece, bad, judged),
                    reason=f"{name} is missing or not finite in {share:.0%} of the {things}; "
                    f"in the baseline in {before:.1%}",
                )
            )
    return faults


def _blank(frame: Frame, piece: Piece, judged: NDArray[np.bool_]) -> list[HardFault]:
    if "contrast" not in frame.signals:
        return []
    s = frame.signals.index("contrast")
    ruler = piece.part.baseline.ruler
    mean, _, n = _moments(piece, s)
    value = ruler.center[s] + ruler.scale[s] * mean
    usual = usual_value(frame, piece, "contrast")
    bad = judged & (n > 0) & (value < BLANK_CONTRAST)
    if usual is None or usual < USUAL_CONTRAST or not bad.any():
        return []
    return [
        HardFault(
            kind=HardFaultKind.BLANK,
            signal="contrast",
            slice=name_bad_cells(frame, piece, bad, judged),
            reason=f"frames are blank: mean contrast {float(value[bad].mean()):.3f}, "
            f"in the baseline {usual:.3f}",
        )
    ]


def _frozen(frame: Frame, piece: Piece, judged: NDArray[np.bool_]) -> list[HardFault]:
    bad = judged.copy()
    for name in FROZEN_SIGNALS:
        if name not in frame.signals:
            return []
        s = frame.signals.index(name)
        if not piece.reference.has_signal[s]:
            return []
        _, spread, n = _moments(piece, s)
        bad &= (n >= FROZEN_RECORDS) & (spread < _FROZEN_SPREAD)
    if not bad.any():
        return []
    records = int(piece.part.summary.records[bad].sum())
    return [
        HardFault(
            kind=HardFaultKind.FROZEN,
            signal="brightness",
            slice=name_bad_cells(frame, piece, bad, judged),
            reason=f"{records} frames have one and the same brightness, contrast and sharpness",
        )
    ]


def usual_value(frame: Frame, piece: Piece, signal: str) -> float | None:
    """The mean of a scalar in the baseline; None where it has none."""
    if signal not in frame.signals:
        return None
    s = frame.signals.index(signal)
    if not piece.reference.has_signal[s]:
        return None
    ruler = piece.part.baseline.ruler
    return float(ruler.center[s] + ruler.scale[s] * piece.reference.whole.moments[0, s])


def _moments(piece: Piece, s: int) -> tuple[Floats, Floats, Floats]:
    """Mean and standard deviation of a standardised signal per cell, and its number of values."""
    summary = piece.part.summary
    n = summary.counts[:, s, :-1].sum(axis=1).astype(np.float64)
    safe = np.maximum(n, 1.0)
    mean = summary.moments[:, s, 0] / MOMENT_UNIT / safe
    square = summary.moments[:, s, 1] / MOMENT_UNIT**2 / safe
    return mean, np.sqrt(np.maximum(square - mean**2, 0.0)), n


def name_bad_cells(
    frame: Frame, piece: Piece, bad: NDArray[np.bool_], judged: NDArray[np.bool_]
) -> Slice:
    """The slice that says best which cells are at fault, of those that were judged."""
    records = piece.part.summary.records
    position = [piece.part.summary.layout.keys.index(key) for key in frame.keys]
    effects: dict[tuple[str, ...], tuple[bool, float]] = {}
    for row, cell in enumerate(piece.part.summary.cells):
        if judged[row]:
            reduced = tuple(cell[i] for i in position)
            drifts, weight = effects.get(reduced, (False, 0.0))
            effects[reduced] = (drifts or bool(bad[row]), weight + float(records[row]))
    return name_slice(effects, frame.keys)
