"""The sampling law of a window's score, for each kind of signal.

A scene's bin is drawn from the record's law shifted by mu; its counts are multinomial over the
baseline's 64 quantile bins (or 10 classes), each scene counts ``frames`` times, and the score and
its stated noise are the product's formulas (``detectors.statistics``) against a baseline so large
that it counts as exact. ``law:spread`` is the stream of the spread, ``classes:lost`` that of the
class that lost most; other kinds with a colon have steadier scores (``STEADY``), for comparison.
For the embedding, d is Gaussian in the kernel's leading directions.

Healthy traffic needs 10^9 of them: ``Bank`` tabulates true draws over a grid of mu (step 0.025) and
all sizes, and healthy scores are drawn from the table. Faults are always drawn afresh.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import gamma, norm
from scipy.stats import t as student

from bench.evidence.traffic import KINDS, SIZES, Block, Traffic, spreads, steady
from detectors.ranks import ranks_of
from detectors.statistics.category import LARGEST_SPREAD, largest_loss
from detectors.statistics.outcome import squared_calibration
from detectors.statistics.spread import FAR, REMOVED, SURELY

Floats = NDArray[np.float64]

BINS = 64
STEP, WIDEST = 0.025, 5.0
GRID = np.arange(-WIDEST, WIDEST + STEP / 2, STEP)

CLASSES = 0.75 ** np.arange(10) / (0.75 ** np.arange(10)).sum()
TILT = np.array([-1, 1, -0.5, 1.5, -1.5, 0.5, 1, -1, 2, -2]) * 0.5
SPECTRUM = 0.5 / np.arange(1, 33) ** 1.5
"""Variances of one record's features in the kernel's leading directions."""
DIRECTION = 0.25 * np.arange(1, 33) ** -0.5
STEADY = {
    "normal": "normal:mean",
    "heavy": "heavy:mean",
    "rank": "rank:scores",
    "classes": "classes:order",
    "embedding": "embedding:leading",
}
"""Scores that move evenly with mu, both ways, with a spread that does not depend on mu: the mean of
the records (clipped at 8 sigma), the mean normal score of the bins, the mean normal score of the
order of the classes, the leading component of the embedding."""
CLIP = 8.0
_CUTS = norm.ppf(np.arange(BINS + 1) / BINS)
NORMAL = BINS * (norm.pdf(_CUTS[:-1]) - norm.pdf(_CUTS[1:]))
"""Mean of a standard normal within each bin."""
_EQUAL = np.full((1, 1, BINS), 1.0 / BINS)
RANKS = ranks_of(_EQUAL, _EQUAL.cumsum(axis=2), np.full((1, 1), 1e9))
_ENDS = norm.ppf(np.append(0.0, CLASSES.cumsum()).clip(0.0, 1.0))
ORDER = (norm.pdf(_ENDS[:-1]) - norm.pdf(_ENDS[1:])) / CLASSES
ORDER /= np.sqrt((CLASSES * ORDER**2).sum())
SLOWING = 0.7
"""Latency is multiplied by exp(0.7 mu); its standard deviation is 0.7 of its mean."""
LABELLED = 0.3
"""Share of records whose label arrives."""

_LAWS = {
    "normal": norm(),
    "heavy": student(3, scale=1 / np.sqrt(3.0)),
    "rank": gamma(2.0, scale=0.5),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """What changes, in a share of the records.

    ``shift`` in sigma of one record; ``spread``: factor of the standard deviation; ``lost``: the
    share of its records that a class loses to the others; ``cluster``: share of records in a new
    cluster of embeddings; ``gap``: rise of the calibration error; ``slower``: relative rise of
    latency.
    """

    name: str
    shift: float = 0.0
    spread: float = 1.0
    lost: float = 0.0
    cluster: float = 0.0
    gap: float = 0.0
    slower: float = 0.0


NOTHING = Fault(name="nothing")


@lru_cache(maxsize=4096)
def _edges(kind: str) -> Floats:
    return np.asarray(_LAWS[kind.partition(":")[0]].ppf(np.arange(BINS + 1) / BINS))


def masses(kind: str, mu: float, fault: Fault = NOTHING, share: float = 1.0) -> Floats:
    """Probability of each bin (or class) of one scene; ``share`` of the records have the fault."""
    kind = kind.partition(":")[0]
    if kind == "classes":
        good = CLASSES * np.exp(TILT * mu)
        good /= good.sum()
        bad = CLASSES * np.exp(TILT * (mu + fault.shift))
        bad[2] *= 1.0 - fault.lost
        return np.asarray((1.0 - share) * good + share * bad / bad.sum())
    law, edges = _LAWS[kind], _edges(kind)
    if kind == "rank":
        slower = np.exp(-SLOWING * (mu + fault.shift)) / (1.0 + fault.slower)
        good = np.diff(law.cdf(edges * np.exp(-SLOWING * mu)))
        return np.asarray((1.0 - share) * good + share * np.diff(law.cdf(edges * slower)))
    good = np.diff(law.cdf(edges - mu))
    if fault is NOTHING:
        return np.asarray(good)
    bad = np.diff(law.cdf((edges - mu - fault.shift) / fault.spread))
    return np.asarray((1.0 - share) * good + share * bad)


def scores(
    kind: str,
    size: int,
    frames: int,
    mu: Floats,
    rng: np.random.Generator,
    fault: Fault = NOTHING,
    share: float = 1.0,
) -> Floats:
    """One score for each mu, in windows of ``size`` scenes."""
    n = size * frames
    if kind.startswith("embedding"):
        bias = SPECTRUM.sum()
        moved = mu[:, None] * 0.2 * DIRECTION
        d = moved + np.sqrt(SPECTRUM / size) * rng.standard_normal((len(mu), len(SPECTRUM)))
        if fault.cluster or fault.shift:
            part = rng.binomial(size, share * (fault.cluster or 1.0), len(mu)) / size
            d += part[:, None] * (0.5 if fault.cluster else 0.2 * fault.shift) * DIRECTION[::-1] * 4
        squared = (d**2).sum(axis=1)
        return np.asarray(d[:, 0] if kind.endswith(":leading") else squared - bias / n)
    if kind == "calibration":
        return _calibration(n, mu, rng, fault.gap * share)
    if kind.endswith(":mean"):
        return _means(kind, size, mu, rng, fault, share)
    p = np.array([masses(kind, float(m), fault, share) for m in mu])
    return score_of_counts(kind, rng.multinomial(size, p) * frames)


def _means(
    kind: str, size: int, mu: Floats, rng: np.random.Generator, fault: Fault, share: float
) -> Floats:
    """Means of ``size`` clipped records each."""
    law = kind.partition(":")[0]
    shape = (len(mu), size)
    x = rng.standard_normal(shape) if law == "normal" else rng.standard_t(3, shape) / np.sqrt(3.0)
    if fault is not NOTHING:
        hit = rng.random(shape) < share
        x = np.where(hit, x * fault.spread + fault.shift, x)
    return np.asarray(np.clip(x + mu[:, None], -CLIP, CLIP).mean(axis=1))


def score_of_counts(kind: str, counts: NDArray[np.int64]) -> Floats:
    """The score of windows (m, bins): the product's, as ``detectors.statistics`` has it (NaN: there
    is none), or a steadier one (see ``STEADY``)."""
    n = np.maximum(counts.sum(axis=1), 1)
    kind, _, watched = kind.partition(":")
    if watched == "lost":
        size = n.astype(np.float64)
        return largest_loss(
            counts.astype(np.float64), size[:, None] * CLASSES, size, np.full(len(n), np.inf)
        ).score
    if watched and kind == "classes":
        return np.asarray(counts @ ORDER / n)
    if watched == "spread":
        variance = RANKS.variance[0, 0]
        lifted = (counts @ RANKS.normal[0, 0]) ** 2 / n - variance
        found = (counts @ RANKS.square[0, 0] - REMOVED * lifted) / n - variance
        return np.where(lifted > FAR * n + 2.0 * SURELY, np.nan, found)
    if watched:
        return np.asarray(counts @ NORMAL / n)
    if kind == "classes":
        expected = np.maximum(n[:, None] * CLASSES, 0.5)
        variance = n[:, None] * CLASSES * (1.0 - CLASSES)
        statistic = ((counts - n[:, None] * CLASSES) ** 2 / expected).sum(axis=1)
        return np.asarray((statistic - (variance / expected).sum(axis=1)) / n)
    return np.asarray(counts @ (2.0 * (np.arange(BINS) + 0.5) / BINS - 1.0) / n)


def noise(kind: str, records: Floats) -> Floats:
    """The score's standard deviation without drift, as the product states it."""
    n = np.maximum(records, 1.0)
    kind, _, watched = kind.partition(":")
    if watched == "spread":
        freedom, doubled = RANKS.square_variance[0, 0], RANKS.variance[0, 0] ** 2
        sums = (n - 2.0 * REMOVED) * freedom + 2.0 * REMOVED**2 * doubled
        return np.asarray(np.sqrt(np.maximum(sums, 0.0) + 0.25) / n)
    if watched == "lost":
        return np.asarray(0.5 * LARGEST_SPREAD / np.sqrt(n))
    if watched:
        return np.asarray(np.sqrt((SPECTRUM[0] if kind == "embedding" else 1.0) / n))
    if kind == "classes":
        expected = np.maximum(n[..., None] * CLASSES, 0.5)
        ratio = n[..., None] * CLASSES * (1.0 - CLASSES) / expected
        return np.asarray(np.sqrt(2.0 * (ratio**2).sum(axis=-1) + 1e-6) / n)
    if kind == "embedding":
        return np.asarray(np.sqrt(2.0 * (SPECTRUM**2).sum() + 1e-12) / n)
    if kind == "calibration":
        labels = np.maximum(LABELLED * n, 1.0)
        return np.asarray(np.sqrt(2.0 * 15 * (0.16 / labels) ** 2 + 1e-8))
    return np.asarray(np.sqrt(n / 3.0 + 0.25) / n)


def _calibration(n: int, mu: Floats, rng: np.random.Generator, gap: float) -> Floats:
    labels = max(1, round(LABELLED * n))
    share = np.linspace(0.4, 1.6, 15) / 15
    confidence = (np.arange(15) + 0.5) / 15 * 0.9 + 0.08
    count = rng.multinomial(labels, share, len(mu))
    truth = np.clip(confidence - gap + 0.005 * mu[:, None], 0.0, 1.0)
    table = np.stack([count, count * confidence, rng.binomial(count, truth)], axis=2)
    return squared_calibration(table.astype(np.float64))[0]


KINDS |= {f"{name}-steady": steady(KINDS[name], STEADY) for name in ("mild", "rough")}
KINDS |= {f"{name}-spread": spreads(KINDS[name]) for name in ("mild", "rough")}


class Bank:
    """Tabulated healthy scores of one traffic's signals, (kinds, sizes, grid, draws), kept in the
    folder ``cache``."""

    def __init__(self, traffic: Traffic, *, draws: int = 300, cache: Path | None = None) -> None:
        self.kinds = tuple(dict.fromkeys(kind for _, kind in traffic.signals))
        self.frames, self.draws = traffic.frames, draws
        top = np.searchsorted(SIZES, 1.25 * max(traffic.whole) / traffic.frames)
        self.sizes = SIZES[: top + 1]
        flat = not (traffic.season or traffic.weather or traffic.wobble or traffic.offset)
        self.grid = GRID[[len(GRID) // 2]] if flat else GRID
        self.draws = draws * (200 if flat else 1)
        self.table = np.stack([self._law(kind, cache) for kind in self.kinds])
        self._flat = self.table.reshape(-1)
        records = (self.sizes * self.frames).astype(np.float64)
        self.noise = np.stack([noise(kind, records) for kind in self.kinds])
        kind_of = {kind: k for k, kind in enumerate(self.kinds)}
        self.kind_of_signal = np.array([kind_of[kind] for _, kind in traffic.signals])

    def _law(self, kind: str, cache: Path | None) -> NDArray[np.float32]:
        if cache is None:
            return self._draw(kind)
        code = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:8]
        shape = (len(self.sizes), len(self.grid), self.draws)
        about = (kind.replace(":", "-"), self.frames, *shape, code)
        path = cache / f"law-{'-'.join(map(str, about))}.npy"
        if not path.exists():
            cache.mkdir(parents=True, exist_ok=True)
            beside = path.with_suffix(f".{os.getpid()}.npy")
            np.save(beside, self._draw(kind))
            beside.replace(path)
        return np.asarray(np.load(path))

    def _draw(self, kind: str) -> NDArray[np.float32]:
        rng = np.random.default_rng([20260101, *kind.encode()])
        table = np.zeros((len(self.sizes), len(self.grid), self.draws), np.float32)
        means = kind.endswith(":mean")
        counted = not means and not kind.startswith(("embedding", "calibration"))
        p = [masses(kind, float(mu)) for mu in self.grid] if counted else []
        for s, size in enumerate(self.sizes.tolist()):
            if size == 0:
                continue
            if counted:
                for g, mass in enumerate(p):
                    counts = rng.multinomial(size, mass, self.draws)
                    table[s, g] = score_of_counts(kind, counts * self.frames)
            elif means:  # a shift moves a mean and nothing else, but for what is clipped
                at_zero = scores(kind, size, self.frames, np.zeros(4000), rng)
                table[s] = self.grid[:, None] + rng.choice(at_zero, table[s].shape)
            else:
                mu = np.repeat(self.grid, self.draws)
                drawn = scores(kind, size, self.frames, mu, rng)
                table[s] = drawn.reshape(len(self.grid), self.draws)
        return table

    def scores(
        self, block: Block, signal_of: NDArray[np.int64], rng: np.random.Generator
    ) -> tuple[Floats, Floats, NDArray[np.int64]]:
        """Score, noise and records of a block, (T, n) each; NaN where a stream is absent."""
        kind = self.kind_of_signal[signal_of]
        size = np.minimum(block.size, len(self.sizes) - 1)
        where = (kind * len(self.sizes) + size) * len(self.grid)
        if len(self.grid) > 1:
            spot = np.rint((block.mu + WIDEST) / STEP).astype(np.int64)
            where += np.clip(spot, 0, len(self.grid) - 1)
        where *= self.draws
        where += rng.integers(0, self.draws, where.shape)
        score = self._flat[where].astype(np.float64)
        score[size == 0] = np.nan
        return score, self.noise[kind, size], self.sizes[size] * self.frames
