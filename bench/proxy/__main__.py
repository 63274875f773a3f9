"""``python -m bench proxy``, or ``python -m bench.proxy SECONDS``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from bench.proxy.measure import SECONDS, measure, table

RESULT = Path(__file__).parents[1] / "results" / "proxy.json"

if __name__ == "__main__":
    found = measure(float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS)
    RESULT.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(table(found))
