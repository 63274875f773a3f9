"""``vigil sidecar``: threads, signals, and one sidecar a folder."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from monitor.metrics import CONTENT_TYPE
from monitor.sidecar.door import Door
from monitor.sidecar.sidecar import Sidecar
from monitor.sidecar.sidecar_metrics import exposition, health
from vigil.errors import ConfigError
from vigil.shipping.safe_spool import SafeSpool
from vigil.shipping.transport import HttpTransport

log = logging.getLogger("vigil.sidecar")

IDLE_S = 0.05
BUSY_S = 0.005
SHIP_S = 0.1
LOCK = ".sidecar"


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What ``vigil sidecar`` is told; see ``monitor.cli.sidecar``."""

    folder: Path
    service: str
    token: str | None
    spool: Path
    spool_bytes: int
    listen: tuple[str, int] | None
    drain_s: float
    plugins: tuple[str, ...] = ()


def run(plan: Plan, *, ready: Callable[[Sidecar, int | None], None] = lambda *_: None) -> bool:
    """Read rings until SIGTERM or SIGINT.

    Args:
        plan: what to do.
        ready: called with the sidecar and the port of its door, once it reads.

    Returns:
        Whether the service had everything at the end.

    Raises:
        ConfigError: a folder, address, token or plug-in that can't be used.
    """
    stop = threading.Event()
    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, lambda *_: stop.set())
    for name in plan.plugins:
        _import(name)
    transport = _transport(plan)
    _make(plan.folder, "PATH")
    _make(plan.spool, "--spool")
    with _alone(plan.folder, stop):
        if stop.is_set():
            return True
        sidecar = Sidecar(
            plan.folder,
            spool=SafeSpool(plan.spool, plan.spool_bytes),
            transport=transport,
            rulers=plan.spool / "rulers",
            seed=f"{os.getpid()}",
        )
        door = None
        if plan.listen is not None:
            door = Door(
                *plan.listen,
                {
                    "/metrics": lambda: (200, CONTENT_TYPE, exposition(sidecar)),
                    "/healthz": lambda: _json(health(sidecar)),
                },
            )
        ready(sidecar, None if door is None else door.port)
        _work(sidecar, stop)
        done = sidecar.drain(plan.drain_s)
        if door is not None:
            door.close()
        return done


def _work(sidecar: Sidecar, stop: threading.Event) -> None:
    def ships() -> None:
        while not stop.is_set():
            try:
                while sidecar.ship() and not stop.is_set():
                    pass
            except Exception as error:
                sidecar.failed_to_ship(error)
            stop.wait(SHIP_S)

    shipping = threading.Thread(target=ships, name="vigil-sidecar-ship", daemon=True)
    shipping.start()
    while not stop.is_set():
        stop.wait(BUSY_S if sidecar.step() else IDLE_S)
    shipping.join()


def _json(said: tuple[int, bytes]) -> tuple[int, str, bytes]:
    return said[0], "application/json", said[1]


@contextlib.contextmanager
def _alone(folder: Path, stop: threading.Event) -> Iterator[None]:
    """The only reader of a folder: waits for another that is about to stop."""
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    told = False
    try:
        while not stop.is_set():
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if not told:
                    log.warning("another sidecar reads %s: waiting until it stops", folder)
                told = True
                stop.wait(0.2)
        yield
    finally:
        os.close(descriptor)


def _transport(plan: Plan) -> HttpTransport:
    try:
        return HttpTransport(plan.service, plan.token)
    except ValueError as error:
        raise ConfigError(
            "command line", "--service", expected="a usable address and token", found=str(error)
        ) from None


def _make(folder: Path, what: str) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".{os.getpid()}.try"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ConfigError(
            "command line", what, expected="a folder to write to", found=str(error)
        ) from None


def _import(name: str) -> None:
    try:
        import_module(name)
    except Exception as error:
        raise ConfigError(
            "command line", "--plugin", expected="a module that declares signals", found=str(error)
        ) from None
