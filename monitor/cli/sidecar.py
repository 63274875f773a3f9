"""``vigil sidecar``."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Annotated

import typer

from monitor.cli.output import say
from vigil.errors import ConfigError

_MEGABYTE = 2**20


def sidecar(
    path: Annotated[
        Path, typer.Argument(help="The folder of the rings, as the taps have it in `sidecar=`.")
    ],
    service: Annotated[
        str, typer.Option("--service", help="The vigil service; its token in VIGIL_TOKEN.")
    ] = "http://127.0.0.1:8080",
    spool: Annotated[
        Path,
        typer.Option("--spool", help="Folder on a disk in which windows wait for the service."),
    ] = Path("var/sidecar"),
    spool_mb: Annotated[
        int, typer.Option("--spool-mb", min=1, help="So many megabytes at most; the oldest go.")
    ] = 1024,
    listen: Annotated[
        str, typer.Option("--listen", help="For /metrics and /healthz; `none`: nowhere.")
    ] = "127.0.0.1:9464",
    drain_s: Annotated[
        float,
        typer.Option(
            "--drain-s", min=0.0, help="After SIGTERM: seconds to read on, seal and ship."
        ),
    ] = 10.0,
    plugin: Annotated[
        list[str] | None,
        typer.Option("--plugin", help="A module that declares signals of your own."),
    ] = None,
) -> None:
    """Read the rings of inference processes on this machine, and ship their windows."""
    from monitor.sidecar.run import Plan, run
    from monitor.sidecar.sidecar import Sidecar

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")

    def ready(one: Sidecar, port: int | None) -> None:
        where = "" if port is None else f"; health and metrics on port {port}"
        say(f"reads rings in {one.folder}{where}")

    done = run(
        Plan(
            folder=path,
            service=service,
            token=os.environ.get("VIGIL_TOKEN"),
            spool=spool,
            spool_bytes=spool_mb * _MEGABYTE,
            listen=_address(listen),
            drain_s=drain_s,
            plugins=tuple(plugin or ()),
        ),
        ready=ready,
    )
    say("the service has everything" if done else f"what the service has not yet is in {spool}")


def _address(text: str) -> tuple[str, int] | None:
    if text == "none":
        return None
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdigit():
        raise ConfigError("command line", "--listen", expected="host:port", found=text)
    return host.strip("[]"), int(port)
