"""What other tools' rules would have paged on the same healthy traffic, a day.

Hourly windows of true multinomial counts, per stream (scalars and classes; embeddings are left
out), against a baseline that counts as exact:

* KS at 0.05 every hour, as in a plain loop over ``scipy.stats``;
* Evidently's defaults for a reference of more than 1000 rows: normed Wasserstein distance >= 0.1
  (numbers), Jensen-Shannon distance >= 0.1 (classes); a slice alarms where half of its columns do;
* the same with a reference of up to 1000 rows: KS and chi-square, p < 0.05;
* means of one-minute windows outside mean +- 3 standard deviations of the two weeks before;
* KS every hour, Bonferroni over all streams and the hours of 30 days: the budget of the engine.

Alarms in consecutive windows of one stream (one slice) count once.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import kolmogorov
from scipy.stats import chi2

from bench.evidence import results
from bench.evidence.laws import _LAWS, BINS, CLASSES, GRID, STEP, WIDEST, masses
from bench.evidence.options import Options
from bench.evidence.traffic import KINDS, SIZES, Block, World

Floats = NDArray[np.float64]

RULES = (
    "KS 0.05, hourly",
    "Evidently, columns",
    "Evidently, half of a slice's columns",
    "Evidently, columns, reference of 1000 rows",
    "3 sigma on window means",
    "KS hourly with Bonferroni",
)
HOUR = 60


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """Days counted, and days before from which 3 sigma takes its limits."""

    days: int = 7
    before: int = 14


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Hours:
    """Counts of each hour: (hours, streams, bins); ``records`` (hours, streams)."""

    counts: NDArray[np.int64]
    records: Floats


def hours(
    block: Block, mine: NDArray[np.int64], kind: str, frames: int, rng: np.random.Generator
) -> Hours:
    """True multinomial counts of every window, summed over hours."""
    table = _masses(kind)
    spot = np.clip(np.rint((block.mu[:, mine] + WIDEST) / STEP), 0, len(GRID) - 1).astype(np.int64)
    size = SIZES[block.size[:, mine]]
    many = len(size) // HOUR
    bins = table.shape[1]
    counts = np.empty((many, len(mine), bins), np.int64)
    for h in range(many):
        rows = slice(h * HOUR, (h + 1) * HOUR)
        drawn = rng.multinomial(size[rows], table[spot[rows]])
        counts[h] = drawn.sum(axis=0) * frames
    return Hours(counts=counts, records=counts.sum(axis=2).astype(np.float64))


_tables: dict[str, Floats] = {}


def _masses(kind: str) -> Floats:
    if kind not in _tables:
        _tables[kind] = np.array([masses(kind, float(mu)) for mu in GRID])
    return _tables[kind]


def ks_p(seen: Hours) -> Floats:
    """p-values of a one-sample KS test (asymptotic), taking records as independent."""
    n = np.maximum(seen.records, 1.0)
    gap = seen.counts.cumsum(axis=2) / n[:, :, None] - np.arange(1, BINS + 1) / BINS
    return np.asarray(kolmogorov(np.sqrt(n) * np.abs(gap).max(axis=2)))


def wasserstein(seen: Hours, kind: str) -> Floats:
    """Wasserstein-1 distance in baseline standard deviations, each bin at its baseline mean."""
    middle = _LAWS[kind].ppf((np.arange(BINS) + 0.5) / BINS)
    n = np.maximum(seen.records, 1.0)
    gap = seen.counts.cumsum(axis=2) / n[:, :, None] - np.arange(1, BINS + 1) / BINS
    return np.asarray((np.abs(gap[:, :, :-1]) * np.diff(middle)).sum(axis=2))


def jensen_shannon(seen: Hours) -> Floats:
    """Root of the Jensen-Shannon divergence in bits, as SciPy's distance with base 2."""
    p = seen.counts / np.maximum(seen.records, 1.0)[:, :, None]
    middle = 0.5 * (p + CLASSES)
    left = np.where(p > 0, p * np.log2(np.where(p > 0, p, 1.0) / middle), 0.0)
    right = CLASSES * np.log2(CLASSES / middle)
    return np.asarray(np.sqrt(np.maximum(0.5 * (left + right).sum(axis=2), 0.0)))


def chi_square_p(seen: Hours) -> Floats:
    """p-values of a chi-square test against the exact baseline."""
    n = np.maximum(seen.records, 1.0)[:, :, None]
    statistic = ((seen.counts - n * CLASSES) ** 2 / (n * CLASSES)).sum(axis=2)
    return np.asarray(chi2.sf(statistic, len(CLASSES) - 1))


def episodes(alarm: NDArray[np.bool_]) -> int:
    """Runs of alarms down the columns."""
    return int((alarm[1:] & ~alarm[:-1]).sum() + alarm[0].sum())


def measure(weather: str, seed: int, span: Span) -> dict[str, Any]:
    """Alarms and episodes a day of each rule."""
    traffic = KINDS[weather]
    world = World(traffic, seed)
    rng = np.random.default_rng([seed, 4])
    columns = [s for s, (_, kind) in enumerate(traffic.signals) if kind != "embedding"]
    scalars = [s for s in columns if traffic.signals[s][1] != "classes"]
    use = np.flatnonzero(np.isin(world.signal_of, scalars))
    means = [_means(world.next_block(), use, rng) for _ in range(span.before)]
    healthy = np.concatenate(means)
    middle, spread = np.nanmean(healthy, axis=0), np.nanstd(healthy, axis=0)
    streams = len(world.signal_of)
    alarms: dict[str, list[NDArray[np.bool_]]] = {rule: [] for rule in RULES}
    for _ in range(span.days):
        block = world.next_block()
        off = np.abs(_means(block, use, rng) - middle) > 3.0 * spread
        alarms["3 sigma on window means"].append(off)
        today: dict[str, list[NDArray[np.bool_]]] = {rule: [] for rule in RULES}
        for s in columns:
            kind = traffic.signals[s][1]
            seen = hours(block, np.flatnonzero(world.signal_of == s), kind, traffic.frames, rng)
            there = seen.records > 0
            if kind == "classes":
                today[RULES[1]].append((jensen_shannon(seen) >= 0.1) & there)
                today[RULES[3]].append((chi_square_p(seen) < 0.05) & there)
                continue
            p = ks_p(seen)
            today[RULES[0]].append((p < 0.05) & there)
            today[RULES[3]].append((p < 0.05) & there)
            today[RULES[5]].append((p < 1.0 / (streams * 24 * 30)) & there)
            today[RULES[1]].append((wasserstein(seen, kind) >= 0.1) & there)
        for rule in RULES:
            if today[rule]:
                alarms[rule].append(np.concatenate(today[rule], axis=1))
        share = np.mean(today[RULES[1]], axis=0)
        alarms[RULES[2]].append(share >= 0.5)
    out = {}
    for rule in RULES:
        stacked = np.concatenate(alarms[rule])
        out[rule] = {
            "alarms_a_day": float(stacked.sum() / span.days),
            "pages_a_day": episodes(stacked) / span.days,
            "watched": int(stacked.shape[1]),
            "share_of_looks": float(stacked.mean()),
        }
    return out


def _means(block: Block, use: NDArray[np.int64], rng: np.random.Generator) -> Floats:
    """Means of the windows: normal noise of one scene over the root of their number."""
    size = SIZES[block.size[:, use]]
    noise = rng.standard_normal(size.shape) / np.sqrt(np.maximum(size, 1))
    return np.where(size > 0, block.mu[:, use] + noise, np.nan)


def main(options: Options) -> None:
    span = Span(days=1, before=1) if options.quick else Span()
    found = {}
    for weather in options.weathers:
        found[weather] = measure(weather, 301, span)
        for rule, one in found[weather].items():
            sys.stdout.write(
                f"{weather:6} {rule:44} {one['pages_a_day']:8.1f} pages a day, "
                f"{one['share_of_looks']:.3f} of the looks alarm\n"
            )
    known = results.document(options.path).get("peers", {}).get("weathers", {})
    results.merge(options.path, "peers", {"weathers": known | found, "days": span.days})
