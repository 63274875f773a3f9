"""Tunnels in a thread of their own, and a service that keeps the windows it is sent."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from monitor.proxy.body import Body, Budget
from monitor.proxy.exchange import Exchange, Watching
from monitor.proxy.run import Doors, Proxy
from monitor.proxy.spec import Plan, Recorded
from monitor.proxy.tensor_use import TensorUse
from monitor.proxy.tunnel import Tunnel, Upstream
from vigil.windows import wire
from vigil.windows.window import Window

TENSORS = ("images=x:nchw", "embeddings=features", "outputs=scores")


class Loop:
    """An event loop in a thread."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def do(self, work: Coroutine[Any, Any, Any], timeout_s: float = 30.0) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(timeout_s)

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(5)
        self.loop.close()


class Watched:
    """A tunnel's listener: ``port``, what was seen in ``exchanges``, and ``counts``."""

    def __init__(
        self, loop: Loop, upstream: int | Upstream, http2: bool, most_body: int, most_held: int
    ):
        self.counts: Counter[str] = Counter()
        self.exchanges: list[Exchange] = []
        self.budget = Budget(most_held)
        self.tunnels: set[Tunnel] = set()
        watching = Watching(
            counts=self.counts,
            new_body=lambda kept: Body(self.budget, most_body, kept=kept),
            deliver=self.exchanges.append,
            now_s=time.perf_counter,
            time_s=time.time,
        )
        behind = (
            upstream
            if isinstance(upstream, Upstream)
            else Upstream(host="127.0.0.1", port=upstream, connect_s=2.0)
        )

        def make() -> asyncio.Protocol:
            tunnel = Tunnel(behind, watching, speaks_http2=http2, forget=self.tunnels.discard)
            self.tunnels.add(tunnel)
            return tunnel.near

        self._server = loop.do(self._listen(make))
        self.port = self._server.sockets[0].getsockname()[1]
        self._loop = loop

    async def _listen(self, make: Callable[[], asyncio.Protocol]) -> asyncio.Server:
        return await asyncio.get_running_loop().create_server(make, "127.0.0.1", 0)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def wait(self, name: str, count: int) -> None:
        """Until something was counted so often."""
        until = time.monotonic() + 10
        while self.counts[name] < count:
            assert time.monotonic() < until, (name, self.counts)
            time.sleep(0.005)

    async def _close(self) -> None:
        self._server.close()
        for tunnel in list(self.tunnels):
            tunnel.abort()
        while self.tunnels:
            await asyncio.sleep(0.005)

    def close(self) -> None:
        self._loop.do(self._close())


class Sink:
    """Plays the service: takes windows."""

    def __init__(self) -> None:
        self.windows: dict[tuple[str, str, int], Window] = {}
        sink = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receipts = []
                body = self.rfile.read(int(self.headers["Content-Length"]))
                for blob in wire.split(body):
                    window = Window.from_bytes(blob)
                    sink.windows[window.key] = window
                    key = dict(zip(("source", "boot", "sequence"), window.key, strict=True))
                    receipts.append({**key, "status": "accepted"})
                self._say(200, json.dumps({"receipts": receipts}).encode())

            def do_GET(self) -> None:
                self._say(404, b"{}")

            def _say(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def records(self) -> dict[str, dict[str, Any]]:
        """Sampled records by id."""
        found = {}
        for window in self.windows.values():
            sample = window.sample
            for row, name in enumerate(sample.ids):
                found[name] = {
                    "version": sample.versions[row],
                    "metadata": sample.metadata[row],
                    "trace_id": sample.trace_ids[row],
                    "embedding": sample.embedding[row].tolist(),
                    "probabilities": sample.probabilities[row].tolist(),
                    "signals": dict(
                        zip(sample.signal_names, sample.signals[row].tolist(), strict=True)
                    ),
                    "build": window.build,
                }
        return found

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


class Running:
    """A whole proxy, with its recording process."""

    def __init__(self, proxy: Proxy, loop: Loop) -> None:
        self.proxy, self._loop = proxy, loop
        self.http = f"http://127.0.0.1:{proxy.ports.get('http')}"
        self.grpc = f"127.0.0.1:{proxy.ports.get('grpc')}"
        self.own = f"http://127.0.0.1:{proxy.ports.get('own')}"
        self._stopped = False

    def stop(self) -> None:
        if not self._stopped:
            self._stopped = True
            self._loop.do(self.proxy.stop())

    def wait_for(self, name: str, count: int) -> None:
        """Until the recording process, or the proxy, has counted so many."""
        until = time.monotonic() + 15
        while True:
            told = self.proxy.handover.stats().get("counts", {})
            if told.get(name, 0) + self.proxy.counts[name] >= count:
                return
            assert time.monotonic() < until, (name, told, self.proxy.counts)
            time.sleep(0.02)


@contextmanager
def a_proxy(
    loop: Loop,
    service: str,
    *,
    http: str = "",
    grpc: str = "",
    plan: dict[str, Any] | None = None,
    more: tuple[Recorded, ...] = (),
    **recorded: Any,
) -> Iterator[Running]:
    """A proxy in front of these servers; ``more`` models beside the reader."""

    def door(address: str) -> Any:
        if not address:
            return None
        port = int(address.rpartition(":")[2])
        return ("127.0.0.1", 0), Upstream(host="127.0.0.1", port=port)

    tap = {"model": "reader", "version": "v0", "service": service, "sample_size": 64}
    tap |= recorded.pop("tap", {})
    recorded.setdefault("tensors", tuple(TensorUse.parse(one) for one in TENSORS))
    proxy = Proxy(
        Doors(http=door(http), grpc=door(grpc), own=("127.0.0.1", 0), most_body=2**24),
        Plan(
            recorded=(Recorded(served_name="reader", tap=tap, **recorded), *more),
            **(plan or {}),
        ),
    )
    loop.do(proxy.start())
    running = Running(proxy, loop)
    try:
        yield running
    finally:
        running.stop()
