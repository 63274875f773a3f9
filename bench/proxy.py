"""What the proxy adds to a call: 200 calls a second through it and beside it, in the same run.

Calls leave at fixed times whether or not the last has come back; a latency counts from when the
call was due, so waiting is not hidden. Direct calls and calls through the proxy alternate, so that
whatever else the machine does meets both alike. The server answers at once: what is measured is the
way. ``python -m bench proxy`` writes bench/results/proxy.json; on a machine that is busy with other
things run it under ``chrt -r 5``, else it measures those.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import platform
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

RESULT = Path(__file__).parent / "results" / "proxy.json"
RATE = 200.0
SECONDS = 15.0
CONNECTIONS = 16
_SHOWN = ("p50", "p99")
IMAGE = (1, 3, 224, 224)
Ask = Callable[[int], Awaitable[None]]
Percentiles = dict[str, float]


def request_json() -> bytes:
    """A call with a vector of 512 numbers: JSON is for small tensors."""
    x = np.random.default_rng(0).random(512).round(4).tolist()
    one = {"name": "x", "datatype": "FP32", "shape": [1, 512], "data": x}
    body = json.dumps({"id": "", "inputs": [one]}).encode()
    return _head(body, "application/json") + body


def picture() -> bytes:
    """224 x 224 in colour, a byte a channel: 147 KiB."""
    return np.random.default_rng(0).integers(0, 256, IMAGE, dtype=np.uint8).tobytes()


def request_binary() -> bytes:
    """A call with a picture as binary data."""
    x = picture()
    one = {"name": "x", "datatype": "UINT8", "shape": IMAGE}
    text = json.dumps({"inputs": [{**one, "parameters": {"binary_data_size": len(x)}}]}).encode()
    more = f"Inference-Header-Content-Length: {len(text)}\r\n"
    return _head(text + x, "application/octet-stream", more) + text + x


def _head(body: bytes, kind: str, more: str = "") -> bytes:
    return (
        f"POST /v2/models/m/infer HTTP/1.1\r\nHost: m\r\nContent-Type: {kind}\r\n{more}"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode()


def answer_http() -> bytes:
    """Embedding of 512 and scores of 10, both as JSON."""
    rng = np.random.default_rng(1)
    outputs = [
        {
            "name": name,
            "datatype": "FP32",
            "shape": [1, n],
            "data": rng.dirichlet(np.ones(n)).round(6).tolist(),
        }
        for name, n in (("features", 512), ("scores", 10))
    ]
    plain = {"model_name": "m", "model_version": "1", "outputs": outputs}
    body = json.dumps(plain).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return f"{head}\r\n".encode() + body


def message(*fields: tuple[int, bytes | int]) -> bytes:
    """Protobuf of a few fields: number, and bytes or a whole number."""

    def varint(value: int) -> bytes:
        parts = []
        while value > 0x7F:
            parts.append(value & 0x7F | 0x80)
            value >>= 7
        return bytes([*parts, value])

    return b"".join(
        varint(number << 3) + varint(value)
        if isinstance(value, int)
        else varint(number << 3 | 2) + varint(len(value)) + value
        for number, value in fields
    )


def _tensor(name: bytes, datatype: bytes, shape: tuple[int, ...]) -> bytes:
    return message((1, name), (2, datatype), *((3, size) for size in shape))


def request_grpc() -> bytes:
    """The same picture in a message."""
    return message((1, b"m"), (5, _tensor(b"x", b"UINT8", IMAGE)), (7, picture()))


def answer_grpc() -> bytes:
    rng = np.random.default_rng(1)
    raw = [rng.random(n).astype(np.float32).tobytes() for n in (512, 10)]
    tensors = [
        _tensor(b"features", b"FP32", (1, 512)),
        _tensor(b"scores", b"FP32", (1, 10)),
    ]
    fields: list[tuple[int, bytes | int]] = [(1, b"m"), (2, b"1")]
    fields += [(5, tensor) for tensor in tensors]
    return message(*fields, *((6, one) for one in raw))


class _Answering(asyncio.Protocol):
    """A server that answers as soon as a request is whole."""

    def __init__(self, answer: bytes) -> None:
        self._answer, self._left, self._text = answer, 0, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if self._left == 0:
            head, _, data = (self._text + data).partition(b"\r\n\r\n")
            self._left = int(head.rpartition(b"Content-Length: ")[2].partition(b"\r")[0])
        self._left -= len(data)
        if self._left == 0:
            self._transport.write(self._answer)


def serve_http() -> None:
    """In a process of its own: says its port, and answers until it is ended."""

    async def run() -> None:
        answer = answer_http()
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _Answering(answer), "127.0.0.1", 0)
        _say(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


def serve_grpc() -> None:
    """As above."""
    import grpc

    answer = answer_grpc()

    class Handler(grpc.GenericRpcHandler):  # type: ignore[misc]
        def service(self, details: Any) -> Any:
            async def infer(request: bytes, context: Any) -> bytes:
                return answer

            return grpc.unary_unary_rpc_method_handler(infer)

    async def run() -> None:
        server = grpc.aio.server()
        server.add_generic_rpc_handlers((Handler(),))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        _say(port)
        await server.wait_for_termination()

    asyncio.run(run())


def _say(port: int) -> None:
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()


@contextmanager
def process(*command: str) -> Iterator[subprocess.Popen[str]]:
    """A program, ended afterwards."""
    running = subprocess.Popen(
        [sys.executable, *command], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        yield running
    finally:
        running.send_signal(signal.SIGTERM)
        try:
            running.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()
        if running.stdout is not None:
            running.stdout.close()


@contextmanager
def proxied(option: str, upstream: int, tensors: list[str]) -> Iterator[tuple[int, int, int]]:
    """The proxy as people run it: its port for traffic, its own, and its process."""
    free = [_free_port(), _free_port()]
    listen = {"--upstream": "--listen", "--upstream-grpc": "--listen-grpc"}[option]
    command = ["-m", "monitor.cli", "proxy", "--model", "m", "--service", "http://127.0.0.1:1"]
    command += [option, f"127.0.0.1:{upstream}" if "grpc" in option else _url(upstream)]
    command += [listen, f"127.0.0.1:{free[0]}", "--listen-own", f"127.0.0.1:{free[1]}"]
    for one in tensors:
        command += ["--tensor", one]
    with process(*command) as running:
        assert running.stdout is not None
        while "health" not in (line := running.stdout.readline()):
            if not line:
                raise RuntimeError("the proxy did not start")
        yield free[0], free[1], running.pid


def _url(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


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


async def _http(request: bytes, direct: int, port: int, seconds: float) -> dict[str, Any]:
    asks = [await HttpClients(request).open(one) for one in (direct, port)]
    await paced(asks, 1.0)
    return compare(*await paced(asks, seconds))


async def _grpc(request: bytes, direct: int, port: int, seconds: float) -> dict[str, Any]:
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
    from urllib.request import urlopen

    time.sleep(2.5)
    with urlopen(f"{_url(own)}/healthz", timeout=10) as reply:
        told = json.load(reply)
    counts = {**told["counts"], **told["recorder"]["counts"]}
    return {str(name): int(value) for name, value in sorted(counts.items())}


def measure(seconds: float = SECONDS) -> dict[str, Any]:
    """Added latency of each kind of call, ``proxy_added_p99_ms`` is the worst of them."""
    kinds: dict[str, Any] = {}
    tensors = ["embeddings=features", "outputs=scores"]
    pictures = [*tensors, "images=x:nchw"]
    with process("-c", "from bench.proxy import serve_http; serve_http()") as server:
        assert server.stdout is not None
        upstream = int(server.stdout.readline())
        for name, request, wanted in (
            ("http_json", request_json(), tensors),
            ("http_binary", request_binary(), pictures),
        ):
            with proxied("--upstream", upstream, wanted) as (port, own, pid):
                used = Used(pid)
                kinds[name] = asyncio.run(_http(request, upstream, port, seconds))
                kinds[name] |= {"request_bytes": len(request), "seen": seen(own)}
                kinds[name] |= used.each(kinds[name]["seen"]["calls"])
    with process("-c", "from bench.proxy import serve_grpc; serve_grpc()") as server:
        assert server.stdout is not None
        upstream = int(server.stdout.readline())
        request = request_grpc()
        with proxied("--upstream-grpc", upstream, pictures) as (port, own, pid):
            used = Used(pid)
            kinds["grpc"] = asyncio.run(_grpc(request, upstream, port, seconds))
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


if __name__ == "__main__":
    result = measure(float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS)
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(table(result))
