"""What the proxy adds to a call: 200 calls a second through it and beside it, in the same run.

Calls leave at fixed times whether or not the last has come back; a latency counts from when the
call was due, so waiting is not hidden. Direct calls and calls through the proxy alternate, so that
whatever else the machine does meets both alike. The server answers at once: what is measured is the
way. ``python -m bench proxy`` writes bench/results/proxy.json; on a machine that is busy with other
things run it under ``chrt -r 5``, else it measures those.
"""

from __future__ import annotations

from bench.proxy.measure import measure, table

__all__ = ["measure", "table"]
