"""Scalars against a stratified reference: mean rank for the score, KS distance for the effect.

The expected distribution of a slice is the sum over its (version, leaf cell) of the records seen
there times that cell's own baseline distribution, so a change of the traffic mix is not drift.
Versions meet in rank space: bin b of each version is the b-th quantile bin of its own baseline.

* *Place*: the mean of ``r = 2 F(x) - 1`` with F the cell's own baseline distribution (mid-ranks
  inside a bin), in [-1, 1] and 0 without drift: twice the area under the ROC curve less one. It is
  nearly linear in a shift, so that seasons and weather can be taken out of it by subtraction.
* *Distance*: ``D = max_b |F_seen(b) - F_expected(b)|``, exact at the bin edges; its sign is that of
  the change (positive: larger values). It sees changes of any kind, but it is no score to watch in
  time: its sign flips where a wandering mean passes the baseline's.

Where the baseline never saw the signal, the mean rank among the bins takes their place, to be
judged against its own history.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.frame import Frame
from detectors.reference import Floats
from vigil.windows.summary import MOMENT_UNIT

KS_RMS_PER_SD = 1.81
"""Root mean square of sqrt(n) D for a continuous distribution, pi / sqrt(12), over the largest
standard deviation 1/2 of the empirical distribution function."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ScalarStatistics:
    """Per slice and signal, (slices, S).

    * ``records``: values in known cells; ``distance``: signed KS; ``noise``: its sampling standard
      deviation under no drift; ``reference_records``: the size the reference counts for.
    * ``place``, ``place_noise``: mean rank among the cells' own baselines.
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
    place: Floats
    place_noise: Floats
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
    place, place_variance = np.zeros(shape), np.zeros(shape)
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
        rank = tables.ranks.rank * judged[:, :, None]
        place += piece.known @ (counts * rank).sum(axis=2)
        place_variance += piece.known @ (n_judged * tables.ranks.rank_square)
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
        place=place / size,
        place_noise=np.sqrt(place_variance + 0.25) / size,
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
