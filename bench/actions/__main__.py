"""``python -m bench.actions [part ...]``: play the library, run the labelling loop, write the page.

Results go to ``bench/results/actions.json`` after each fault and seed; a run that was cut off goes
on where it stopped, as long as ``--fresh`` is not given.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

# Before NumPy is there: several seeds may run side by side, a core each.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

PARTS = ("faults", "relabel", "page")


def main(argv: list[str] | None = None) -> int:
    from bench.actions import results, run

    parser = argparse.ArgumentParser(prog="python -m bench.actions", description=__doc__)
    parser.add_argument("part", nargs="*", choices=[*PARTS, []], help=f"of {', '.join(PARTS)}")
    parser.add_argument("--seed", action="append", type=int, help="seeds of the library")
    parser.add_argument("--only", action="append", help="names or groups of faults")
    parser.add_argument("--fresh", action="store_true", help="forget what was played before")
    parser.add_argument("--json", type=Path, default=results.RESULTS)
    given = parser.parse_args(argv)
    parts = given.part or PARTS
    if given.fresh:
        given.json.unlink(missing_ok=True)
    kept = results.Kept(given.json)
    if "faults" in parts:
        run.play_library(kept, seeds=given.seed or run.SEEDS, only=given.only or ())
    if "relabel" in parts:
        run.run_relabel(kept)
    if "page" in parts:
        from bench.actions.page import write

        write(kept.document)
    for name in results.HEADLINES:
        sys.stdout.write(f"{name:<22} {kept.document.get(name)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
