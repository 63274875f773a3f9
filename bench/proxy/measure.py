"""The whole comparison."""

from __future__ import annotations

import asyncio
import os
import platform
from typing import Any

from bench.proxy.asking import RATE, ask_grpc, ask_http
from bench.proxy.messages import request_binary, request_grpc, request_json
from bench.proxy.processes import process, proxied
from bench.proxy.used import Used, seen

SECONDS = 15.0
_SHOWN = ("p50", "p99")


def measure(seconds: float = SECONDS) -> dict[str, Any]:
    """Added latency of each kind of call, ``proxy_added_p99_ms`` is the worst of them."""
    kinds: dict[str, Any] = {}
    tensors = ["embeddings=features", "outputs=scores"]
    pictures = [*tensors, "images=x:nchw"]
    with process("-c", "from bench.proxy.processes import serve_http; serve_http()") as server:
        assert server.stdout is not None
        upstream = int(server.stdout.readline())
        for name, request, wanted in (
            ("http_json", request_json(), tensors),
            ("http_binary", request_binary(), pictures),
        ):
            with proxied("--upstream", upstream, wanted) as (port, own, pid):
                used = Used(pid)
                kinds[name] = asyncio.run(ask_http(request, upstream, port, seconds))
                kinds[name] |= {"request_bytes": len(request), "seen": seen(own)}
                kinds[name] |= used.each(kinds[name]["seen"]["calls"])
    with process("-c", "from bench.proxy.processes import serve_grpc; serve_grpc()") as server:
        assert server.stdout is not None
        upstream = int(server.stdout.readline())
        request = request_grpc()
        with proxied("--upstream-grpc", upstream, pictures) as (port, own, pid):
            used = Used(pid)
            kinds["grpc"] = asyncio.run(ask_grpc(request, upstream, port, seconds))
            kinds["grpc"] |= {"request_bytes": len(request), "seen": seen(own)}
            kinds["grpc"] |= used.each(kinds["grpc"]["seen"]["calls"])
    return {
        "rate_per_s": RATE,
        "seconds": seconds,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "load_average": round(os.getloadavg()[0], 1),
        "has_priority": os.sched_getscheduler(0) != os.SCHED_OTHER,
        "proxy_added_p50_ms": max(one["added_ms"]["p50"] for one in kinds.values()),
        "proxy_added_p99_ms": max(one["added_ms"]["p99"] for one in kinds.values()),
        "kinds": kinds,
    }


def table(found: dict[str, Any]) -> str:
    """The result for people."""
    lines = [
        f"{'ms':12} "
        + " ".join(f"{way} {q}".rjust(10) for way in ("direct", "proxy", "added") for q in _SHOWN)
    ]
    for name, one in found["kinds"].items():
        cells = [one[way][q] for way in ("direct_ms", "proxy_ms", "added_ms") for q in _SHOWN]
        row = " ".join(f"{cell:10.2f}" for cell in cells)
        used = f"{one['forwarding_cpu_us']} + {one['recording_cpu_us']} us"
        lines.append(f"{name:12} {row}  {used}  {one['seen']}")
    return "\n".join(lines) + "\n"
