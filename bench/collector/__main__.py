"""What the collector costs. Writes ``bench/results/collector.json`` and prints it as a table.

``python -m bench.collector [--seconds 60] [--only caller,images,footprint,sidecar,peers]``; with
``--only`` the other figures stay as they were.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bench.collector.caller import caller
from bench.collector.footprint import footprint
from bench.collector.images import images
from bench.collector.load import a_load, alone_on_the_core
from bench.collector.peers import peers
from bench.collector.sustained import sustained

RESULTS = Path(__file__).parents[1] / "results" / "collector.json"
LIMITS = {
    "caller_over_floor": 2.0,
    "caller_images_over_floor": 4.0,
    "caller_p999_over_median": 10.0,
    "image_over_numpy_mean_std": 0.6,
    "import_over_numpy_ms": 60.0,
    "resident_over_numpy_mib": 15.0,
}


def machine() -> dict[str, Any]:
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "numpy": np.__version__,
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith(("model name", "Model")):
            return line.partition(":")[2].strip()
    return platform.machine()


def _in_process(what: str) -> dict[str, Any]:
    """A part that needs the core for itself runs in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.collector", "--part", what],
        cwd=Path(__file__).parents[2],
        check=True,
        capture_output=True,
        text=True,
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.collector")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--only", default="caller,images,footprint,sidecar,peers")
    parser.add_argument("--part", choices=("caller", "images"))
    given = parser.parse_args(arguments)
    if given.part:
        real_time = alone_on_the_core()
        found = caller(a_load()) if given.part == "caller" else images(a_load())
        sys.stdout.write(json.dumps({**found, "real_time": real_time}) + "\n")
        return 0
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "caller": lambda: _in_process("caller"),
        "images": lambda: _in_process("images"),
        "footprint": footprint,
        "sidecar": lambda: sustained(given.seconds),
        "peers": lambda: {"peers": peers()},
    }
    found = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    found["machine"] = machine()
    for name in given.only.split(","):
        sys.stdout.write(f"{name} ...\n")
        sys.stdout.flush()
        found |= parts[name]()
    RESULTS.write_text(json.dumps(found, indent=2) + "\n")
    sys.stdout.write(table(found))
    return 0


def table(found: dict[str, Any]) -> str:
    """The figures line by line; where there is a limit, whether it is kept."""
    lines = []
    for name, value in found.items():
        if isinstance(value, dict):
            continue
        limit = LIMITS.get(name)
        kept = "" if limit is None else f"  (at most {limit}: {'kept' if value <= limit else 'NO'})"
        lines.append(f"{name:32s} {value!s:>12s}{kept}\n")
    ours = found.get("caller_us_batch64")
    for name, peer in found.get("peers", {}).items():
        if "skipped" in peer:
            lines.append(f"{name:32s} {'-':>12s}  ({peer['skipped']})\n")
            continue
        theirs = peer["caller_us_batch64"]
        times = "" if not ours else f"  ({theirs / ours:,.0f} times ours; {peer['what']})"
        lines.append(f"{name:32s} {theirs:>12,.0f}{times}\n")
        if "image_us" in peer:
            lines.append(f"{name + ', an image':32s} {peer['image_us']:>12,.0f}\n")
    return "".join(lines)


if __name__ == "__main__":
    sys.exit(main())
