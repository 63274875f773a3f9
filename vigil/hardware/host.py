"""CPU, memory and load of the host, from Linux's /proc (``man 5 proc``)."""

from __future__ import annotations

import os
from pathlib import Path

_IDLE = (3, 4)  # idle and iowait among the columns of /proc/stat


class HostReader:
    """Each ``read`` covers the time since the one before.

    Args:
        proc: where /proc is; another folder in tests.
        cores: to divide the load by.
    """

    def __init__(self, proc: str | os.PathLike[str] = "/proc", *, cores: int | None = None) -> None:
        self._proc = Path(proc)
        self._cores = cores or os.cpu_count() or 1
        self._before: tuple[int, int] | None = None

    def read(self) -> dict[str, float]:
        """``host_cpu`` (from the second reading on), ``host_memory``, ``host_load``; what can't be
        read is left out."""
        found: dict[str, float] = {}
        for part in (self._cpu, self._memory, self._load):
            try:
                found |= part()
            except (OSError, ValueError, KeyError, IndexError):
                continue
        return found

    def _cpu(self) -> dict[str, float]:
        line = (self._proc / "stat").read_text().partition("\n")[0]
        # Guest time, from the ninth column on, is within user time already.
        columns = [int(one) for one in line.split()[1:9]]
        now = sum(columns), sum(columns[i] for i in _IDLE)
        before, self._before = self._before, now
        if before is None or now[0] <= before[0]:
            return {}
        idle = (now[1] - before[1]) / (now[0] - before[0])
        return {"host_cpu": min(max(1.0 - idle, 0.0), 1.0)}

    def _memory(self) -> dict[str, float]:
        rows = dict(
            line.split(":", 1) for line in (self._proc / "meminfo").read_text().splitlines()
        )
        kilobytes = {name: int(rows[name].split()[0]) for name in ("MemTotal", "MemAvailable")}
        return {"host_memory": 1.0 - kilobytes["MemAvailable"] / kilobytes["MemTotal"]}

    def _load(self) -> dict[str, float]:
        return {"host_load": float((self._proc / "loadavg").read_text().split()[0]) / self._cores}
