"""The process that records what passed the proxy; started by ``recorder_process``."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
import threading
from io import BufferedIOBase, BufferedReader

from monitor.proxy.call_clock import CallClock
from monitor.proxy.handover import HEAD
from monitor.proxy.mapping import own_signal
from monitor.proxy.records import Readings, Records
from monitor.proxy.spec import Plan
from monitor.proxy.triton_metrics import TritonMetrics
from vigil.hardware.reader import HardwareReader
from vigil.hardware.signals import HARDWARE_SIGNALS
from vigil.tap import Tap

NICENESS = 10
SAYS_EVERY_S = 1.0


def main(descriptor: int) -> None:
    """Record what comes over the socket until its other end is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(OSError):
        os.nice(NICENESS)
    plan = Plan.from_json(sys.stdin.read())
    hardware = HardwareReader() if plan.recorded.hardware_signals else None
    clock = CallClock()
    triton = TritonMetrics(plan.triton_metrics, plan.recorded.served_name)
    try:
        tap = Tap(
            **plan.recorded.tap,
            clock=clock,
            signals=[
                *(HARDWARE_SIGNALS if hardware else ()),
                *triton.signals,
                *(own_signal(use) for use in plan.recorded.tensors if use.role == "signal"),
            ],
        )
    except ValueError as error:
        sys.exit(str(error))
    readings: list[Readings] = [triton.latest, *([hardware.latest] if hardware else [])]
    records = Records(
        plan,
        tap,
        clock=clock,
        readings=lambda: {k: v for one in readings for k, v in one().items()},
    )
    with socket.socket(fileno=descriptor) as parent:
        ended = threading.Event()
        says = threading.Thread(
            target=_say, args=(parent, records, tap, triton, ended), daemon=True
        )
        says.start()
        with BufferedReader(parent.makefile("rb", buffering=0), 2**20) as stream:
            _take_all(stream, records)
        ended.set()
        says.join(SAYS_EVERY_S)
    tap.close()


def _take_all(stream: BufferedIOBase, records: Records) -> None:
    while True:
        head = stream.read(HEAD.size)
        if len(head) < HEAD.size:
            return
        text, request, response = HEAD.unpack(head)
        description = json.loads(stream.read(text))
        bodies = memoryview(stream.read(request + response))
        if len(bodies) < request + response:
            return
        records.take(description, bodies[:request], bodies[request:])


def _say(
    parent: socket.socket, records: Records, tap: Tap, triton: TritonMetrics, ended: threading.Event
) -> None:
    """Tell the proxy once a second how things stand."""
    while True:
        records.expire()
        said = {
            "counts": dict(records.counts),
            "waiting_halves": len(records.halves),
            "problem": records.problem,
            "tap": tap.stats(),
            "triton": triton.gauges(),
        }
        try:
            parent.sendall(json.dumps(said, default=str).encode() + b"\n")
        except OSError:
            return
        if ended.wait(SAYS_EVERY_S):
            return
