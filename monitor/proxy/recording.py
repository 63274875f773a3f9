"""The process that records what passed the proxy; started by ``recorder_process``."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Mapping
from io import BufferedIOBase, BufferedReader

from monitor.proxy.call_clock import CallClock
from monitor.proxy.handover import HEAD
from monitor.proxy.health import Troubles
from monitor.proxy.mapping import own_signal
from monitor.proxy.privacy_options import privacy_of
from monitor.proxy.records import Lane, Readings, Records
from monitor.proxy.spec import Plan, Recorded
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
    clock = CallClock()
    hardware = HardwareReader()
    triton = {
        one.served_name: TritonMetrics(plan.triton_metrics, one.served_name)
        for one in plan.recorded
    }
    try:
        lanes = {
            one.served_name: _lane(one, clock, hardware, triton[one.served_name])
            for one in plan.recorded
        }
    except ValueError as error:
        sys.exit(str(error))
    records = Records(lanes, clock=clock, pair_wait_s=plan.pair_wait_s)
    with socket.socket(fileno=descriptor) as parent:
        ended = threading.Event()
        says = threading.Thread(
            target=_say, args=(parent, records, lanes, triton, ended), daemon=True
        )
        says.start()
        with BufferedReader(parent.makefile("rb", buffering=0), 2**20) as stream:
            _take_all(stream, records)
        ended.set()
        says.join(SAYS_EVERY_S)
    for lane in lanes.values():
        lane.tap.close()


def _lane(one: Recorded, clock: CallClock, hardware: HardwareReader, triton: TritonMetrics) -> Lane:
    """Raises:
    ValueError: a tap that can't be.
    """
    readings: list[Readings] = [triton.latest]
    signals = [own_signal(use) for use in one.tensors if use.role == "signal"]
    signals += triton.signals
    if one.hardware_signals:
        hardware.latest()  # so that there are readings when the first call comes
        readings.append(hardware.latest)
        signals += HARDWARE_SIGNALS
    tap = Tap(**one.tap, privacy=privacy_of(one.privacy), clock=clock, signals=signals)
    return Lane(
        recorded=one,
        tap=tap,
        readings=lambda: {name: value for read in readings for name, value in read().items()},
    )


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
    parent: socket.socket,
    records: Records,
    lanes: Mapping[str, Lane],
    triton: Mapping[str, TritonMetrics],
    ended: threading.Event,
) -> None:
    """Tell the proxy once a second how things stand, and the log what is wrong."""
    troubles = Troubles()
    while True:
        records.expire()
        stats = {name: lane.tap.stats() for name, lane in lanes.items()}
        troubles.say(
            {
                "calls": records.problem,
                **{f"tap of {name}": str(one["last_error"]) for name, one in stats.items()},
                **{f"metrics of {name}": one.problem for name, one in triton.items()},
            }
        )
        said = {
            "counts": dict(records.counts),
            "waiting_halves": len(records.halves),
            "problem": records.problem,
            "recorded": dict(records.recorded),
            "taps": stats,
            "triton": {name: one.gauges() for name, one in triton.items()},
        }
        try:
            parent.sendall(json.dumps(said, default=str).encode() + b"\n")
        except OSError:
            return
        if ended.wait(SAYS_EVERY_S):
            return
