"""``python -m bench.evidence [part ...] [--quick]``: measure, and write JSON, plots and a page."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import time
from pathlib import Path

# Before NumPy is there: the parts run side by side, a core each.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

PARTS = ("speed", "reference", "guarantees", "delay", "peers", "year")
"""Short ones first."""


def main(argv: list[str] | None = None) -> int:
    from bench.evidence import results
    from bench.evidence.options import Options

    parser = argparse.ArgumentParser(prog="python -m bench.evidence", description=__doc__)
    parser.add_argument("part", nargs="*", choices=[*PARTS, []], help=f"of {', '.join(PARTS)}")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: does it run at all?")
    parser.add_argument("--apart", action="store_true", help="an engine for each seed (year)")
    parser.add_argument(
        "--weather", action="append", help="mild, rough or mixed, of the long parts"
    )
    parser.add_argument("--seed", action="append", type=int, help="seeds of the year")
    parser.add_argument("--days", type=int, help="days of the year (all of it: 365)")
    parser.add_argument("--json", type=Path, help="where the results go")
    parser.add_argument("--scratch", type=Path, default=results.SCRATCH)
    parser.add_argument("--page", action="store_true", help="only write plots and the page again")
    given = parser.parse_args(argv)
    name = "evidence_quick.json" if given.quick else "evidence.json"
    path = given.json or (results.SCRATCH if given.quick else results.RESULTS) / name
    options = Options(
        quick=given.quick,
        apart=given.apart,
        weathers=tuple(given.weather or ("mild", "rough")),
        seeds=tuple(given.seed or ()),
        days=given.days,
        path=path,
        scratch=given.scratch,
    )
    for part in () if given.page else given.part or PARTS:
        sys.stdout.write(f"== {part}\n")
        sys.stdout.flush()
        start = time.monotonic()
        importlib.import_module(f"bench.evidence.{part}").main(options)
        sys.stdout.write(f"   {time.monotonic() - start:.1f} s\n")
    if not given.quick:
        from bench.evidence.page import write

        write(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
