"""Spread of a scalar against a stratified reference: do values lie further apart than they did?

With g the normal score of a value in its cell's own baseline distribution, ``g = Phi^-1(F(x))``
(mid-ranks inside a bin, ends kept finite), its mean removed, v the baseline's variance of g, and G
groups of n_j values whose mean is m_j: ::

    spread = (sum g^2 - sum v) / n - c (sum_j n_j m_j^2 - G v) / n,      c = 0.85

0 without drift, unbiased for any n. A leaf cell of at least 8 values is a group of its own; the
thinner ones of a slice make one group together, so that what cells have apart is no spread either.

**Why so.** A window's mean wanders with seasons and weather, and a folded rank would wander with
it: ``E r^2`` moves by 2.1 of its own noise (n = 200) when the mean moves by half a standard
deviation. A variance of normal scores does not move with the mean of a normal law; c is less than 1
because the end bins cut and real tails are heavier. At 0.5 (1) standard deviations the leak is 0.16
(0.49) noises for a normal law and 0.23 (0.61) for Student's t with 3 degrees of freedom; the
power to see a standard deviation 1.5 times as large is 1.3 times that of ``r^2``.

**Far from the baseline** most values lie in its last bins, where nothing tells them apart. Where
the squared mean that is taken out is surely above 2 (1.5 standard deviations of a normal law) there
is no spread: on rough traffic four of four false crossings in 28 days came from such windows.

**When not to use it.** For signals that move by a factor (latency): their spread grows with their
mean, so that it follows what *place* sees. What lasts is found either way.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detectors.frame import Frame
from detectors.reference import Floats

REMOVED = 0.85
"""The share c of the squared mean that is taken out."""

FEWEST_OWN = 8
"""A leaf cell with fewer values in the window has no mean of its own."""

FAR, SURELY = 2.0, 3.0
"""Squared mean beyond which there is no spread, and by how much for each group of values, so that a
few of them rarely decide."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SpreadStatistics:
    """Per slice and signal, (slices, S): values in known cells (0 where they lie too far from the
    baseline), the spread, and its sampling standard deviation without drift."""

    records: Floats
    spread: Floats
    noise: Floats


def spread_statistics(frame: Frame) -> SpreadStatistics:
    """The spread of every slice and scalar signal of a frame."""
    shape = (len(frame.slices), len(frame.signals))
    bins = frame.pieces[0].part.summary.layout.bins
    seen, excess, variance = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    removed, groups = np.zeros(shape), np.ones(shape)
    thin = _Thin(np.zeros((4, *shape)))
    for piece in frame.pieces:
        ranks, values = piece.tables.ranks, piece.tables.values
        counts = piece.part.summary.counts[:, :, :bins] * (values > 0)[:, :, None]
        n = counts.sum(axis=2).astype(np.float64)
        total = np.einsum("csb,csb->cs", counts, ranks.normal)
        square = np.einsum("csb,csb->cs", counts, ranks.square)
        own = n >= FEWEST_OWN
        lifted = np.where(own, total**2 / np.maximum(n, 1.0) - ranks.variance, 0.0)
        freedom = np.where(own, ranks.square_variance, 0.0)
        doubled = np.where(own, ranks.variance**2, 0.0)
        seen += piece.known @ n
        excess += piece.known @ (square - n * ranks.variance)
        removed += piece.known @ lifted
        groups += piece.known @ own
        variance += piece.known @ (
            n * ranks.square_variance - 2.0 * REMOVED * freedom + 2.0 * REMOVED**2 * doubled
        )
        rest = np.where(own, 0.0, 1.0)
        for row, each in enumerate((n, total, n * ranks.variance, n * ranks.square_variance)):
            thin.sums[row] += piece.known @ (rest * each)
    size = np.maximum(seen, 1.0)
    variance = np.maximum(variance + thin.variance, 0.0)
    removed += thin.lifted
    far = removed > FAR * seen + SURELY * groups
    return SpreadStatistics(
        records=np.where(far, 0.0, seen),
        spread=(excess - REMOVED * removed) / size,
        noise=np.sqrt(variance + 0.25) / size,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Thin:
    """The thin cells of each slice as one group: n, sum of g, sum of v and of the variance of
    g^2."""

    sums: Floats

    @property
    def lifted(self) -> Floats:
        """``n m^2 - v``."""
        n, total, variance, _ = self.sums
        return np.asarray((total**2 - variance) / np.maximum(n, 1.0))

    @property
    def variance(self) -> Floats:
        """What removing their mean adds to the variance."""
        _, _, variance, freedom = self.sums / np.maximum(self.sums[0], 1.0)
        return np.asarray(-2.0 * REMOVED * freedom + 2.0 * REMOVED**2 * variance**2)
