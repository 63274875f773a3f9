"""``vigil serve``: ingest, checks, pages, actions, console and API in one process."""

from __future__ import annotations

import logging
import os
import socket
from pathlib import Path

import uvicorn

from monitor.schedule.jobs import Leader, start
from monitor.schedule.wiring import wire
from monitor.services import open_services
from monitor.settings.schema import Settings
from monitor.web.app import create_app


def run(settings: Settings, *, config: Path | None = None) -> None:
    """Serve until interrupted. ``config`` is the file the settings came from: edits are noticed.

    Raises:
        ConfigError: a setting or a secret that can't be used.
    """
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    holder = f"{socket.gethostname()}-{os.getpid()}"
    services = open_services(settings, config=config)
    works = wire(services, holder=holder)
    leader = Leader(services, holder=holder)
    host, _, port = settings.service.listen.rpartition(":")
    scheduler = start(services, works, leader)
    try:
        uvicorn.run(
            create_app(services, announcer=works.announcer),
            host=host.strip("[]"),
            port=int(port),
            log_level="warning",
            timeout_graceful_shutdown=5,
        )
    finally:
        scheduler.shutdown(wait=True)
        works.outbox.close()
        works.audits.stop()
        works.reports.stop()
        works.watch.close()
        leader.resign()
        services.close()
