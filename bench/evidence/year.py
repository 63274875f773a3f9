"""False pages in a production year, for each weather and seed."""

from __future__ import annotations

import math
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.evidence import results
from bench.evidence.fleet import A, Fleet, fingerprint
from bench.evidence.laws import Bank
from bench.evidence.options import Options
from bench.evidence.traffic import DAY, KINDS, World

YEAR, BURN_IN = 365, 14
SEEDS = (101, 102, 103, 104, 105)
SAVE_EVERY = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Length:
    """Days counted, days of burn-in before, ticks of a day (fewer only in tests), draws a law."""

    days: int = YEAR
    burn_in: int = BURN_IN
    day: int = DAY
    draws: int = 300


QUICK = Length(days=2, burn_in=1, draws=20)


def one_seed(weather: str, seed: int, length: Length, scratch: Path) -> dict[str, Any]:
    """Play a seed from its last checkpoint to the end."""
    traffic = KINDS[weather]
    bank = Bank(traffic, draws=length.draws, cache=scratch)
    fleet = Fleet(World(traffic, seed, block_ticks=length.day), bank)
    code = fingerprint()
    name = f"year-{weather}-{seed}-{length.burn_in}-{length.draws}-{length.day}-{code}.state"
    path = scratch / name
    state = results.load_state(path)
    spent = 0.0
    if state is not None and state["days"] <= length.days:
        fleet.restore(state["fleet"])
        spent = state["seconds"]
    began = time.perf_counter() - spent
    done = fleet.world.state.block - length.burn_in
    while done < length.days:
        fleet.block(counted=done >= 0)
        done += 1
        if done % SAVE_EVERY == 0 or done == length.days:
            seconds = time.perf_counter() - began
            saved = {"fleet": fleet.saved(), "days": done, "seconds": seconds}
            results.save_state(path, saved)
    return summary(fleet, weather, seed, done, length, time.perf_counter() - began, code)


def summary(
    fleet: Fleet, weather: str, seed: int, days: int, length: Length, seconds: float, code: str
) -> dict[str, Any]:
    """What one seed found, so far."""
    response, world = fleet.response, fleet.world
    names = [name for name, _ in world.traffic.signals]

    def by(events: list[tuple[int, int]]) -> dict[str, dict[str, int]]:
        signals = Counter(names[world.signal_of[i]] for _, i in events)
        levels = Counter(("whole", "site", "camera")[world.level_of[i]] for _, i in events)
        return {"signal": dict(signals), "level": dict(levels)}

    return {
        "weather": weather,
        "seed": seed,
        "streams": len(fleet.streams),
        "days": days,
        "burn_in_days": length.burn_in,
        "allowed": days * length.day / A,
        "crossings": len(response.crossings),
        "pages": len(response.pages),
        "crossings_by": by(response.crossings),
        "pages_by": by(response.pages),
        "crossing_days": [
            (round(tick / length.day - length.burn_in, 2), i) for tick, i in response.crossings[:60]
        ],
        "seconds": round(seconds, 1),
        "engine": code,
    }


def run(
    weathers: list[str], seeds: list[int], length: Length, scratch: Path, *, jobs: int
) -> Iterator[dict[str, Any]]:
    """Results as they come; a run that was cut off goes on where it was."""
    for weather in weathers:
        Bank(KINDS[weather], draws=length.draws, cache=scratch)
    tasks = [(weather, seed) for seed in seeds for weather in weathers]
    if jobs == 1:
        for weather, seed in tasks:
            yield one_seed(weather, seed, length, scratch)
        return
    with ProcessPoolExecutor(jobs) as pool:
        futures = [pool.submit(one_seed, w, s, length, scratch) for w, s in tasks]
        for future in as_completed(futures):
            yield future.result()


def collect(runs: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Means of each weather over its seeds, beside every seed."""
    weathers: dict[str, Any] = {}
    for weather in dict.fromkeys(run["weather"] for run in runs.values()):
        mine = [run for run in runs.values() if run["weather"] == weather]
        crossings = [run["crossings"] * YEAR / run["days"] for run in mine]
        full = all(run["days"] == YEAR for run in mine)
        entry: dict[str, Any] = {
            "seeds": len(mine),
            "days": [run["days"] for run in mine],
            "allowed": sum(run["allowed"] for run in mine) / len(mine),
            "crossings": sum(run["crossings"] for run in mine) / len(mine),
            "pages": sum(run["pages"] for run in mine) / len(mine),
            "crossings_error": _error(crossings),
            "each_crossings": [run["crossings"] for run in mine],
            "each_pages": [run["pages"] for run in mine],
            "whole_year": full,
        }
        if full:
            entry["year_false_pages"] = entry["pages"]
            entry["year_false_crossings"] = entry["crossings"]
        weathers[weather] = entry
    return {
        "weathers": weathers,
        "runs": runs,
        "traffic": {name: asdict(KINDS[name]) for name in weathers},
        "threshold": A,
    }


def _error(values: list[float]) -> float | None:
    if len(values) < 2:
        return None
    mean = sum(values) / len(values)
    return math.sqrt(sum((v - mean) ** 2 for v in values) / (len(values) - 1) / len(values))


def main(options: Options) -> None:
    """Merge seed after seed into the document."""
    length = QUICK if options.quick else Length(days=options.days or YEAR)
    seeds = options.seeds or (SEEDS[:1] if options.quick else SEEDS)
    known = results.document(options.path).get("year", {}).get("runs", {})
    code = fingerprint()
    runs = {name: run for name, run in known.items() if run["engine"] == code}
    for one in run(list(options.weathers), list(seeds), length, options.scratch, jobs=options.jobs):
        runs[f"{one['weather']}-{one['seed']}"] = one
        results.merge(options.path, "year", collect(runs))
        sys.stdout.write(
            f"{one['weather']} seed {one['seed']}: {one['crossings']} crossings, {one['pages']} "
            f"pages in {one['days']} days (allowed {one['allowed']:.1f}), {one['seconds']:.0f} s\n"
        )
        sys.stdout.flush()
