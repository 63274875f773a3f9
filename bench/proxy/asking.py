"""Calls at fixed times, and how long they took."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

RATE = 200.0
CONNECTIONS = 16
Ask = Callable[[int], Awaitable[None]]
Percentiles = dict[str, float]


class HttpClients:
    """Connections that are kept open; each call takes the next one that is free."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._free: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = (
            asyncio.Queue()
        )

    async def open(self, port: int) -> Ask:
        for _ in range(CONNECTIONS):
            self._free.put_nowait(await asyncio.open_connection("127.0.0.1", port))
        return self.ask

    async def ask(self, number: int) -> None:
        reader, writer = await self._free.get()
        writer.write(self._request)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        length = int(head.rpartition(b"Content-Length: ")[2].partition(b"\r")[0])
        await reader.readexactly(length)
        self._free.put_nowait((reader, writer))


async def paced(asks: list[Ask], seconds: float) -> list[NDArray[np.float64]]:
    """Latencies in milliseconds of each way, all asked in turn at the rate for each."""
    found: list[list[float]] = [[] for _ in asks]
    running: set[asyncio.Task[None]] = set()
    loop = asyncio.get_running_loop()
    begin, step = loop.time() + 0.1, 1.0 / (RATE * len(asks))

    async def one(way: int, number: int, due: float) -> None:
        await asks[way](number)
        found[way].append((loop.time() - due) * 1e3)

    for number in range(int(seconds / step)):
        due = begin + number * step
        await asyncio.sleep(max(0.0, due - loop.time()))
        task = asyncio.ensure_future(one(number % len(asks), number, due))
        running.add(task)
        task.add_done_callback(running.discard)
    await asyncio.gather(*running)
    return [np.array(one) for one in found]


def percentiles(values: NDArray[np.float64]) -> Percentiles:
    return {f"p{q:g}": round(float(np.percentile(values, q)), 3) for q in (50, 99, 99.9)}


def compare(direct: NDArray[np.float64], through: NDArray[np.float64]) -> dict[str, Any]:
    """Both ways, and what the proxy adds to each percentile."""
    one, other = percentiles(direct), percentiles(through)
    added = {name: round(other[name] - one[name], 3) for name in one}
    return {"calls": len(through), "direct_ms": one, "proxy_ms": other, "added_ms": added}


async def ask_http(request: bytes, direct: int, port: int, seconds: float) -> dict[str, Any]:
    asks = [await HttpClients(request).open(one) for one in (direct, port)]
    await paced(asks, 1.0)
    return compare(*await paced(asks, seconds))


async def ask_grpc(request: bytes, direct: int, port: int, seconds: float) -> dict[str, Any]:
    import grpc

    method = "/inference.GRPCInferenceService/ModelInfer"
    channels = [grpc.aio.insecure_channel(f"127.0.0.1:{one}") for one in (direct, port)]
    try:
        calls = [channel.unary_unary(method) for channel in channels]

        def asking(call: Any) -> Ask:
            async def ask(number: int) -> None:
                await call(request)

            return ask

        asks = [asking(call) for call in calls]
        await paced(asks, 1.0)
        return compare(*await paced(asks, seconds))
    finally:
        for channel in channels:
            await channel.close()
