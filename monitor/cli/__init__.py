"""The command ``vigil``."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line. Without the server's libraries it says what to install."""
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
