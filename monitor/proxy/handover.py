"""Calls on their way to the process that records them: a bounded queue, and a thread that sends."""

from __future__ import annotations

import json
import logging
import socket
import struct
import threading
import time
from collections import Counter, deque
from typing import Any

from monitor.proxy.exchange import Exchange
from monitor.proxy.recorder_process import RecorderProcess
from monitor.proxy.spec import Plan

log = logging.getLogger("vigil.proxy")
HEAD = struct.Struct(">III")
"""Lengths of the description, the request and the response that follow."""
PAUSE_S = 0.02
"""Several calls go at once: a thread that woke for each would take the lock from what forwards."""
RESTART_S = 1.0
MOST_RESTART_S = 60.0
HUNG_S = 60.0
"""A process that takes nothing for so long is taken to be gone."""


class Handover:
    """Sends each call to a process of its own, which decodes and records it.

    Decoding may hold Python's lock for long, and may fail in any way: there it hurts no traffic.
    What can't be handed over is dropped and counted (``recorder_away``).

    Args:
        counts: shared with what watches the connections.
    """

    def __init__(self, plan: Plan, counts: Counter[str]) -> None:
        self._plan, self._counts = plan, counts
        self._waiting: deque[Exchange] = deque()
        self._closing = False
        self.process: RecorderProcess | None = None
        self._thread = threading.Thread(target=self._run, name="vigil-handover", daemon=True)

    def start(self) -> None:
        """Raises:
        ValueError: the tap can't be made so.
        """
        self.process = RecorderProcess(self._plan)
        try:
            self.process.wait_until_ready()
        except ValueError:
            self.process.close(0.0)
            raise
        self._thread.start()

    def put(self, exchange: Exchange) -> None:
        """Never waits. Bounded by the bytes that bodies may hold together."""
        self._waiting.append(exchange)

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def stats(self) -> dict[str, Any]:
        """What the recording process said last."""
        process = self.process
        return dict(process.said) if process is not None else {}

    def close(self, timeout_s: float = 5.0) -> None:
        """Send what waits, as far as the time allows, and end the process."""
        self._closing = True
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        if self.process is not None:
            self.process.close(timeout_s)

    def _run(self) -> None:
        pause_s = RESTART_S
        while True:
            try:
                exchange = self._waiting.popleft()
            except IndexError:
                if self._closing:
                    return
                time.sleep(PAUSE_S)
                continue
            try:
                assert self.process is not None
                self.process.socket.settimeout(HUNG_S)
                send(self.process.socket, exchange)
                pause_s = RESTART_S
            except Exception as error:
                self._counts["recorder_away"] += 1
                if not self._closing:
                    log.warning("the recording process is away (%s); it is started anew", error)
                    self._restart(pause_s)
                    pause_s = min(2 * pause_s, MOST_RESTART_S)
            finally:
                exchange.release()

    def _restart(self, pause_s: float) -> None:
        until = time.monotonic() + pause_s
        while time.monotonic() < until and not self._closing:
            time.sleep(0.05)
        if self.process is not None:
            self.process.close(0.0)
        try:
            self.process = RecorderProcess(self._plan)
            self._counts["recorder_restarts"] += 1
        except OSError:
            log.exception("no recording process can be started")


def send(to: socket.socket, exchange: Exchange) -> None:
    """Raises:
    OSError: the process is gone.
    """
    description = {
        "kind": exchange.kind,
        "path": exchange.path,
        "request_headers": dict(exchange.request_headers),
        "response_headers": dict(exchange.response_headers),
        "time_s": exchange.time_s,
        "latency_s": exchange.latency_s,
    }
    text = json.dumps(description).encode()
    to.sendall(HEAD.pack(len(text), exchange.request.size, exchange.response.size) + text)
    for body in (exchange.request, exchange.response):
        for part in body.parts:
            to.sendall(part)
