"""Run benchmarks in turn, each in a process of its own: ``python -m bench [name ...]``."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

FOLDER = Path(__file__).parent


SLOW = ("demo_seeds", "evidence", "actions")
"""Run only when named: half an hour or more. ``make bench-evidence`` and ``make bench-actions`` run
the last two."""


def names() -> list[str]:
    """The benchmarks that there are: modules, and packages that can be run."""
    found = [*FOLDER.glob("*.py"), *(path.parent for path in FOLDER.glob("*/__main__.py"))]
    return sorted(path.stem for path in found if not path.stem.startswith("_"))


def main(wanted: list[str]) -> int:
    known = names()
    unknown = [name for name in wanted if name not in known]
    if unknown:
        sys.stderr.write(f"no benchmark {', '.join(unknown)}; there are {', '.join(known)}\n")
        return 2
    failed = []
    for name in wanted or [name for name in known if name not in SLOW]:
        sys.stdout.write(f"== {name}\n")
        sys.stdout.flush()
        start = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", f"bench.{name}"], cwd=FOLDER.parent, check=False
        )
        sys.stdout.write(f"   {time.monotonic() - start:.1f} s\n")
        if done.returncode:
            failed.append(name)
    if failed:
        sys.stderr.write(f"failed: {', '.join(failed)}\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
