"""The results as a page of the documentation, with plots: nothing here measures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.evidence import results
from bench.evidence.fleet import PER_FALSE_PAGE
from bench.evidence.plots import bars, lines
from monitor.settings.schema import CHANGE_SHARE

PAGE = results.ROOT / "docs" / "evidence.md"

HEAD = """# Evidence: what was measured

Written by `make bench-evidence` from `bench/results/evidence.json`; do not edit. Traffic is
simulated (`bench/evidence/traffic.py`, settings in one place): 300 streams (5 signals on the whole
model, 9 sites and 50 cameras), one-minute windows, daily and weekly seasons of 0.5 sigma, weather,
an autocorrelation between windows of 0.6 in mild weather and 0.9 in rough (`mixed`: mild weather,
both in turn), every scene seen in four frames, gaps, reboots, 4 to 5000 records a minute. sigma is
the standard deviation of one record. Scores follow the product's formulas on true multinomial
counts (`bench/evidence/laws.py`; effects for paging are simplified, see `bench/evidence/fleet.py`).
"""


def write(path: Path, *, page: Path = PAGE) -> None:
    """The page and the plots, from whatever parts the document has."""
    found = results.document(path)
    sections = [HEAD]
    for part, section in SECTIONS.items():
        if part in found:
            text = section(found[part], found)
            note = f"{found[part]['note']}\n\n" if "note" in found[part] else ""
            made = f"Measured {found[part]['at']} on {found[part]['machine']}.\n"
            sections.append(f"{text}\n{note}{made}")
    drawings = plots(found)
    for name in drawings:
        sections.append(f"![{name}](../bench/results/{name})\n")
    page.write_text("\n".join(sections))
    for name, drawing in drawings.items():
        (path.parent / name).write_text(drawing)


def table(head: list[str], rows: list[list[str]]) -> str:
    lines_ = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return "\n".join([*lines_, *("| " + " | ".join(row) + " |" for row in rows)]) + "\n"


def number(value: float | None, digits: int = 0) -> str:
    return "not found" if value is None else f"{value:,.{digits}f}"


def _year(part: dict[str, Any], _: dict[str, Any]) -> str:
    rows = []
    for weather, one in part["weathers"].items():
        days = sorted(set(one["days"]))
        rows.append(
            [
                weather,
                str(one["seeds"]),
                ", ".join(map(str, days)),
                number(one["allowed"], 1),
                number(one["crossings"], 1),
                number(one["pages"], 1),
                ", ".join(map(str, one["each_crossings"])),
                ", ".join(map(str, one["each_pages"])),
            ]
        )
    head = ["Weather", "Seeds", "Days", "Allowed", "Crossings, mean", "Pages, mean"]
    head += ["Crossings, each seed", "Pages, each seed"]
    reserve = part["threshold"] * CHANGE_SHARE / PER_FALSE_PAGE
    steady = any(weather.endswith("-steady") for weather in part["weathers"])
    note = (
        "`-steady`: the same traffic through scores that move evenly with a shift, both ways\n"
        "(`laws.STEADY`): what the engine does where the score is no source of trouble.\n\n"
    )
    return (
        "## False pages in a production year\n\n"
        "No fault; two weeks of burn-in. A crossing is evidence beyond the threshold (what the\n"
        f"engine keeps within T / A where traffic is exchangeable; A is {reserve:.2f} times what\n"
        "the changes' share of the budget asks for); a page is a crossing whose effect is surely\n"
        "beyond the tolerance, since its onset and in its newest windows. Seeds with fewer than\n"
        "365 days were cut short; nothing is extrapolated.\n\n"
        + (note if steady else "")
        + table(head, rows)
    )


def _peers(part: dict[str, Any], found: dict[str, Any]) -> str:
    head = ["Rule", *(f"{w}: pages a day" for w in part["weathers"])]
    head += [f"{w}: share of looks that alarm" for w in part["weathers"]]
    first = next(iter(part["weathers"].values()))
    rows = [
        [rule]
        + [number(one[rule]["pages_a_day"], 1) for one in part["weathers"].values()]
        + [f"{one[rule]['share_of_looks']:.3f}" for one in part["weathers"].values()]
        for rule in first
    ]
    year = found.get("year", {}).get("weathers", {})
    for what in ("pages", "crossings"):
        mine = [
            number(year[w][what] / (sum(year[w]["days"]) / len(year[w]["days"])), 4)
            if w in year
            else "not run"
            for w in part["weathers"]
        ]
        rows.append([f"vigil: {what}, over the year", *mine, *("" for _ in mine)])
    return (
        f"## Other rules on the same traffic\n\n{part['days']} days without a fault. Consecutive\n"
        "alarms of one stream count as one page, so a rule that alarms all the time has few\n"
        "pages; the share of looks that alarm shows it.\n\n" + table(head, rows)
    )


def _delay(part: dict[str, Any], _: dict[str, Any]) -> str:
    text = ["## Delay\n"]
    text.append(
        "Windows of one minute from the fault to the crossing; beside it, to the page (which also\n"
        "needs an effect beyond the tolerance: 0.25 sigma is below it by design), the best fixed\n"
        "window in hindsight, and on exchangeable traffic the oracle log(A) / KL. The window's\n"
        "threshold is the largest value of each signal in two healthy weeks: over ten times\n"
        "our budget.\n"
    )
    for weather, one in part["weathers"].items():
        head = ["Fault", "Where", "Found", "Median", "90 %", "Paged", "Median to page"]
        head += ["Best window: w", "found", "median"]
        head += ["Oracle"] if weather == "exchangeable" else []
        rows = []
        for fault, places in one["faults"].items():
            for place, entry in places.items():
                best = entry["best_window"]
                row = [
                    fault,
                    place,
                    f"{entry['found']:.2f}",
                    number(entry["found_median"]),
                    number(entry["found_90"]),
                    "not kept" if entry["paged"] is None else f"{entry['paged']:.2f}",
                    "" if entry["paged"] is None else number(entry["paged_median"]),
                    str(best["windows"]),
                    f"{best['found']:.2f}",
                    number(best["median"]),
                ]
                if weather == "exchangeable":
                    row.append(f"{entry['oracle']:.1f}" if "oracle" in entry else "")
                rows.append(row)
        text.append(f"### {weather.capitalize()} (within {one['wait']} windows)\n")
        text.append(table(head, rows))
    rows = []
    for name, one in part["required"].items():
        met = "yes" if one["met"] else "NO"
        in_time = f"{one['in_time']} of {one['trials']}" if "in_time" in one else "not kept"
        rows.append([name, f"at most {one['at_most']}", number(one["median"]), in_time, met])
    text.append("Required in mild weather at 200 records a minute or more (median):\n")
    text.append(table(["Fault", "Required", "Measured", "Trials in time", "Met"], rows))
    if part.get("hard"):
        rows = [[name, str(windows)] for name, windows in part["hard"].items()]
        text.append("Hard faults (plain rules), windows until seen; 1 is the window itself:\n")
        text.append(table(["Fault", "Windows"], rows))
    return "\n".join(text)


def _guarantees(part: dict[str, Any], _: dict[str, Any]) -> str:
    text = ["## Guarantees\n"]
    if "engine" in part:
        text.append(
            f"The engine at a threshold of {part['threshold']:.0f} ticks, 40 streams: crossings\n"
            "against what is allowed, and per kind of score.\n"
        )
        kinds = list(next(iter(next(iter(part["engine"].values())).values()))["by_kind"])
        rows = [
            [null, switch, str(one["crossings"]), number(one["allowed"], 1)]
            + [str(one["by_kind"][kind]) for kind in kinds]
            for null, switches in part["engine"].items()
            for switch, one in switches.items()
        ]
        text.append(table(["Traffic", "Engine", "Crossings", "Allowed", *kinds], rows))
    if "detectors" in part:
        shifts = ["0", "0.1", "0.25", "0.5", "1"]
        rows = []
        for name, one in part["detectors"].items():
            cells = [
                "-" if one[s]["rejects"] is None else f"{one[s]['rejects']:.2f}" for s in shifts
            ]
            drifted = f"{one['0']['drifted']:.2f}"
            rows.append([name, one["takes"], one["exactness"], *cells, drifted, str(one["trials"])])
        head = ["Detector", "Takes", "Exactness", "No drift", *(f"Drift {s}" for s in shifts[1:])]
        text.append(
            f"One-off detectors: share of p <= {part['alpha']} without drift (should be at most\n"
            "alpha) and with drift of growing size (power; the size's meaning depends on what the\n"
            "detector takes, see `bench/evidence/guarantees.py`), and the share that says\n"
            "*drifted* without drift.\n"
        )
        text.append(table([*head, "Drifted, no drift", "Trials"], rows))
    return "\n".join(text)


def _reference(part: dict[str, Any], _: dict[str, Any]) -> str:
    rows = [
        [
            f"{one['shift']} sigma",
            str(one["streams"]),
            number(one["median"]),
            number(one["mean_of_found"]),
            f"{one['found']:.2f}",
            number(one["stated"]),
            number(one["ks_best_window_stated"]),
        ]
        for one in part["figures"]
    ]
    head = ["Shift", "Streams", "Median", "Mean of found", "Found", "Stated", "KS, best window"]
    return (
        "## Reference figures\n\nSamples until a shift of one stream is found, item mode, run\n"
        "length 1e5 samples. The last two columns are the design's figures, not measured here.\n\n"
        + table(head, rows)
    )


def _speed(part: dict[str, Any], _: dict[str, Any]) -> str:
    large, small, check = part["tick_20k"], part["tick_300"], part["check"]
    mmd = part["exact_mmd"]
    evidently = check["evidently_20_columns_raw_ms"]
    rows = [
        [
            "a tick of 20 000 streams (goal 100 ms)",
            f"{large['tick_ms']:.1f} ms ({large['tick_cpu_ms']:.1f} ms of processor time)",
        ],
        [
            "a tick of 300 streams",
            f"{small['tick_ms']:.2f} ms ({small['tick_cpu_ms']:.2f} ms of processor time)",
        ],
        ["memory of a stream", f"{large['memory_bytes_a_stream'] / 1024:.1f} KiB"],
        [
            "20 000 streams saved, restored",
            f"{large['state_mib']:.1f} MiB in {large['save_ms']:.0f} ms, "
            f"{large['restore_ms']:.0f} ms",
        ],
        [
            f"check of {check['rows']:,} x 20 signals + 512-d embedding from summaries (goal 5 ms)",
            f"{check['check_ms']:.2f} ms ({check['check_cpu_ms']:.2f} ms of processor time)",
        ],
        ["SciPy KS, 20 columns, raw rows", f"{check['scipy_ks_20_columns_raw_ms']:.0f} ms"],
        [
            "Evidently, 20 columns, raw rows",
            "not installed" if evidently is None else f"{evidently:.0f} ms",
        ],
        [
            f"exact MMD {mmd['rows']:,} x {mmd['rows']:,} x 512, {mmd['permutations']} "
            "permutations, CPU",
            f"{mmd['seconds']:.1f} s",
        ],
    ]
    return (
        "## Speed\n\nMedians, on one core. The machine's load was "
        f"{part['load']:.1f} meanwhile: where that is above 1, wall times are too long and\n"
        "processor time says more.\n\n" + table(["What", "Cost"], rows)
    )


SECTIONS: dict[str, Callable[[dict[str, Any], dict[str, Any]], str]] = {
    "year": _year,
    "peers": _peers,
    "delay": _delay,
    "guarantees": _guarantees,
    "reference": _reference,
    "speed": _speed,
}


def plots(found: dict[str, Any]) -> dict[str, str]:
    """File name to SVG."""
    out: dict[str, str] = {}
    year, peers = found.get("year", {}).get("weathers", {}), found.get("peers", {})
    if peers:
        named: dict[str, dict[str, float]] = {}
        for weather, rules in peers["weathers"].items():
            for rule, one in rules.items():
                named.setdefault(rule, {})[weather] = one["pages_a_day"]
            if weather in year:
                days = sum(year[weather]["days"]) / len(year[weather]["days"])
                named.setdefault("vigil", {})[weather] = year[weather]["pages"] / days
        out["evidence_pages.svg"] = bars(
            "False pages a day, no drift (logarithmic; the budget is 1/30)", named, floor=0.001
        )
    delay = found.get("delay", {}).get("weathers", {})
    series: dict[str, list[tuple[float, float | None]]] = {}
    for weather, one in delay.items():
        for place in ("camera, 200+ a minute", "camera, under 60 a minute"):
            points: list[tuple[float, float | None]] = []
            for shift in (0.25, 0.5, 1, 2, 5):
                entry = one["faults"].get(f"shift {shift:g} sigma", {}).get(place)
                if entry is not None:
                    points.append((shift, entry["found_median"]))
            if any(median is not None for _, median in points):
                series[f"{weather}, {place}"] = points
    if series:
        title = "Median delay in windows against the shift in sigma (both logarithmic)"
        out["evidence_delay.svg"] = lines(title, series)
    return out
