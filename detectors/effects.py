"""How large a drift is: effects with 95 % intervals, in units that a tolerance can be stated in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from detectors.design_effect import linear_design, quadratic_design
from detectors.frame import Frame, Part, frame_of
from detectors.intervals import newcombe, wilson
from detectors.quantiles import mixed_quantiles
from detectors.reference import Floats
from detectors.statistics.category import category_statistics
from detectors.statistics.outcome import OutcomeStatistics, ece, outcome_statistics
from detectors.statistics.scalar import ScalarStatistics, scalar_statistics
from detectors.statistics.vector import vector_statistics
from detectors.streams import StreamKey
from vigil.catalogue import (
    ACCURACY,
    CALIBRATION,
    EMBEDDING,
    EMBEDDING_WHITENED,
    LOST_CLASS,
    PREDICTED_CLASS,
    base_of,
    signal_of,
)
from vigil.types import Effect, SignalKind, Slice

ALPHA = 0.05
TAIL = 0.99
_Z = float(norm.ppf(1.0 - ALPHA / 2))
_LOG = float(np.log(2.0 / ALPHA))

_Rows = dict[int, tuple[float, float, float, int, str]]


def effects(
    parts: Sequence[Part],
    streams: Iterable[StreamKey],
    *,
    tolerances: Mapping[str, float] | None = None,
    objectives: Mapping[str, float] | None = None,
    between: Callable[[StreamKey], float] | None = None,
) -> dict[StreamKey, Effect]:
    """Effects of streams over the sum of some ticks, e.g. since the onset.

    Args:
        parts: one per version, each summed over the ticks.
        streams: all of one model.
        tolerances: signal to tolerance; the catalogue's where not stated.
        objectives: signal to objective, in the signal's unit: its effect is then the 99th
            percentile less the objective. A service signal (latency) without an objective has no
            effect.
        between: variance of a stream's healthy scores beyond sampling (``FleetEvidence.between``).
            None, or 0: records count as independent.

    * scalars and their spreads: KS distance, Dvoretzky-Kiefer-Wolfowitz margin m, finite reference
      included, and ``sqrt(m^2 + 1.96^2 b / T)`` for T windows with variance b between them;
    * classes: total variation, bias-aware bounded-differences interval;
    * lost class: the share of its expected records that it lost; its share now with Wilson's
      interval, and the reference's with Wilson's too (both at once: conservative). None on novel
      slices;
    * embedding, whitened or not: root of the unbiased MMD^2, normal approximation (not exact);
    * accuracy: the loss, Newcombe's interval; calibration: the rise of ECE, normal approximation;
    * novel slices: out-of-range share beyond the expected (Wilson), or the same against the whole
      baseline.

    In the others n records count as ``n / deff`` (see ``detectors.design_effect``), so that
    correlated frames and the usual variation between windows widen each interval. Without
    ``between`` it is too narrow where there is such correlation.

    Returns:
        Effects of the streams for which there was anything to measure.

    Raises:
        RulerMismatchError: see ``frame_of``.
    """
    asked = list(streams)
    wanted = list(dict.fromkeys(_measured_as(stream) for stream in asked))
    slices = tuple(dict.fromkeys(stream.slice for stream in wanted))
    if not slices:
        return {}
    frame = frame_of(parts, slices)
    where = {piece: row for row, piece in enumerate(slices)}
    rows: dict[str, _Rows] = {}
    for name in {stream.signal for stream in wanted}:
        rows[name] = {}
    spread = _Spread(wanted, where, between, max(part.windows for part in parts))
    _scalars(frame, rows, objectives or {}, spread)
    if PREDICTED_CLASS.name in rows:
        rows[PREDICTED_CLASS.name] = _classes(frame, spread)
    if LOST_CLASS.name in rows:
        rows[LOST_CLASS.name] = _lost_class(frame, spread)
    if EMBEDDING.name in rows:
        rows[EMBEDDING.name] = _vectors(frame, spread)
    if ACCURACY.name in rows or CALIBRATION.name in rows:
        outcome = outcome_statistics(frame)
        if outcome is not None:
            rows[ACCURACY.name] = _accuracy(outcome, spread)
            rows[CALIBRATION.name] = _calibration(outcome, spread)
    found: dict[StreamKey, Effect] = {}
    for stream in wanted:
        entry = rows[stream.signal].get(where[stream.slice])
        if entry is not None:
            value, low, high, records, unit = entry
            found[stream] = Effect(
                value=value,
                low=low,
                high=high,
                tolerance=tolerance_of(stream.signal, tolerances),
                unit=unit,
                records=records,
            )
    measured = ((stream, found.get(_measured_as(stream))) for stream in asked)
    return {stream: effect for stream, effect in measured if effect is not None}


class _Spread:
    """Design effects of the slices of a frame, (slices,) for each signal."""

    def __init__(
        self,
        streams: Iterable[StreamKey],
        where: Mapping[Slice, int],
        between: Callable[[StreamKey], float] | None,
        windows: int,
    ) -> None:
        self._windows = windows
        self._between: dict[str, Floats] = {}
        for stream in streams if between is not None else ():
            column = self._between.setdefault(stream.signal, np.zeros(len(where)))
            column[where[stream.slice]] = between(stream) if between is not None else 0.0

    def linear(self, signal: str, noise: Floats) -> Floats:
        return linear_design(self._of(signal, noise), noise, self._windows)

    def quadratic(self, signal: str, noise: Floats) -> Floats:
        return quadratic_design(self._of(signal, noise), noise, self._windows)

    def _of(self, signal: str, like: Floats) -> Floats:
        return self._between.get(signal, np.zeros(len(like)))


def _measured_as(stream: StreamKey) -> StreamKey:
    """The whitened distance finds what MMD is slow to see; how large it is, MMD says. So does the
    KS distance for a spread."""
    if stream.signal == EMBEDDING_WHITENED.name:
        return replace(stream, signal=EMBEDDING.name)
    base = base_of(stream.signal)
    return stream if base == stream.signal else replace(stream, signal=base)


def tolerance_of(signal: str, tolerances: Mapping[str, float] | None = None) -> float:
    """The drift of a signal that never pages."""
    signal = base_of(signal)
    if tolerances is not None and signal in tolerances:
        return float(tolerances[signal])
    known = signal_of(signal)
    return 0.15 if known is None else known.tolerance


def _scalars(
    frame: Frame, rows: dict[str, _Rows], objectives: Mapping[str, float], spread: _Spread
) -> None:
    if not any(name in rows for name in frame.signals):
        return
    stats = scalar_statistics(frame)
    for s, name in enumerate(frame.signals):
        if name not in rows:
            continue
        noise = stats.noise if stats.has_reference[s] else stats.rank_noise
        design = spread.linear(name, noise[:, s])
        if name in objectives:
            rows[name] = _beyond(frame, s, float(objectives[name]), design)
        elif stats.has_reference[s] and not _is_service(name):
            wide = spread.linear(name, stats.outside_noise[:, s])
            rows[name] = _distances(frame, stats, s, design, wide)


def _is_service(name: str) -> bool:
    known = signal_of(name)
    return known is not None and known.kind is SignalKind.SERVICE


def _distances(
    frame: Frame, stats: ScalarStatistics, s: int, design: Floats, wide_design: Floats
) -> _Rows:
    n, size = stats.records[:, s], np.maximum(stats.records[:, s], 1.0)
    distance = np.abs(stats.distance[:, s])
    # What windows have in common moves the whole distribution one way: its tail is the normal's.
    common = _Z**2 * (design - 1.0) * stats.noise[:, s] ** 2
    margin = np.sqrt(_LOG / 2.0 * (1.0 / size + 1.0 / stats.reference_records[:, s]) + common)
    own = _rows(distance, distance - margin, distance + margin, n, "KS distance", n > 0)
    total, expected = stats.all_records[:, s], stats.outside_expected[:, s]
    worth = total / wide_design
    low, high = wilson(stats.outside[:, s] * worth, worth)
    share = stats.outside[:, s] - expected
    novel = frame.novel & (total > 0)
    wide = _rows(share, low - expected, high - expected, total, "out-of-range share", novel)
    return {**own, **wide}


def _beyond(frame: Frame, s: int, objective: float, design: Floats) -> _Rows:
    out: _Rows = {}
    for row in range(len(frame.slices)):
        histograms = [
            (
                piece.part.baseline.ruler.edges[s],
                piece.of[row] @ piece.part.summary.counts[:, s, :-1].astype(np.float64),
            )
            for piece in frame.pieces
        ]
        n = float(sum(counts.sum() for _, counts in histograms))
        if n == 0:
            continue
        margin = _Z * np.sqrt(TAIL * (1.0 - TAIL) * design[row] / n)
        shares = np.clip([TAIL, TAIL - margin, TAIL + margin], 0.0, 1.0)
        # What lies inside a bin is not known: the interval ends at edges.
        value, below, above = (at - objective for at in mixed_quantiles(histograms, shares))
        entry = (float(value[0]), float(below[1]), float(above[2]))
        out[row] = (*entry, int(n), "s beyond the objective")
    return out


def _classes(frame: Frame, spread: _Spread) -> _Rows:
    out: _Rows = {}
    for whole in (False, True):
        stats = category_statistics(frame, whole=whole)
        design = spread.quadratic(PREDICTED_CLASS.name, stats.noise)
        size = np.maximum(stats.records, 1.0) / design
        margin = np.sqrt(_LOG / 2.0 * (1.0 / size + 1.0 / stats.reference_records))
        value = stats.variation - stats.variation_bias * np.sqrt(design)
        use = (stats.records > 0) & (frame.novel == whole)
        out |= _rows(
            value, value - margin, stats.variation + margin, stats.records, "total variation", use
        )
    return out


def _lost_class(frame: Frame, spread: _Spread) -> _Rows:
    stats = category_statistics(frame, whole=False)
    loss = stats.loss
    found = loss.which >= 0
    worth = loss.records / spread.linear(LOST_CLASS.name, loss.noise)
    total = np.maximum(loss.records, 1.0)
    seen = np.where(found, loss.seen, 0.0) / total
    usual = np.where(found, loss.expected, total) / total
    size = np.minimum(stats.reference_records, 1e12)
    least, most = wilson(seen * worth, worth)
    lowest, highest = wilson(usual * size, size)
    low, high = 1.0 - most / np.maximum(lowest, 1e-12), 1.0 - least / highest
    rows = _rows(1.0 - seen / usual, low, high, loss.records, "", found)
    # Which class it is belongs to the figure: the unit names it.
    return {
        row: (*entry[:4], f"of class {int(loss.which[row])}'s usual share")
        for row, entry in rows.items()
    }


def _vectors(frame: Frame, spread: _Spread) -> _Rows:
    out: _Rows = {}
    for whole in (False, True):
        stats = vector_statistics(frame, whole=whole)
        design = spread.quadratic(EMBEDDING.name, stats.noise)
        unbiased = stats.score - (design - 1.0) * stats.bias
        positive = np.maximum(unbiased, 0.0)
        margin = _Z * np.sqrt((stats.noise * design) ** 2 + stats.slope**2 * design * positive)
        low = np.sqrt(np.maximum(unbiased - margin, 0.0))
        high = np.sqrt(np.maximum(stats.score + margin, 0.0))
        use = (stats.records > 0) & (frame.novel == whole)
        out |= _rows(np.sqrt(positive), low, high, stats.records, "root MMD", use)
    return out


def _accuracy(stats: OutcomeStatistics, spread: _Spread) -> _Rows:
    labels = stats.records
    worth = np.maximum(labels, 1.0) / spread.linear(ACCURACY.name, stats.accuracy_noise)
    low, high = newcombe(stats.expected, stats.expected_noise, stats.accuracy * worth, worth)
    use = (labels > 0) & (stats.reference_labels > 0)
    loss = stats.expected - stats.accuracy
    return _rows(loss, low, high, labels, "loss of accuracy", use, floor=-1.0)


def _calibration(stats: OutcomeStatistics, spread: _Spread) -> _Rows:
    value, bias, error = ece(stats.table)
    wider = np.sqrt(spread.quadratic(CALIBRATION.name, stats.calibration_noise))
    bias, error = bias * wider, error * wider
    rise = value - stats.reference_ece
    use = stats.records > 0
    return _rows(
        rise - bias,
        rise - bias - _Z * error,
        rise + _Z * error,
        stats.records,
        "rise of ECE",
        use,
        floor=-1.0,
    )


def _rows(
    value: Floats,
    low: Floats,
    high: Floats,
    records: Floats,
    unit: str,
    use: NDArray[np.bool_],
    *,
    floor: float = 0.0,
) -> _Rows:
    rows = np.flatnonzero(use)
    values, lows, highs = (
        np.clip(column[rows], floor, None).tolist() for column in (value, low, high)
    )
    counts = records[rows].astype(np.int64).tolist()
    return {
        row: (at, below, above, count, unit)
        for row, at, below, above, count in zip(
            rows.tolist(), values, lows, highs, counts, strict=True
        )
    }
