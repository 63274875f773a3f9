"""Rules about the records' data: what a schema forbids, black and frozen frames, damaged files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from detectors.frame import Frame, Part, Piece, frame_of
from detectors.hard_faults import (
    FROZEN_RECORDS,
    USUAL_CONTRAST,
    HardFault,
    HardFaultKind,
    name_bad_cells,
    usual_value,
)
from detectors.intervals import wilson
from vigil.quality.kinds import DataFault
from vigil.types import WHOLE

OF_SCHEMA = (
    DataFault.IMAGE_SIZE,
    DataFault.IMAGE_CHANNELS,
    DataFault.IMAGE_RANGE,
    DataFault.CLASSES,
    DataFault.EMBEDDING_SIZE,
    DataFault.KEY_MISSING,
)
"""These page. Another number type, a new key or a value of another kind are shown only."""
DAMAGED = ("truncated", "corrupt")
FROZEN_SHARE = 0.05
LEAST_DAMAGED = 5

_KINDS = {DataFault.BLACK: HardFaultKind.BLANK, DataFault.FROZEN: HardFaultKind.FROZEN}


def data_faults(
    parts: Sequence[Part], *, allowed_share: float, min_records: int = 1
) -> list[HardFault]:
    """What taps counted in one span of time, where it is beyond doubt.

    * schema: a leaf cell where more than ``allowed_share`` of the records break one rule of the
      baseline's schema (Wilson, 95 %);
    * black: the same of black frames, where the baseline's images have contrast;
    * frozen: at least 8 frames of a cell, and surely more than a twentieth, are the eighth or a
      later one of equal frames of one camera, where the baseline's images vary.

    Args:
        parts: one per version, with their ``quality``.
        allowed_share: in [0, 1].
        min_records: cells with fewer records are not judged.

    Raises:
        RulerMismatchError: see ``frame_of``.
    """
    if not any(part.quality for part in parts):
        return []
    frame = frame_of(parts)
    faults: list[HardFault] = []
    for piece in frame.pieces:
        judged = piece.part.summary.records >= max(1, min_records)
        for kind in (*OF_SCHEMA, DataFault.BLACK, DataFault.FROZEN):
            fault = _fault(frame, piece, kind, judged, allowed_share)
            faults += [] if fault is None else [fault]
    return list(dict.fromkeys(faults))


def damaged_faults(
    dropped: Mapping[str, int], records: int, *, allowed_share: float
) -> list[HardFault]:
    """Inputs that came damaged, of all that came: at least five, and surely more than
    ``allowed_share`` (Wilson, 95 %).

    Args:
        dropped: inputs that never became records, by reason.
        records: those that did.
    """
    faults = []
    for reason in DAMAGED:
        n = dropped.get(reason, 0)
        total = records + sum(dropped.get(one, 0) for one in DAMAGED)
        if n < LEAST_DAMAGED:
            continue
        low, _ = wilson(np.array([float(n)]), np.array([float(total)]))
        if float(low[0]) > allowed_share:
            faults.append(
                HardFault(
                    kind=HardFaultKind.DAMAGED,
                    signal=reason,
                    slice=WHOLE,
                    reason=f"{n} of {total} inputs came {reason}",
                )
            )
    return faults


def _fault(
    frame: Frame, piece: Piece, kind: DataFault, judged: NDArray[np.bool_], allowed: float
) -> HardFault | None:
    quality, summary = piece.part.quality, piece.part.summary
    if not quality.total(kind) or not _is_unusual(frame, piece, kind):
        return None
    found = quality.of_cells(kind, summary.cells)
    records = np.maximum(summary.records, found)
    low, _ = wilson(found.astype(np.float64), records.astype(np.float64))
    bad = judged & (found > 0) & (low > allowed)
    if kind is DataFault.FROZEN:
        bad &= (found >= FROZEN_RECORDS) & (low > FROZEN_SHARE)
    if not bad.any():
        return None
    share = float(found[bad].sum() / records[bad].sum())
    example = quality.examples.get(kind, "")
    return HardFault(
        kind=_KINDS.get(kind, HardFaultKind.SCHEMA),
        signal=kind.value,
        slice=name_bad_cells(frame, piece, bad, judged),
        reason=f"{kind.words}: {share:.0%} of the records{f' ({example})' if example else ''}",
    )


def _is_unusual(frame: Frame, piece: Piece, kind: DataFault) -> bool:
    """Whether the baseline's images are otherwise: not dark and flat, not all the same."""
    if kind not in _KINDS:
        return True
    usual = usual_value(frame, piece, "contrast")
    return usual is not None and usual >= USUAL_CONTRAST
