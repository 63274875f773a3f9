"""``vigil demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def demo(
    seed: Annotated[int, typer.Option("--seed", help="Another seed, another fleet.")] = 0,
    exit_: Annotated[
        bool, typer.Option("--exit", help="End after the story instead of keeping the console up.")
    ] = False,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write what happened to this file.")
    ] = None,
    port: Annotated[
        int, typer.Option("--port", help="The console's port; 0 takes a free one.")
    ] = 0,
    folder: Annotated[
        Path | None, typer.Option("--folder", help="Keep the demo's files here.")
    ] = None,
    chaos: Annotated[
        bool, typer.Option("--chaos", help="Kill the service in the middle of each fault.")
    ] = False,
) -> None:
    """Watch a real model on real images go wrong three times, and get well."""
    from monitor.demo.run import run_demo

    raise typer.Exit(
        run_demo(
            seed=seed,
            exit_when_done=exit_,
            json_path=json_file,
            port=port,
            folder=folder,
            chaos=chaos,
        )
    )
