"""Strata that leak: hours, weekdays or places in which a stream's p-values are not uniform.

A healthy stream whose assumptions hold has standard normal scores ``g = Phi^-1(p)`` whatever the
hour. Where they lean to one side at some hours, evidence grows in those hours without a fault.

**Hour of day, day of week.** The mean of ``g`` in each (cycle, phase), e.g. (day, hour), is a
table of C cycles by P phases, less each cycle's own mean. The statistic is the sum of squares of
the phases' means over cycles. Its null distribution comes from turning every cycle by a phase of
its own at random: that keeps the dependence between neighbouring windows, which a plain analysis of
variance would mistake for a season. A gamma distribution is fitted to the turned statistics, for
p-values smaller than their number resolves.

**Place.** The daily means of ``g`` of one stream against 0, by a t-test: the stream does not do
what it did while it was learnt.

All p-values of all streams and kinds are corrected together by Holm's method: the chance that any
of a healthy fleet's strata is named is at most ``ALPHA``. Approximate: the gamma tail, days as
independent units, noise that is stationary within a cycle. Not to be used for cycles that the
traffic does not keep (a shift plan of nine days), and with few cycles only gross leaks are found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.floating[Any]]

ALPHA = 0.05
TURNS = 200
FEWEST_DAYS = 5
FEWEST_WEEKS = 3
_HOURS, _WEEKDAYS = 24, 7
_NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True, kw_only=True, slots=True)
class Leak:
    """One stream and the stratum that moves it most.

    ``effect``: mean normal score there (0 where nothing leaks; 1 is a whole standard deviation of
    the stream's windows). ``p``: corrected for all strata of all streams.
    """

    kind: str
    stream: int
    stratum: str
    effect: float
    p: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Coverage:
    """One kind of stratum: how many streams could be tested, or ``reason`` why none could."""

    kind: str
    streams: int
    reason: str = ""


class Strata:
    """Sums of normal scores by day and hour (UTC); N x 24 numbers a day."""

    def __init__(self) -> None:
        self._days: dict[int, NDArray[np.float32]] = {}

    def add(self, at: datetime, scores: Floats) -> None:
        """The normal scores (N,) of the window that ended at ``at``; NaN where there was none."""
        stamp = int(at.timestamp()) - 1  # the window that ends at midnight belongs to the day
        day, hour = divmod(stamp // 3600, 24)
        table = self._days.get(day)
        if table is None or table.shape[2] < len(scores):
            table = self._days[day] = _roomy(table, len(scores))
        seen = np.isfinite(scores)
        table[0, hour, : len(scores)] += seen
        table[1, hour, : len(scores)] += np.where(seen, scores, 0.0)

    def leaks(
        self, streams: int, rng: np.random.Generator
    ) -> tuple[tuple[Leak, ...], tuple[Coverage, ...]]:
        """Every stratum that leaks, worst first, and what could be tested at all."""
        count, total = self._cube(streams)
        hours, hour_said = _turning("hour of day", _hours(count, total), FEWEST_DAYS, "days", rng)
        week, week_said = _turning(
            "day of week",
            _weekdays(count, total, sorted(self._days)),
            FEWEST_WEEKS,
            "weeks",
            rng,
        )
        place, place_said = _level(count, total)
        found = [*hours, *week, *place]
        adjusted = holm([one.p for one in found])
        leaks = [
            Leak(kind=one.kind, stream=one.stream, stratum=one.stratum, effect=one.effect, p=p)
            for one, p in zip(found, adjusted, strict=True)
            if p <= ALPHA
        ]
        leaks.sort(key=lambda one: (-abs(one.effect), one.kind, one.stream))
        return tuple(leaks), (hour_said, week_said, place_said)

    def _cube(self, streams: int) -> tuple[Floats, Floats]:
        """Counts and sums (days, 24, N), all days from the first to the last."""
        if not self._days:
            return np.zeros((0, _HOURS, streams)), np.zeros((0, _HOURS, streams))
        days = sorted(self._days)
        shape = (days[-1] - days[0] + 1, _HOURS, streams)
        count, total = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        for day, table in self._days.items():
            row, width = day - days[0], table.shape[2]
            count[row, :, :width], total[row, :, :width] = table[:, :, :streams]
        return count, total


def holm(p: Sequence[float]) -> list[float]:
    """Holm's correction: adjusted p-values, in the order given."""
    order = np.argsort(p, kind="stable")
    adjusted, worst = np.empty(len(p)), 0.0
    for rank, i in enumerate(order.tolist()):
        worst = max(worst, min(1.0, (len(p) - rank) * p[i]))
        adjusted[i] = worst
    return [float(value) for value in adjusted]


def _roomy(table: NDArray[np.float32] | None, streams: int) -> NDArray[np.float32]:
    new = np.zeros((2, _HOURS, streams), np.float32)
    if table is not None:
        new[:, :, : table.shape[2]] = table
    return new


def _hours(count: Floats, total: Floats) -> tuple[Floats, Floats, tuple[str, ...]]:
    return count, total, tuple(f"{hour:02d}:00 to {hour + 1:02d}:00" for hour in range(_HOURS))


def _weekdays(
    count: Floats, total: Floats, days: Sequence[int]
) -> tuple[Floats, Floats, tuple[str, ...]]:
    """The same by week and day; weeks begin on the weekday of the first day that is whole."""
    by_day, sums = count.sum(axis=1), total.sum(axis=1)
    if not len(by_day):
        empty = np.zeros((0, _WEEKDAYS, count.shape[2]))
        return empty, empty, _NAMES
    most = by_day.max(axis=1)
    first = int(np.argmax(most >= 0.9 * most.max()))
    weeks = (len(by_day) - first) // _WEEKDAYS
    cut = slice(first, first + weeks * _WEEKDAYS)
    shape = (weeks, _WEEKDAYS, count.shape[2])
    start = (days[0] + first + 3) % _WEEKDAYS  # 1970-01-01 was a Thursday
    names = tuple(_NAMES[(start + i) % _WEEKDAYS] for i in range(_WEEKDAYS))
    return by_day[cut].reshape(shape), sums[cut].reshape(shape), names


def _turning(
    kind: str,
    tables: tuple[Floats, Floats, tuple[str, ...]],
    fewest: int,
    unit: str,
    rng: np.random.Generator,
) -> tuple[list[Leak], Coverage]:
    count, total, names = tables
    cycles, phases = count.shape[:2]
    full = (count >= 0.5 * np.maximum(count.max(axis=(0, 1), initial=0.0), 1.0)).astype(bool)
    whole = full.sum(axis=1) >= 0.75 * phases
    use = np.flatnonzero(whole.sum(axis=0) >= fewest)
    if not len(use):
        have = int(whole.sum(axis=0).max(initial=0))
        return [], Coverage(
            kind=kind, streams=0, reason=f"needs {fewest} whole {unit} that are judged, has {have}"
        )
    mean = np.where(full, total / np.maximum(count, 1.0), np.nan)[:, :, use]
    mean = np.where(whole[:, None, use], mean, np.nan)
    centre = np.nansum(mean, axis=1, keepdims=True)
    centre /= np.maximum(np.isfinite(mean).sum(axis=1, keepdims=True), 1)
    table = mean - centre
    observed, profile = _phase_spread(table)
    rows = np.arange(phases)[None, :]
    null = np.empty((TURNS, len(use)))
    for turn in range(TURNS):
        shifts = rng.integers(0, phases, size=(cycles, 1))
        index = (rows + shifts) % phases
        null[turn] = _phase_spread(np.take_along_axis(table, index[:, :, None], axis=1))[0]
    location, variance = null.mean(axis=0), np.maximum(null.var(axis=0, ddof=1), 1e-300)
    shape, scale = location**2 / variance, variance / location
    p = np.nan_to_num(np.asarray(stats.gamma.sf(observed, shape, scale=scale)), nan=1.0)
    worst = np.argmax(np.abs(np.nan_to_num(profile)), axis=0)
    raw = np.nan_to_num(np.nansum(mean, axis=0) / np.maximum(np.isfinite(mean).sum(axis=0), 1))
    found = [
        Leak(
            kind=kind,
            stream=int(stream),
            stratum=names[int(worst[i])],
            effect=float(raw[worst[i], i]),
            p=float(p[i]),
        )
        for i, stream in enumerate(use.tolist())
    ]
    return found, Coverage(kind=kind, streams=len(use))


def _phase_spread(table: Floats) -> tuple[Floats, Floats]:
    """The sum of squares of the phases' means (N,), and those means (phases, N)."""
    seen = np.isfinite(table)
    n = seen.sum(axis=0)
    profile = np.where(n > 0, np.where(seen, table, 0.0).sum(axis=0) / np.maximum(n, 1), 0.0)
    return (n * profile**2).sum(axis=0), profile


def _level(count: Floats, total: Floats) -> tuple[list[Leak], Coverage]:
    by_day, sums = count.sum(axis=1), total.sum(axis=1)
    full = by_day >= 0.5 * np.maximum(by_day.max(axis=0, initial=0.0), 1.0)
    n = full.sum(axis=0)
    use = np.flatnonzero(n >= FEWEST_DAYS)
    if not len(use):
        have = int(n.max(initial=0))
        return [], Coverage(
            kind="place", streams=0, reason=f"needs {FEWEST_DAYS} days that are judged, has {have}"
        )
    mean = np.where(full, sums / np.maximum(by_day, 1.0), 0.0)[:, use]
    days, on = n[use], full[:, use]
    centre = mean.sum(axis=0) / days
    spread = np.sqrt((np.where(on, mean - centre, 0.0) ** 2).sum(axis=0) / (days - 1))
    t = np.abs(centre) / np.maximum(spread / np.sqrt(days), 1e-12)
    p = 2 * stats.t.sf(t, days - 1)
    found = [
        Leak(
            kind="place",
            stream=int(stream),
            stratum="all hours",
            effect=float(centre[i]),
            p=float(p[i]),
        )
        for i, stream in enumerate(use.tolist())
    ]
    return found, Coverage(kind="place", streams=len(use))
