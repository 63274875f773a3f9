"""The command ``vigil``."""

from __future__ import annotations

import os
import sys

BESIDE_A_MODEL = ("sidecar",)
"""Commands that run beside inference: numpy's threads would take its cores, and wait for each other
on a busy machine. They are counted when numpy is loaded, so this comes first."""


def main() -> None:
    """Run the command line. Without the server's libraries it says what to install."""
    if sys.argv[1:2] and sys.argv[1] in BESIDE_A_MODEL:
        os.environ.setdefault("OMP_NUM_THREADS", "1")
    try:
        from monitor.cli.app import app
    except ModuleNotFoundError as error:
        from monitor.cli.missing import advice

        text = advice(error)
        if text is None:
            raise
        sys.stderr.write(f"vigil: {text}\n")
        sys.exit(2)
    app(prog_name="vigil")
