"""False pages in a production year, for each weather and seed."""

from __future__ import annotations

import math
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.evidence import results
from bench.evidence.fleet import PER_FALSE_PAGE, A, Fleet, fingerprint
from bench.evidence.laws import Bank
from bench.evidence.options import Options
from bench.evidence.traffic import DAY, KINDS, World

YEAR, BURN_IN = 365, 14
SEEDS = (106, 107, 108, 109, 110)
SAVE_EVERY = 7


@dataclass(frozen=True, kw_only=True, slots=True)
class Length:
    """Days counted, days of burn-in before, ticks of a day (fewer only in tests), draws a law."""

    days: int = YEAR
    burn_in: int = BURN_IN
    day: int = DAY
    draws: int = 300


QUICK = Length(days=2, burn_in=1, draws=20)


def play(
    weather: str, seeds: tuple[int, ...], length: Length, scratch: Path
) -> Iterator[list[dict[str, Any]]]:
    """Play the fleets of some seeds in one engine, from their last checkpoint to the end.

    Yields:
        What each seed has found so far, at every checkpoint.
    """
    traffic = KINDS[weather]
    bank = Bank(traffic, draws=length.draws, cache=scratch)
    fleet = Fleet([World(traffic, seed, block_ticks=length.day) for seed in seeds], bank)
    code = fingerprint()
    about = (*seeds, length.burn_in, length.draws, length.day, code)
    path = scratch / f"year-{weather}-{'-'.join(map(str, about))}.state"
    state = results.load_state(path)
    spent = 0.0
    if state is not None and state["days"] <= length.days:
        fleet.restore(state["fleet"])
        spent = state["seconds"]
    began = time.perf_counter() - spent
    done = fleet.world.state.block - length.burn_in
    if done < 0:
        fleet.learn(length.burn_in)
        done = 0
    while done < length.days:
        fleet.block(counted=True)
        done += 1
        if done % SAVE_EVERY == 0 or done == length.days:
            seconds = time.perf_counter() - began
            saved = {"fleet": fleet.saved(), "days": done, "seconds": seconds}
            results.save_state(path, saved)
            if 0 < done < length.days:
                yield summary(fleet, weather, done, length, seconds, code)
    yield summary(fleet, weather, done, length, time.perf_counter() - began, code)


def summary(
    fleet: Fleet, weather: str, days: int, length: Length, seconds: float, code: str
) -> list[dict[str, Any]]:
    """What each seed found, so far."""
    response, world = fleet.response, fleet.world
    names = [name for name, _ in world.traffic.signals]
    each = len(fleet.streams) // len(fleet.worlds)

    def by(events: list[tuple[int, int]]) -> dict[str, dict[str, int]]:
        signals = Counter(names[world.signal_of[i % each]] for _, i in events)
        levels = Counter(("whole", "site", "camera")[world.level_of[i % each]] for _, i in events)
        return {"signal": dict(signals), "level": dict(levels)}

    found = []
    for k, one in enumerate(fleet.worlds):
        crossings = [event for event in response.crossings if event[1] // each == k]
        pages = [event for event in response.pages if event[1] // each == k]
        found.append(
            {
                "weather": weather,
                "seed": one.seed,
                "streams": each,
                "fleets_in_one_engine": len(fleet.worlds),
                "days": days,
                "burn_in_days": length.burn_in,
                "allowed": days * length.day / PER_FALSE_PAGE,
                "crossings": len(crossings),
                "pages": len(pages),
                "crossings_by": by(crossings),
                "pages_by": by(pages),
                "crossing_days": [
                    (round(tick / length.day - length.burn_in, 2), i % each)
                    for tick, i in crossings[:60]
                ],
                "seconds": round(seconds, 1),
                "engine": code,
            }
        )
    return found


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
    """Merge checkpoint after checkpoint into the document; days in it are days that were played.

    Weathers are played one after the other, or side by side by separate calls with ``--weather``.
    """
    length = QUICK if options.quick else Length(days=options.days or YEAR)
    seeds = options.seeds or (SEEDS[:1] if options.quick else SEEDS)
    groups = [(seed,) for seed in seeds] if options.apart else [tuple(seeds)]
    for weather in options.weathers:
        for group in groups:
            for found in play(weather, group, length, options.scratch):
                _merge(options.path, found)


def _merge(path: Path, found: list[dict[str, Any]]) -> None:
    known = results.document(path).get("year", {}).get("runs", {})
    runs = {name: one for name, one in known.items() if one["engine"] == found[0]["engine"]}
    for one in found:
        runs[f"{one['weather']}-{one['seed']}"] = one
    results.merge(path, "year", collect(runs))
    first = found[0]
    sys.stdout.write(
        f"{first['weather']}: {first['days']} days, allowed {first['allowed']:.2f}; crossings "
        f"{[one['crossings'] for one in found]}, pages {[one['pages'] for one in found]}, "
        f"{first['seconds']:.0f} s\n"
    )
    sys.stdout.flush()
