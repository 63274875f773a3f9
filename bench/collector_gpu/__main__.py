"""What the tap costs ResNet-50 in half precision on a GPU. Writes
``bench/results/collector_gpu.json`` and prints it as a table.

For batches of 1, 8, 64 and 256 images of 224x224:

* ``images_s_without``, ``images_s_with``: throughput; ``overhead_percent``: the median over rounds
  of how much slower it is with the tap, and its 10th and 90th percentile;
* ``p50_ms``, ``p99_ms``: one batch alone, until its classes are on the host;
* ``record_us``: what ``record`` takes from its caller;
* ``counted_percent``: records in the shipped windows over records handed in.

And once: ``host_syncs`` (what CUDA's own check found; empty for nothing) and ``kernels``, the
device's time for a block of 256 records against the bytes that must be moved, and
``kernels_compiled``, the same through ``torch.compile``.

Without a GPU it says so and writes nothing. ``--device cpu --quick`` runs the same on the CPU, to
see that it works: what that measures says nothing about a GPU, and is written only to ``--out``.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from bench.collector_gpu.kernels import kernels
from bench.collector_gpu.served import Load, Server, host_syncs, timed
from vigil.device.kernels import compiled

RESULTS = Path(__file__).parents[1] / "results" / "collector_gpu.json"
BATCHES = (1, 8, 64, 256)
FULL = Load(rounds=20, seconds=0.5, side=224)
QUICK = Load(rounds=2, seconds=0.2, side=64)


def measured(device: torch.device, batches: Sequence[int], load: Load) -> dict[str, Any]:
    """Everything, for one device."""
    is_gpu = device.type == "cuda"
    torch.backends.cudnn.benchmark = True
    found: dict[str, Any] = {
        "device": torch.cuda.get_device_name(device) if is_gpu else "cpu",
        "torch": torch.__version__,
        "batches": {},
    }
    for n in batches:
        server = Server(device, load.side, tap_device=True if is_gpu else "force")
        row = timed(server, n, load)
        counted, dropped = server.counted(), dict(server.tap.dropped)
        row["counted_percent"] = round(100.0 * counted / server.recorded, 4)
        found["batches"][str(n)] = row
        if dropped:
            found.setdefault("dropped", {})[str(n)] = dropped
        if is_gpu and n == 64:
            found["host_syncs"] = host_syncs(server, n, 50)
        server.tap.close()
        show(n, row)
    if "64" in found["batches"]:
        found["overhead_percent_batch64"] = found["batches"]["64"]["overhead_percent"]
    found["kernels"] = kernels(device, load.side)
    if is_gpu:
        try:
            found["kernels_compiled"] = kernels(device, load.side, compiled())
        except Exception as error:  # no compiler here: the rest was measured all the same
            found["kernels_compiled"] = {"error": f"{type(error).__name__}: {error}"[:300]}
    return found


def show(n: int, row: dict[str, float]) -> None:
    sys.stdout.write(f"batch {n}\n")
    for name, value in row.items():
        sys.stdout.write(f"  {name:<24} {value}\n")
    sys.stdout.flush()


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.collector_gpu")
    parser.add_argument("--device", default="cuda", help="cuda, cuda:1 or cpu")
    parser.add_argument("--quick", action="store_true", help="small and short, to see that it runs")
    parser.add_argument("--out", type=Path, help=f"where to write; by default {RESULTS.name}")
    given = parser.parse_args(arguments)
    device = torch.device(given.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        sys.stdout.write("no GPU that torch can use: nothing was measured, nothing is written\n")
        return 0
    batches = (1, 4) if given.quick else BATCHES
    found = measured(device, batches, QUICK if given.quick else FULL)
    for name, value in found.items():
        if name != "batches":
            sys.stdout.write(f"{name:<26} {json.dumps(value)}\n")
    out = given.out or (RESULTS if device.type == "cuda" and not given.quick else None)
    if out is not None:
        out.parent.mkdir(exist_ok=True)
        out.write_text(json.dumps(found, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
