"""Clients and servers that mean harm, or are broken: bytes pass, nobody else is hurt."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import threading
import time
from collections import Counter
from itertools import count

import httpx
import pytest
from hpack import Encoder
from oip_server import OipServer
from proxy_room import Loop, Sink, a_proxy
from test_proxy_tunnel import BODY, PATH, everything, wire_server

from monitor.proxy.body import Body, Budget
from monitor.proxy.exchange import Watching
from monitor.proxy.http2 import PREFACE
from monitor.proxy.own import Own
from monitor.proxy.pairs_http2 import INFER

HTTP = (
    b"POST /v2/models/reader/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 14\r\n\r\n"
    b'{"inputs": []}'
    b"POST /v2/models/reader/infer HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5\r\nhello\r\n3;a=b\r\nabc\r\n0\r\nT: 1\r\n\r\n"
    b"GET /v2 HTTP/1.1\r\n\r\n"
)
ANSWERS = (
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
    b"HTTP/1.1 404 Not Found\r\n\r\nto the end"
)


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">BHBBI", 0, len(payload), kind, flags, stream) + payload


def grpc_bytes() -> tuple[bytes, bytes]:
    asked, answered = Encoder(), Encoder()
    message = struct.pack(">BI", 0, 4) + b"\x0a\x02ab"
    request, answer = PREFACE + frame(4, 0, 0, b""), frame(4, 0, 0, b"")
    for stream in (1, 3, 5):
        request += frame(1, 4, stream, asked.encode([(":path", INFER), ("te", "trailers")]))
        request += frame(0, 1, stream, message) + frame(6, 0, 0, bytes(8))
        answer += frame(1, 4, stream, answered.encode([(":status", "200")]))
        answer += frame(0, 0, stream, message)
        answer += frame(1, 5, stream, answered.encode([("grpc-status", "0")]))
    return request, answer + frame(7, 0, 0, bytes(8))


def broken(data: bytes, chance: random.Random) -> bytes:
    """Bytes flipped, left out, doubled, cut short."""
    bad = bytearray(data)
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(bad))
        match chance.randrange(4):
            case 0:
                bad[at] = chance.randrange(256)
            case 1:
                del bad[at : at + chance.randint(1, 30)]
            case 2:
                bad[at:at] = bad[at : at + chance.randint(1, 30)] * chance.randint(1, 3)
            case _:
                bad[at:at] = chance.randbytes(chance.randint(1, 20))
        bad = bad or bytearray(b"\0")
    return bytes(bad[: chance.randint(1, len(bad))] if chance.random() < 0.3 else bad)


@pytest.mark.parametrize("http2", [False, True])
def test_broken_bytes_pass_unchanged_both_ways_and_leave_nothing_behind(watched, http2):
    """In pieces of any size, from both sides; then the client closes its half."""
    chance = random.Random(20261122)
    asks, answers = grpc_bytes() if http2 else (HTTP, ANSWERS)
    sent = [broken(asks, chance) for _ in range(120)]
    told = [broken(answers, chance) for _ in range(120)]
    seen: dict[int, bytes] = {}
    number = count()

    def talk(client: socket.socket) -> None:
        one = next(number)
        # It answers before it has heard all, as a server may.
        client.sendall(told[one][: len(told[one]) // 2])
        seen[one] = everything(client)
        client.sendall(told[one][len(told[one]) // 2 :])

    with wire_server(talk) as port:
        through = watched(port, http2=http2)
        for asked, answer in zip(sent, told, strict=True):
            with socket.create_connection(("127.0.0.1", through.port), timeout=10) as client:
                size = chance.choice((1, 7, 64, 4096)) if len(asked) < 300 else 64
                for at in range(0, len(asked), size):
                    client.sendall(asked[at : at + size])
                client.shutdown(socket.SHUT_WR)
                assert everything(client) == answer
    assert [seen[one] for one in range(120)] == sent
    for exchange in through.exchanges:
        exchange.release()
    until = time.monotonic() + 5
    while through.tunnels and time.monotonic() < until:
        time.sleep(0.01)
    assert (through.budget.used, len(through.tunnels)) == (0, 0)


def test_connections_that_say_nothing_hold_up_nobody(server: OipServer, watched):
    """Some never begin, some never end a header or a body; a client among them is served."""
    with server.http() as url:
        through = watched(url)
        idle = []
        heads = [
            b"",
            b"POST /v2/models/reader/infer HTTP/1.1\r\nX: ",
            b"POST /v2/models/reader/infer HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n{",
            b"POST /v2/models/reader/infer HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nfff",
        ]
        for i in range(120):
            client = socket.create_connection(("127.0.0.1", through.port))
            client.sendall(heads[i % 4])
            idle.append(client)
        for _ in range(3):
            assert httpx.post(through.url + PATH, json=BODY, timeout=5).status_code == 200
            for client in idle[1::4]:
                client.sendall(b"x")
        assert through.budget.used < 300_000
        for client in idle:
            client.close()
        # Of half a body the server says that it is malformed; half a chunk it can't read at all.
        through.wait("cut_off", 30)
        through.wait("refused", 30)
    assert through.counts["calls"] == 3 + 30


def test_requests_before_their_answers_are_read_no_further_and_still_pass(watched):
    """More than anyone who waits for answers would send at once."""
    asked = b"GET /v2 HTTP/1.1\r\n\r\n" * 20_000
    taken: list[bytes] = []

    def talk(client: socket.socket) -> None:
        taken.append(everything(client))

    with wire_server(talk) as port:
        through = watched(port)
        with socket.create_connection(("127.0.0.1", through.port), timeout=10) as client:
            client.sendall(asked)
            client.shutdown(socket.SHUT_WR)
            assert everything(client) == b""
    assert taken == [asked]
    assert through.counts == {"unreadable": 1}


def test_headers_count_for_what_may_be_held(server: OipServer, watched):
    """Calls whose headers are larger than all else, and a recorder that takes none."""
    with server.http() as url:
        through = watched(url, most_held=200_000)
        with httpx.Client(base_url=through.url, headers={"X-Large": "x" * 30_000}) as client:
            for _ in range(8):
                assert client.post(PATH, json=BODY).status_code == 200
    through.wait("calls", 8)
    assert 1 <= len(through.exchanges) <= 3
    assert through.counts["overload"] == 8 - len(through.exchanges)
    for exchange in through.exchanges:
        exchange.release()
    assert through.budget.used == 0


def test_the_proxys_own_pages_hold_up_no_call(event_loop_thread: Loop, sink: Sink):
    """One request at a time: pages are made by what forwards. Old clients wait for the end."""
    with a_proxy(event_loop_thread, sink.url) as proxy:
        port = proxy.proxy.ports["own"]
        with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
            client.sendall(b"GET /metrics HTTP/1.1\r\n\r\n" * 5000)
            found = everything(client)
        assert found.count(b"HTTP/1.1 200 OK") == 1
        assert b"HTTP/1.1 400" in found
        for head in (b"HTTP/1.0\r\n\r\n", b"HTTP/1.1\r\nConnection: close\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
                client.sendall(b"GET /healthz " + head)
                assert everything(client).startswith(b"HTTP/1.1 200 OK")


def test_who_does_not_read_the_pages_is_not_written_to_for_ever(event_loop_thread: Loop):
    """When what waits for a client fills up, nothing more is read of what it asks."""
    watching = Watching(
        counts=Counter(),
        new_body=lambda kept: Body(Budget(0), 0, kept=False),
        deliver=lambda exchange: None,
        now_s=time.perf_counter,
        time_s=time.time,
    )

    async def listen() -> asyncio.Server:
        return await asyncio.get_running_loop().create_server(
            lambda: Own(watching, health=dict, metrics=lambda: bytes(100_000)), "127.0.0.1", 0
        )

    server = event_loop_thread.do(listen())
    # Larger than what is read at once, so that each is a request of its own.
    asked = b"GET /metrics HTTP/1.1\r\nContent-Length: 300000\r\n\r\n" + bytes(300_000)
    with socket.create_connection(server.sockets[0].getsockname()) as client:
        client.settimeout(1.0)

        def flood() -> None:
            for _ in range(300):
                client.sendall(asked)

        with pytest.raises(TimeoutError):
            flood()
        found = 0
        while found < 500_000:
            found += len(client.recv(2**20))
    event_loop_thread.loop.call_soon_threadsafe(server.close)


def test_a_flood_of_connections_uses_up_nothing(server: OipServer, watched):
    """Many at once, each cut off in the middle by a reset."""

    def knock() -> None:
        for _ in range(40):
            with socket.create_connection(("127.0.0.1", through.port)) as client:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                client.sendall(HTTP[:60])

    with server.http() as url:
        through = watched(url)
        threads = [threading.Thread(target=knock) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert httpx.post(through.url + PATH, json=BODY, timeout=5).status_code == 200
        until = time.monotonic() + 10
        while len(through.tunnels) > 1 and time.monotonic() < until:
            time.sleep(0.01)
        assert len(through.tunnels) <= 1
    through.wait("calls", 1)
    for exchange in through.exchanges:
        exchange.release()
    assert through.budget.used == 0
