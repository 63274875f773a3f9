"""What clients see through the proxy is what they would see without it."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import grpc
import httpx
import numpy as np
import pytest
from oip_server import OipServer

from monitor.proxy.exchange import Kind
from monitor.proxy.pairs_http2 import INFER

X = np.random.default_rng(0).random((2, 3, 8, 8)).astype("<f4")
PATH = "/v2/models/reader/infer"
BODY = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [2, 3, 8, 8], "data": X.tolist()}]}


@contextmanager
def wire_server(talk: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server that does with each connection, in a thread, whatever it is told; its port."""
    listener = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()

    def accept() -> None:
        while not ended.is_set():
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=run, args=(client,), daemon=True).start()

    def run(client: socket.socket) -> None:
        with client:
            try:
                talk(client)
            except OSError:
                return

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        ended.set()
        listener.close()


def everything(client: socket.socket) -> bytes:
    """What comes until the other side closes."""
    parts = []
    while part := client.recv(65536):
        parts.append(part)
    return b"".join(parts)


def test_bytes_pass_unchanged_both_ways(watched):
    """Odd cases, spaces, line folding that is long forbidden, and an answer that is no HTTP."""
    sent = b"POST  /X HTTP/1.1\r\nhOsT:  x\r\nA: 1\r\n  folded\r\n\r\n\x00\xff nonsense"
    reply = b"HTTP/1.1  200  oK\r\nX:\t y\r\n\r\n\x00\x01"
    seen: list[bytes] = []

    def talk(client: socket.socket) -> None:
        seen.append(everything(client))
        client.sendall(reply)

    with wire_server(talk) as port:
        through = watched(port)
        with socket.create_connection(("127.0.0.1", through.port)) as client:
            for at in range(0, len(sent), 9):
                client.sendall(sent[at : at + 9])
                time.sleep(0.001)
            # All is said, and the answer still comes: a connection may be closed by halves.
            client.shutdown(socket.SHUT_WR)
            assert everything(client) == reply
    assert seen == [sent]
    assert through.counts["unreadable"] == 1


@pytest.mark.parametrize("how", ["json", "chunked request", "chunked answer", "versioned"])
def test_an_inference_is_seen_and_not_touched(server: OipServer, watched, how):
    with server.http() as url:
        through = watched(url)
        content = json.dumps(BODY).encode()
        server.trouble = "chunked" if how == "chunked answer" else ""
        path = "/v2/models/reader/versions/3/infer" if how == "versioned" else PATH
        with httpx.Client(base_url=through.url) as client:
            given = iter([content[:100], content[100:]]) if how == "chunked request" else content
            reply = client.post(path, content=given, headers={"traceparent": "00-a"})
        direct = httpx.post(url + path, content=content)
    assert (reply.status_code, reply.content) == (200, direct.content)
    through.wait("calls", 1)
    (exchange,) = through.exchanges
    assert (exchange.kind, exchange.path) == (Kind.V2, path)
    assert b"".join(exchange.request.parts) == content
    assert b"".join(exchange.response.parts) == direct.content
    assert exchange.request_headers["traceparent"] == "00-a"
    assert 0 < exchange.latency_s < 5
    assert through.counts == {"calls": 1}


def test_everything_else_passes_and_is_counted(server: OipServer, watched):
    """Health, metadata and paths that are not there, on one connection that is kept open."""
    with server.http() as url:
        through = watched(url)
        with httpx.Client(base_url=through.url) as client:
            replies = [client.get("/v2/health/ready"), client.get("/v2"), client.head("/v2")]
            replies.append(client.get("/metrics"))
            through.wait("passed", 4)
            assert len(through.tunnels) == 1
        assert [reply.status_code for reply in replies] == [200, 200, 200, 404]
        assert replies[0].headers["X-Served-By"] == "small"
        assert replies[1].json()["name"] == "small"
    assert (through.exchanges, through.counts["passed"]) == ([], 4)


def test_errors_of_the_server_pass_and_are_counted(server: OipServer, watched):
    """What it blames on the client apart from what it failed itself."""
    with server.http() as url:
        through = watched(url)
        with httpx.Client(base_url=through.url) as client:
            assert client.post(PATH, content=b"not json").status_code == 400
            server.trouble = "500"
            reply = client.post(PATH, json=BODY)
    assert (reply.status_code, reply.json()) == (500, {"error": "out of memory"})
    through.wait("failed", 1)
    assert through.counts == {"calls": 2, "refused": 1, "failed": 1}
    assert through.budget.used == 0


def test_a_server_that_is_away_is_told_as_such(watched):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    through = watched(port)
    for content in (b"{}", b"x" * 2**20):
        reply = httpx.post(through.url + PATH, content=content)
        assert reply.status_code == 502
        assert f"127.0.0.1:{port} can't be reached" in reply.text
    assert through.counts["upstream_away"] == 2
    with grpc.insecure_channel(f"127.0.0.1:{watched(port, http2=True).port}") as channel:
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary(INFER)(b"", timeout=5)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


def test_the_clients_time_limit_is_the_only_one(watched):
    """A server that hangs is waited for as long as the client waits; then it hears of it."""
    gone = threading.Event()

    def talk(client: socket.socket) -> None:
        everything(client)
        gone.set()

    with wire_server(talk) as port:
        through = watched(port)
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(through.url + PATH, json={}, timeout=0.2)
        assert gone.wait(5)
    through.wait("cut_off", 1)
    assert through.budget.used == 0


@pytest.mark.parametrize("trouble", ["drop", "early"])
def test_a_server_that_breaks_off_breaks_off_for_the_client(server: OipServer, watched, trouble):
    with server.http() as url:
        through = watched(url)
        server.trouble = trouble
        with pytest.raises(httpx.HTTPError):
            httpx.post(through.url + PATH, json=BODY)
        through.wait("cut_off", 1)
        assert httpx.post(through.url + PATH, json=BODY).status_code == 200
        through.wait("calls", 1)
    assert len(through.exchanges) == 1


def test_a_client_that_goes_away_leaves_nothing_behind(watched):
    with wire_server(lambda client: everything(client) and None) as port:
        through = watched(port)
        head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"
        with socket.create_connection(("127.0.0.1", through.port)) as client:
            client.sendall(head.encode() + b"{")
            until = time.monotonic() + 5
            while not through.budget.used and time.monotonic() < until:
                time.sleep(0.005)
        through.wait("cut_off", 1)
        assert (through.budget.used, through.exchanges) == (0, [])


def test_a_message_of_100_mb_passes_and_is_not_kept(watched):
    """Its bytes are forwarded as they come: no more than a buffer of them is held."""
    size = 100 * 2**20
    taken: list[int] = []

    def talk(client: socket.socket) -> None:
        count, head = 0, b""
        while b"\r\n\r\n" not in head:
            head += client.recv(65536)
        count = len(head.partition(b"\r\n\r\n")[2])
        while count < size:
            count += len(client.recv(2**20))
        taken.append(count)
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    with wire_server(talk) as port:
        through = watched(port)
        connection = http.client.HTTPConnection("127.0.0.1", through.port, timeout=30)
        most = 0
        connection.putrequest("POST", PATH)
        connection.putheader("Content-Length", str(size))
        connection.endheaders()
        for _ in range(100):
            connection.send(b"\0" * 2**20)
            most = max(most, through.budget.used)
        assert connection.getresponse().read() == b"{}"
        connection.close()
    assert taken == [size]
    through.wait("too_large", 1)
    assert through.counts == {"calls": 1, "too_large": 1}
    assert most <= 2**20
    assert through.budget.used == 0


def test_calls_beyond_what_may_be_held_pass_unrecorded(server: OipServer, watched):
    """Nobody takes what was seen: the bound is reached, and traffic goes on."""
    size = len(json.dumps(BODY))
    with server.http() as url:
        through = watched(url, most_held=3 * size)
        with httpx.Client(base_url=through.url) as client:
            codes = [client.post(PATH, json=BODY).status_code for _ in range(6)]
    assert codes == [200] * 6
    through.wait("calls", 6)
    assert 1 <= len(through.exchanges) <= 3
    assert through.counts["overload"] == 6 - len(through.exchanges)
    for exchange in through.exchanges:
        exchange.release()
    assert through.budget.used == 0


def test_a_slow_client_slows_the_server_and_memory_stays_bounded(watched):
    """Back pressure passes through: an endless answer fills buffers, and then the server waits."""
    sent = [0]

    def talk(client: socket.socket) -> None:
        client.recv(65536)
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        client.settimeout(0.5)
        while True:
            sent[0] += client.send(b"\0" * 65536)

    with wire_server(talk) as port:
        through = watched(port)
        with socket.create_connection(("127.0.0.1", through.port)) as client:
            client.sendall(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
            time.sleep(0.8)
            assert client.recv(10) == b"HTTP/1.1 2"
    assert sent[0] < 64 * 2**20


def test_a_fault_of_the_reader_changes_nothing_for_the_client(
    server: OipServer, watched, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    def broken(*arguments: object) -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr("monitor.proxy.pairs_http1.Http1Pairs.from_server", broken)
    with server.http() as url:
        through = watched(url)
        with httpx.Client(base_url=through.url) as client:
            codes = [client.post(PATH, json=BODY).status_code for _ in range(2)]
    assert (codes, through.counts["unreadable"]) == ([200, 200], 1)
    assert through.budget.used == 0
    assert "a fault of ours" in caplog.text
