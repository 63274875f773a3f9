"""What ``from vigil import Tap`` costs over numpy alone: time, and memory that stays. And a tap
that was made, which loads the rest.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
ROUNDS = 15

PROGRAM = """
import time
started = time.perf_counter()
{what}
took = time.perf_counter() - started
with open("/proc/self/status") as status:
    kib = next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
print(took * 1e3, kib / 1024)
"""


def footprint() -> dict[str, Any]:
    """Medians over fresh processes, taken in turns."""
    whats = {
        "numpy": "import numpy",
        "tap": "import numpy\nfrom vigil import Tap",
        "made": "import numpy\nfrom vigil import Tap\ntap = Tap('reader', 'v1')",
    }
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in whats}
    for _ in range(ROUNDS):
        for name, what in whats.items():
            said = subprocess.run(
                [sys.executable, "-c", PROGRAM.format(what=what)],
                cwd=ROOT,
                check=True,
                capture_output=True,
                text=True,
            ).stdout.split()
            found[name].append((float(said[0]), float(said[1])))
    middle = {
        name: [sorted(column)[len(rows) // 2] for column in zip(*rows, strict=True)]
        for name, rows in found.items()
    }
    return {
        "import_numpy_ms": round(middle["numpy"][0], 1),
        "import_ms": round(middle["tap"][0], 1),
        "import_over_numpy_ms": round(middle["tap"][0] - middle["numpy"][0], 1),
        "resident_over_numpy_mib": round(middle["tap"][1] - middle["numpy"][1], 1),
        "made_over_numpy_ms": round(middle["made"][0] - middle["numpy"][0], 1),
        "made_resident_over_numpy_mib": round(middle["made"][1] - middle["numpy"][1], 1),
    }
