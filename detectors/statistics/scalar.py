"""Scalars: the signed Kolmogorov-Smirnov distance to a stratified reference.

The expected distribution of a slice is the sum over its (version, leaf cell) of the records seen
there times that cell's own baseline distribution, so a change of the traffic mix is not drift.
Versions meet in rank space: bin b of each version is the b-th quantile bin of its own baseline.

``D = max_b |F_seen(b) - F_expected(b)|``, exact at the bin edges; its sign is that of the change
(positive: larger values). Where the baseline never saw the signal, the mean rank takes its place,
to be judged against its own history.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.frame import Frame
from detectors.reference import Floats
from vigil.summary import MOMENT_UNIT

KS_RMS_PER_SD = 1.81
"""Root mean square of sqrt(n) D for a continuous distribution, pi / sqrt(12), over the largest
standard deviation 1/2 of the empirical distribution function."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ScalarStatistics:
    """Per slice and signal, (slices, S).

    * ``records``: values in known cells; ``distance``: signed KS; ``noise``: its sampling standard
      deviation under no drift; ``reference_records``: the size the reference counts for.
    * ``shift``: change of the mean, in baseline standard deviations.
    * ``all_records``, ``outside``, ``outside_expected``, ``outside_noise``: the out-of-range share
      in all cells against the whole baseline.
    * ``rank``, ``rank_noise``: mean rank in [-1, 1].
    * ``has_reference`` (S,).
    """

    records: Floats
    distance: Floats
    noise: Floats
    reference_records: Floats
    shift: Floats
    all_records: Floats
    outside: Floats
    outside_expected: Floats
    outside_noise: Floats
    whole_shift: Floats
    rank: Floats
    rank_noise: Floats
    has_reference: NDArray[np.bool_]


def scalar_statistics(frame: Frame) -> ScalarStatistics:
    """KS, out-of-range share and mean rank of every slice and scalar signal of a frame."""
    s = len(frame.signals)
    bins = frame.pieces[0].part.summary.layout.bins
    shape = (len(frame.slices), s)
    difference = np.zeros((*shape, bins))
    variance = np.zeros((*shape, bins))
    seen, everything = np.zeros(shape), np.zeros(shape)
    against, moments, expected_moments = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    all_moments, whole_moments = np.zeros(shape), np.zeros(shape)
    outside, outside_expected, ranks = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    has_reference = np.zeros(s, dtype=bool)
    rank_of_bin = 2.0 * (np.arange(bins) + 0.5) / bins - 1.0
    for piece in frame.pieces:
        tables, reference = piece.tables, piece.reference
        counts = piece.part.summary.counts[:, :, :bins].astype(np.float64)
        n = counts.sum(axis=2)
        judged = tables.values > 0
        n_judged = n * judged
        sums = piece.part.summary.moments[:, :, 0] / MOMENT_UNIT
        cumulative = counts.cumsum(axis=2) * judged[:, :, None]
        expected = n_judged[:, :, None] * tables.cdf
        smooth = (tables.cdf * tables.values[:, :, None] + 0.5) / (tables.values[:, :, None] + 1.0)
        spread = n_judged[:, :, None] * smooth * (1.0 - smooth)
        difference += _mix(piece.known, cumulative - expected)
        variance += _mix(piece.known, spread)
        seen += piece.known @ n_judged
        against += piece.known @ (n_judged**2 / np.maximum(tables.values, 1.0))
        moments += piece.known @ (sums * judged)
        expected_moments += piece.known @ (n_judged * tables.moments)
        everything += piece.of @ n
        all_moments += piece.of @ sums
        whole_moments += piece.of @ (n * reference.whole.moments[0])
        outside += piece.of @ (counts * reference.tail_bins).sum(axis=2)
        outside_expected += piece.of @ (n * reference.tail_share)
        ranks += piece.of @ (counts @ rank_of_bin)
        has_reference |= reference.has_signal
    size, total = np.maximum(seen, 1.0), np.maximum(everything, 1.0)
    gap = difference / size[:, :, None]
    peak = np.abs(gap).argmax(axis=2)
    at_peak = np.take_along_axis(gap, peak[:, :, None], axis=2)[:, :, 0]
    sampling = KS_RMS_PER_SD * np.sqrt(variance.max(axis=2)) / size
    share = outside_expected / total
    return ScalarStatistics(
        records=seen,
        distance=-at_peak,
        noise=np.sqrt(sampling**2 + 0.25 / size**2),
        reference_records=np.where(against > 0, size**2 / np.maximum(against, 1e-12), np.inf),
        shift=(moments - expected_moments) / size,
        all_records=everything,
        outside=outside / total,
        outside_expected=share,
        outside_noise=np.sqrt(share * (1.0 - share) / total + 0.25 / total**2),
        whole_shift=(all_moments - whole_moments) / total,
        rank=ranks / total,
        rank_noise=1.0 / np.sqrt(3.0 * total),
        has_reference=has_reference,
    )


def _mix(weights: Floats, table: Floats) -> Floats:
    flat = weights @ table.reshape(len(table), table.shape[1] * table.shape[2])
    return np.asarray(flat.reshape((len(weights), *table.shape[1:])))
