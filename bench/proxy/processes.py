"""Servers that answer at once, and the proxy, each in a process of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bench.proxy.messages import answer_grpc, answer_http


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
    command += [option, f"127.0.0.1:{upstream}" if "grpc" in option else url_of(upstream)]
    command += [listen, f"127.0.0.1:{free[0]}", "--listen-own", f"127.0.0.1:{free[1]}"]
    for one in tensors:
        command += ["--tensor", one]
    with process(*command) as running:
        assert running.stdout is not None
        while "health" not in (line := running.stdout.readline()):
            if not line:
                raise RuntimeError("the proxy did not start")
        yield free[0], free[1], running.pid


def url_of(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
