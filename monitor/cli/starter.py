"""``vigil init``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from monitor.cli.context import DEFAULT_CONFIG
from monitor.cli.output import say
from vigil.errors import ConflictError


def init(
    path: Annotated[Path, typer.Argument(help="Where to write it.")] = DEFAULT_CONFIG,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Write a commented starter configuration."""
    from monitor.settings.starter import starter_text

    if path.exists() and not force:
        raise ConflictError(f"{path}: is there already; --force replaces it")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(starter_text(), encoding="utf-8")
    say(f"{path}: written. Next: vigil config check, then vigil serve")
