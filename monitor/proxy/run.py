"""``vigil proxy``: listens, forwards, and hands what it saw to the recording process."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import resource
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from monitor.proxy.body import Body, Budget
from monitor.proxy.exchange import Watching
from monitor.proxy.handover import Handover
from monitor.proxy.health import told
from monitor.proxy.own import Own
from monitor.proxy.proxy_metrics import exposition
from monitor.proxy.spec import Plan
from monitor.proxy.tunnel import End, Tunnel, Upstream
from vigil.errors import ConfigError

log = logging.getLogger("vigil.proxy")
Address = tuple[str, int]
_MOST_DESCRIPTORS = 65_536


@dataclass(frozen=True, kw_only=True, slots=True)
class Doors:
    """Where the proxy listens and what lies behind; None where it does not.

    ``own``: for health, metrics and events. ``most_body``, ``most_held``: bytes of one message, and
    of all together, beyond which a call passes unrecorded.
    """

    http: tuple[Address, Upstream] | None
    grpc: tuple[Address, Upstream] | None
    own: Address | None
    most_body: int = 64 * 2**20
    most_held: int = 512 * 2**20


class Proxy:
    """Everything of one proxy. ``ports``: where it listens, by ``http``, ``grpc``, ``own``."""

    def __init__(self, doors: Doors, plan: Plan) -> None:
        self._doors, self._plan = doors, plan
        self.counts: Counter[str] = Counter()
        self._budget = Budget(doors.most_held)
        self.handover = Handover(plan, self.counts)
        self._tunnels: set[Tunnel] = set()
        self._servers: list[asyncio.Server] = []
        self.ports: dict[str, int] = {}
        self.watching = Watching(
            counts=self.counts,
            new_body=lambda kept: Body(self._budget, doors.most_body, kept=kept),
            deliver=self.handover.put,
            now_s=time.perf_counter,
            time_s=time.time,
        )

    async def start(self) -> None:
        """Raises:
        ConfigError: an address that can't be listened on, or a tap that can't be made.
        """
        try:
            await asyncio.to_thread(self.handover.start)
        except ValueError as error:
            raise ConfigError(
                "command line", "tap", expected="a usable tap", found=str(error)
            ) from (None)
        for name, door in (("http", self._doors.http), ("grpc", self._doors.grpc)):
            if door is not None:
                await self._listen(name, door[0], self._through(door[1], name == "grpc"))
        if self._doors.own is not None:
            await self._listen("own", self._doors.own, self._own)

    async def _listen(self, name: str, at: Address, make: Callable[[], asyncio.Protocol]) -> None:
        try:
            server = await asyncio.get_running_loop().create_server(make, *at, backlog=1024)
        except OSError as error:
            raise ConfigError(
                "command line", name, expected="a free address", found=f"{at[0]}:{at[1]}: {error}"
            ) from None
        self._servers.append(server)
        self.ports[name] = server.sockets[0].getsockname()[1]

    def _through(self, upstream: Upstream, speaks_http2: bool) -> Callable[[], End]:
        def make() -> End:
            tunnel = Tunnel(
                upstream, self.watching, speaks_http2=speaks_http2, forget=self._tunnels.discard
            )
            self._tunnels.add(tunnel)
            return tunnel.near

        return make

    def _own(self) -> Own:
        return Own(self.watching, health=self.health, metrics=self.metrics)

    def health(self) -> dict[str, Any]:
        return {
            "status": "ok",
            "connections": len(self._tunnels),
            "counts": dict(self.counts),
            "recorder": told(self.handover.stats()),
        }

    def metrics(self) -> bytes:
        gauges = {
            "connections": float(len(self._tunnels)),
            "held_bytes": float(self._budget.used),
            "waiting": float(self.handover.waiting),
        }
        return exposition(self.counts, gauges, self.handover.stats())

    async def stop(self, timeout_s: float = 5.0) -> None:
        """Take no more connections, let those that are open finish as far as the time allows."""
        for server in self._servers:
            server.close()
        until = time.monotonic() + timeout_s
        while self._tunnels and time.monotonic() < until:
            for tunnel in list(self._tunnels):
                tunnel.close_if_idle()
            await asyncio.sleep(0.05)
        for tunnel in list(self._tunnels):
            tunnel.abort()
        await asyncio.to_thread(self.handover.close)


def _allow_connections() -> None:
    """Each takes two descriptors, and what shells give by default would be used up by 500."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _MOST_DESCRIPTORS)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


async def serve(doors: Doors, plan: Plan, *, ready: Callable[[Proxy], None]) -> None:
    """Until it is interrupted or terminated. ``ready`` is called once it listens."""
    _allow_connections()
    proxy = Proxy(doors, plan)
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for one in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(one, ended.set)
    try:
        await proxy.start()
        # What is alive now lives on: no collection has to look at it.
        gc.collect()
        gc.freeze()
        ready(proxy)
        await ended.wait()
    finally:
        await proxy.stop()
