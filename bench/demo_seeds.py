"""The demo over many seeds: is its story right whatever the world looks like?

``python -m bench.demo_seeds [--seeds 20] [--first 0] [--jobs 1] [--chaos]`` plays
``vigil demo --exit`` once a seed and writes ``bench/results/demo_seeds.json``. About two minutes a
seed; ``--jobs 2`` plays two at the same time.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
TIMES = ("seconds_to_detect", "seconds_to_page", "seconds_to_mitigate")


def play(seed: int, *, chaos: bool) -> dict[str, Any]:
    """One demo; its result, exit code and length in seconds."""
    with tempfile.TemporaryDirectory(prefix="vigil-seed-") as folder:
        out = Path(folder) / "result.json"
        began = time.monotonic()
        command = [sys.executable, "-m", "monitor.cli", "demo", "--exit", "--seed", str(seed)]
        command += ["--json", str(out), "--folder", str(Path(folder) / "demo")]
        done = subprocess.run(
            [*command, "--chaos"] if chaos else command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=600,
            check=False,
        )
        took = time.monotonic() - began
        result = json.loads(out.read_text()) if out.exists() else {}
        tail = "" if done.returncode == 0 else done.stdout.decode(errors="replace")[-1500:]
    run = {"seed": seed, "exit": done.returncode, "seconds": round(took, 1), "tail": tail}
    return {**run, **result}


def summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """How many stories were right, and the times of each scenario: median and largest."""
    times: dict[str, dict[str, list[float]]] = {}
    for run in runs:
        for scenario in run.get("scenarios", []):
            for name in TIMES:
                if scenario[name] is not None:
                    times.setdefault(scenario["name"], {}).setdefault(name, []).append(
                        scenario[name]
                    )
    return {
        "seeds": len(runs),
        "right": sum(run["exit"] == 0 for run in runs),
        "false_pages": sum(run.get("false_pages", 0) for run in runs),
        "seconds_median": statistics.median(run["seconds"] for run in runs),
        "seconds_largest": max(run["seconds"] for run in runs),
        "times": {
            scenario: {
                name: {"median": statistics.median(values), "largest": max(values)}
                for name, values in found.items()
            }
            for scenario, found in times.items()
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1, help="demos at the same time")
    parser.add_argument("--chaos", action="store_true")
    arguments = parser.parse_args()
    runs: list[dict[str, Any]] = []
    name = "demo_seeds_chaos.json" if arguments.chaos else "demo_seeds.json"
    RESULTS.mkdir(exist_ok=True)
    seeds = range(arguments.first, arguments.first + arguments.seeds)
    pool = ThreadPoolExecutor(arguments.jobs)
    for run in pool.map(lambda seed: play(seed, chaos=arguments.chaos), seeds):
        runs.append(run)
        seed = run["seed"]
        word = "right" if run["exit"] == 0 else "WRONG"
        print(f"seed {seed:3d}  {word}  {run['seconds']:6.1f} s  {run['tail'][-400:]}", flush=True)
        document = {
            "machine": f"{platform.machine()}, {os.cpu_count()} cores",
            "python": platform.python_version(),
            "demos_at_the_same_time": arguments.jobs,
            **summary(runs),
            "runs": runs,
        }
        (RESULTS / name).write_text(json.dumps(document, indent=1) + "\n")
    found = summary(runs)
    print(
        f"{found['right']} of {found['seeds']} right, {found['false_pages']} false pages, "
        f"median {found['seconds_median']:.0f} s"
    )
    for scenario, times in found["times"].items():
        for what, values in times.items():
            print(
                f"  {scenario:<15} {what:<20} median {values['median']:5.1f} s  "
                f"largest {values['largest']:5.1f} s"
            )


if __name__ == "__main__":
    main()
