"""Which way a signal moved, and whether that way is worse and not merely different."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from detectors.frame import Part, frame_of
from detectors.statistics.outcome import outcome_statistics
from detectors.statistics.scalar import scalar_statistics
from detectors.streams import StreamKey
from vigil.catalogue import ACCURACY, CALIBRATION, signal_of
from vigil.types import Harm


def changes(parts: Sequence[Part], streams: Iterable[StreamKey]) -> dict[StreamKey, float]:
    """Signed changes over the sum of some ticks.

    Scalars: change of the mean, in baseline standard deviations, against the slice's own cells
    (novel slices: against the whole baseline). Accuracy: change of the share. Calibration: change
    of the squared error. Spreads, classes and embeddings have no direction and are left out.
    """
    wanted = list(streams)
    slices = tuple(dict.fromkeys(stream.slice for stream in wanted))
    if not slices:
        return {}
    frame = frame_of(parts, slices)
    where = {piece: row for row, piece in enumerate(slices)}
    column = {name: s for s, name in enumerate(frame.signals)}
    scalars = scalar_statistics(frame)
    outcome = outcome_statistics(frame)
    shift = np.where(frame.novel[:, None], scalars.whole_shift, scalars.shift)
    size = np.where(frame.novel[:, None], scalars.all_records, scalars.records)
    found: dict[StreamKey, float] = {}
    for stream in wanted:
        row = where[stream.slice]
        if stream.signal in column:
            s = column[stream.signal]
            if size[row, s] > 0 and scalars.has_reference[s]:
                found[stream] = float(shift[row, s])
        elif outcome is not None and outcome.records[row] > 0:
            if stream.signal == ACCURACY.name and outcome.reference_labels[row] > 0:
                found[stream] = float(outcome.accuracy[row] - outcome.expected[row])
            elif stream.signal == CALIBRATION.name:
                gap = outcome.calibration[row] - outcome.reference_calibration[row]
                found[stream] = float(gap)
    return found


def worse(signal: str, change: float) -> bool:
    """Whether a change of this sign is the way in which the signal does harm."""
    known = signal_of(signal)
    harm = Harm.NEITHER if known is None else known.harm
    return (harm is Harm.LOWER and change < 0) or (harm is Harm.HIGHER and change > 0)
