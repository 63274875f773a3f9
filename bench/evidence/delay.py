"""How soon faults are found at the stated budget, on the traffic of the production year.

A fleet that has learned two weeks and played two days more is saved at six times of a day; each
trial goes on from one of them with a future of its own, and a fault begins within the first half
hour. A fault is found when any stream that it touches crosses: the camera's, its site's or the
whole model's.

Beside it, on exchangeable traffic, the *oracle* ``log(A) / KL``: what a test that knew the fault,
the stream and the healthy law would need. And the *best fixed window in hindsight*: a mean of the
last w scores, standardised per stream by two healthy weeks, with its threshold at the largest value
of the signal's streams in these weeks (one false alarm in two weeks for each of the five signals:
over ten times the budget of the engine), w chosen for each fault after the fact.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.evidence import results
from bench.evidence.delay_table import (
    BUSY_CAMERA,
    REQUIRED,
    THIN_CAMERA,
    TYPICAL,
    WINDOWS,
    oracle,
    required,
    summary,
)
from bench.evidence.fleet import Fleet, fingerprint
from bench.evidence.hard import windows_until_seen
from bench.evidence.laws import Bank, Fault, noise, scores
from bench.evidence.options import Options
from bench.evidence.traffic import DAY, KINDS, SIZES, Block, Traffic, World

Floats = NDArray[np.float64]

FAULTS: tuple[tuple[str, Fault], ...] = (
    ("brightness", Fault(name="shift 0.25 sigma", shift=0.25)),
    ("brightness", Fault(name="shift 0.5 sigma", shift=0.5)),
    ("brightness", Fault(name="shift 1 sigma", shift=1.0)),
    ("brightness", Fault(name="shift 2 sigma", shift=2.0)),
    ("brightness", Fault(name="shift 5 sigma", shift=5.0)),
    ("brightness_spread", Fault(name="spread x 1.5", spread=1.5)),
    ("sharpness", Fault(name="shift 1 sigma, heavy tails", shift=1.0)),
    ("lost_class", Fault(name="a class drops out", lost=1.0)),
    ("embedding", Fault(name="a cluster appears (20 %)", cluster=0.2)),
    ("calibration", Fault(name="ECE + 0.05", gap=0.05)),
    ("latency_s", Fault(name="latency + 20 %", slower=0.2)),
)
BUSY, THIN = (200.0, 1e9), (5.0, 60.0)
PLACES = {BUSY_CAMERA: BUSY, THIN_CAMERA: THIN, "everywhere": None}
SEEDS = (231, 232, 233, 234)
SPANS = 6


@dataclass(frozen=True, kw_only=True, slots=True)
class Effort:
    """Trials of each fault and place, ticks waited for (at most 240 less 30), days learned and days
    played before, draws of a law."""

    trials: int = 20
    wait: int = 100
    days: int = 14
    after: int = 2
    draws: int = 300


QUICK = Effort(trials=2, wait=20, days=1, after=0, draws=20)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Warm:
    """A fleet that has seen healthy weeks, at several times of day, and what healthy looks like."""

    traffic: Traffic
    seed: int
    bank: Bank
    states: tuple[dict[str, Any], ...]
    mean: Floats
    """(windows, n): of the mean of the last w standardised scores; ``deviation`` likewise."""
    deviation: Floats
    limit: Floats
    """(windows, signals): the largest healthy value."""


MORE = (
    ("calibration", "calibration"),
    ("brightness_spread", "normal:spread"),
    ("lost_class", "classes:lost"),
)
"""Signals beyond the year's five."""


def watched(weather: str, signal: str) -> Traffic:
    """The year's traffic; watched for ``MORE`` too where the signal is one of those, so that the
    budget is shared by more streams."""
    traffic = KINDS[weather]
    if signal in dict(traffic.signals):
        return traffic
    return replace(traffic, signals=(*traffic.signals, *MORE))


def warm(traffic: Traffic, seed: int, effort: Effort, scratch: Path) -> Warm:
    """Play the healthy weeks, or take them from the last run."""
    bank = Bank(traffic, draws=effort.draws, cache=scratch)
    about = (traffic.name, len(traffic.signals), seed, effort.days, effort.after, effort.draws)
    path = scratch / f"warm-{'-'.join(map(str, about))}-{fingerprint()}.state"
    state = results.load_state(path)
    if state is None:
        fleet = Fleet([World(traffic, seed, block_ticks=DAY // SPANS)], bank)
        fleet.learn(effort.days * SPANS)
        for _ in range(effort.after * SPANS):
            fleet.block(counted=False)
        states = []
        for _ in range(SPANS):
            states.append(fleet.saved())
            fleet.block(counted=False)
        state = {"states": tuple(states), **_healthy(traffic, seed, effort, bank)}
        results.save_state(path, state)
    return Warm(traffic=traffic, seed=seed, bank=bank, **state)


def _healthy(traffic: Traffic, seed: int, effort: Effort, bank: Bank) -> dict[str, Floats]:
    world = World(traffic, seed, block_ticks=DAY)
    rng = np.random.default_rng([seed, 3])
    parts = []
    for _ in range(max(1, min(14, effort.days))):
        score, spread, _ = bank.scores(world.next_block(), world.signal_of, rng)
        parts.append(score / spread)
    z = np.concatenate(parts)
    means, deviations, limits = [], [], []
    for w in WINDOWS:
        rolled = rolling(z, w)
        means.append(np.nanmean(rolled, axis=0))
        deviations.append(np.nanstd(rolled, axis=0))
        most = np.nanmax(np.abs(rolled - means[-1]) / deviations[-1], axis=0)
        limits.append([most[world.signal_of == s].max() for s in range(len(traffic.signals))])
    return {
        "mean": np.array(means),
        "deviation": np.array(deviations),
        "limit": np.array(limits),
    }


def rolling(z: Floats, w: int) -> Floats:
    """Means of the last w rows, NaN left out; NaN where a whole window is absent."""
    present = np.isfinite(z)
    total = np.cumsum(np.where(present, z, 0.0), axis=0)
    count = np.cumsum(present, axis=0).astype(np.float64)
    total[w:], count[w:] = total[w:] - total[:-w], count[w:] - count[:-w]
    return np.where(count > 0, total / np.maximum(count, 1.0), np.nan)


def trial(
    ready: Warm, signal: str, fault: Fault, place: str, number: int, effort: Effort
) -> dict[str, Any] | None:
    """One fault: the windows until it crossed, paged, and each fixed window saw it."""
    rng = np.random.default_rng([number, *place.encode(), *fault.name.encode()])
    traffic = ready.traffic
    world = World(traffic, ready.seed, block_ticks=DAY // SPANS)
    fleet = Fleet([world], ready.bank)
    fleet.restore(ready.states[number % len(ready.states)])
    start = int(rng.integers(1, 31))
    hit = _touched(world, signal, PLACES[place], rng)
    if hit is None:
        return None
    streams, shares = hit
    first = world.state.block * world.block_ticks
    kind = dict(traffic.signals)[signal]
    seen: list[Floats] = []

    def touch(drawn: Block, score: Floats, draw: np.random.Generator) -> None:
        begin = first + start - drawn.first
        for i, share in zip(streams, shares, strict=True):
            for t in range(max(begin, 0), len(score)):
                size = int(SIZES[drawn.size[t, i]])
                if size:
                    mu = drawn.mu[t, i : i + 1]
                    score[t, i] = scores(kind, size, traffic.frames, mu, draw, fault, share)[0]
        records = SIZES[drawn.size[:, streams]] * float(traffic.frames)
        seen.append(score[:, streams] / noise(kind, records))

    world.branch = 1 + number
    response = fleet.response
    began = first + start + 1
    response.crossings.clear()
    response.pages.clear()
    mine = frozenset(streams.tolist())
    last = began + effort.wait - 1
    fleet.block(counted=True, touch=touch, until=mine, since=began, last=last)
    found = min((t for t, i in response.crossings if i in mine and t >= began), default=None)
    paged = min((t for t, i in response.pages if i in mine and t >= began), default=None)
    z = seen[0]
    fixed = []
    for k, w in enumerate(WINDOWS):
        limit = ready.limit[k, world.signal_of[streams[0]]]
        off = np.abs(rolling(z, w) - ready.mean[k, streams]) / ready.deviation[k, streams]
        beyond = np.flatnonzero((off[start : start + effort.wait] > limit).any(axis=1))
        fixed.append(int(beyond[0]) + 1 if len(beyond) else None)
    return {
        "found": None if found is None else found - began + 1,
        "paged": None if paged is None else paged - began + 1,
        "fixed": fixed,
    }


def _touched(
    world: World, signal: str, rates: tuple[float, float] | None, rng: np.random.Generator
) -> tuple[NDArray[np.int64], Floats] | None:
    """The streams that a fault touches, and the share of their records that have it."""
    of_signal = [name for name, _ in world.traffic.signals].index(signal)
    mine = np.flatnonzero(world.signal_of == of_signal)
    if rates is None:
        return mine, np.ones(len(mine))
    now = world.rates_now()
    cameras = np.arange(1 + world.traffic.sites, len(now))
    fit = cameras[(now[cameras] >= rates[0]) & (now[cameras] < rates[1])]
    if len(fit) == 0:
        return None
    camera = int(rng.choice(fit))
    site = 1 + (camera - 1 - world.traffic.sites) % world.traffic.sites
    slices = [camera, site, 0]
    shares = [1.0, min(0.5, now[camera] / now[site]), min(0.5, now[camera] / now[0])]
    return mine[slices], np.array(shares)


def asked(weather: str, fault: Fault, place: str, effort: Effort) -> int:
    """Trials of a row; four times as many where the row is a target."""
    target = weather == "mild" and place == BUSY_CAMERA and fault.name in REQUIRED
    return effort.trials * (4 if target else 1)


def main(options: Options) -> None:
    """All faults, places and weathers; merged into the document after each fault, and what is there
    of the same engine and seeds is not measured again."""
    effort = QUICK if options.quick else Effort()
    seeds = options.seeds or (SEEDS[:1] if options.quick else SEEDS)
    known = results.document(options.path).get("delay", {}).get("weathers", {})
    code = f"{fingerprint()}-{'-'.join(map(str, seeds))}"
    weathers = {name: one for name, one in known.items() if one["engine"] == code}
    hard = windows_until_seen()
    sys.stdout.write(f"hard faults: {hard}\n")
    for weather in dict.fromkeys((*options.weathers, "exchangeable")):
        table: dict[str, Any] = dict(weathers.get(weather, {}).get("faults", {}))
        for signal, fault in FAULTS:
            if fault.name in table:
                continue
            ready = [warm(watched(weather, signal), s, effort, options.scratch) for s in seeds]
            table[fault.name] = rows(ready, weather, signal, fault, effort)
            weathers[weather] = {"faults": table, "engine": code, "wait": effort.wait}
            found = {"weathers": weathers, "required": required(weathers), "hard": hard}
            results.merge(options.path, "delay", {**found, "seeds": list(seeds)})


def rows(
    ready: list[Warm], weather: str, signal: str, fault: Fault, effort: Effort
) -> dict[str, Any]:
    """One fault at every place, its trials dealt to the seeds in turn."""
    kind = dict(ready[0].traffic.signals)[signal]
    table: dict[str, Any] = {}
    for place in PLACES:
        trials = (
            trial(ready[number % len(ready)], signal, fault, place, number // len(ready), effort)
            for number in range(asked(weather, fault, place, effort))
        )
        found = [one for one in trials if one is not None]
        if not found:
            continue
        entry = summary(found)
        if weather == "exchangeable" and place in TYPICAL:
            entry["oracle"] = oracle(kind, fault, TYPICAL[place])
        table[place] = entry
        sys.stdout.write(
            f"{weather:13} {fault.name:28} {place:26} found {entry['found']:.2f}, median "
            f"{entry['found_median']}, 90 % {entry['found_90']}; window "
            f"{entry['best_window']}; oracle {entry.get('oracle')}\n"
        )
        sys.stdout.flush()
    return table
