"""What the proxy used and saw."""

from __future__ import annotations

import contextlib
import json
import os
import time
from pathlib import Path
from urllib.request import urlopen

from bench.proxy.processes import url_of


def stat(pid: int | str) -> list[str]:
    """The columns of /proc/PID/stat after the name: state, parent, ..."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()


def cpu_s(pid: int) -> float:
    """What a process has used so far, seconds."""
    columns = stat(pid)
    return (int(columns[11]) + int(columns[12])) / os.sysconf("SC_CLK_TCK")


def child_of(pid: int) -> int:
    """The process that records."""
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if int(stat(path.name)[1]) == pid:
                return int(path.name)
    raise RuntimeError("the proxy has no recording process")


class Used:
    """Processor time of forwarding and recording, in microseconds a call."""

    def __init__(self, pid: int) -> None:
        self._pids = {"forwarding_cpu_us": pid, "recording_cpu_us": child_of(pid)}
        self._before = {name: cpu_s(one) for name, one in self._pids.items()}

    def each(self, calls: int) -> dict[str, int]:
        return {
            name: round((cpu_s(pid) - self._before[name]) / calls * 1e6)
            for name, pid in self._pids.items()
        }


def seen(own: int) -> dict[str, int]:
    """What the proxy says became of the calls, once it has caught up."""
    time.sleep(2.5)
    with urlopen(f"{url_of(own)}/healthz", timeout=10) as reply:
        told = json.load(reply)
    counts = {**told["counts"], **told["recorder"]["counts"]}
    return {str(name): int(value) for name, value in sorted(counts.items())}
