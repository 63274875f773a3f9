"""HTTP/1.1 as it is read from the bytes that pass."""

from __future__ import annotations

import sys
from itertools import pairwise
from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.proxy.body import Body, Budget
from monitor.proxy.http1 import Message, MessageReader, UnreadableError

REQUESTS = (
    b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
    b"POST /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\nX-One: 1\r\nx-one: 2\r\n\r\n"
    b"3;name=value\r\nabc\r\nA\r\n0123456789\r\n0\r\nTrailer: yes\r\n\r\n"
    b"GET /c HTTP/1.1\r\nHost: x\r\n\r\n"
    b"\r\nPOST /d HTTP/1.1\r\nContent-Length: 0\r\n\r\n"
)
RESPONSES = (
    b"HTTP/1.1 100 Continue\r\n\r\n"
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    b"HTTP/1.1 204 No Content\r\n\r\n"
    b"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"
    b"HTTP/1.1 200\r\n\r\nto the end"
)


def read(data: bytes, cuts: list[int], *, is_request: bool) -> list[Message]:
    """The messages in the data, which comes in pieces."""
    found: list[Message] = []
    budget = Budget(2**20)

    def start(line: tuple[str, ...], headers: dict[str, str]) -> tuple[Body, bool]:
        return Body(budget, 2**20, kept=True), is_request or line[1] not in ("204", "304")

    reader = MessageReader(is_request=is_request, start=start, done=found.append)
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    for now_s, (begin, end) in enumerate(pairwise(edges)):
        reader.feed(data[begin:end], float(now_s))
    reader.closed(99.0)
    return found


def bodies(messages: list[Message]) -> list[bytes]:
    return [b"".join(message.body.parts) for message in messages]


@given(st.lists(st.integers(0, 10_000), max_size=12))
def test_requests_are_read_however_they_are_cut(cuts):
    """Lengths, chunks with extensions and trailers, no body, and an empty line before a request."""
    found = read(REQUESTS, cuts, is_request=True)
    assert [message.line[1] for message in found] == ["/a", "/b", "/c", "/d"]
    assert bodies(found) == [b"hello", b"abc0123456789", b"", b""]
    assert found[1].headers["x-one"] == "1, 2"


@given(st.lists(st.integers(0, 10_000), max_size=12))
def test_responses_are_read_however_they_are_cut(cuts):
    """An interim response is none; one without a length lasts until the connection closes."""
    found = read(RESPONSES, cuts, is_request=False)
    assert [message.status for message in found] == [200, 204, 404, 200]
    assert bodies(found) == [b"ok", b"", b"x", b"to the end"]


def test_each_byte_alone_makes_no_difference():
    found = read(REQUESTS, list(range(len(REQUESTS))), is_request=True)
    assert bodies(found) == [b"hello", b"abc0123456789", b"", b""]


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"POST /a HTTP/1.1\r\nno colon\r\n\r\n",
        b"POST /a HTTP/1.1\r\nContent-Length: many\r\n\r\n",
        b"POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1" * 2000,
        b"GET /" + b"a" * 70_000,
        b"POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 40_000,
    ],
)
def test_what_is_no_http_is_said(data):
    with pytest.raises(UnreadableError):
        read(data, [], is_request=True)


def test_a_status_is_three_digits():
    """A request that was answered so is done with: what was kept of it is given back."""
    for status in (b"2x0", b"", b"20", b"2000", b"\xb2\xb2\xb2"):
        with pytest.raises(UnreadableError):
            read(b"HTTP/1.1 " + status + b" OK\r\n\r\n", [], is_request=False)


def test_a_body_beyond_its_bound_keeps_nothing():
    """Nor one for which there is no room beside the others."""
    budget = Budget(10)
    large, small, late = (Body(budget, most, kept=True) for most in (4, 100, 100))
    large.add(memoryview(b"12345"))
    small.add(memoryview(b"123456"))
    late.add(memoryview(b"12345"))
    assert (large.lost, small.lost, late.lost) == ("too_large", "", "overload")
    assert (large.parts, late.parts, budget.used) == ([], [], 6)
    small.release()
    assert budget.used == 0


def test_what_a_body_holds_is_what_it_counts():
    """Neither a view for each byte, nor all of a piece for the few bytes in it that are its own."""
    tiny, large = Body(Budget(2**30), 2**30, kept=True), Body(Budget(2**30), 2**30, kept=True)
    for _ in range(100):
        piece = memoryview(bytes(200_000))
        for at in range(0, 600, 6):
            tiny.add(piece[at : at + 1])
        large.add(piece[1000:])
    assert (tiny.size, large.size) == (10_000, 100 * 199_000)
    assert [type(part) for part in tiny.parts] == [bytearray]
    assert all(isinstance(part, memoryview) for part in large.parts)


def test_what_is_held_stays_right_from_two_threads():
    """One takes while the other gives back: nothing is lost between them."""
    budget = Budget(10**9)

    def churn() -> None:
        for _ in range(20_000):
            assert budget.take(3)
            budget.give(3)

    switch = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [Thread(target=churn) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(switch)
    assert budget.used == 0


@pytest.mark.parametrize(
    "data",
    [
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\nbody",
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 4\r\n\r\nhello",
        b"POST / HTTP/1.1\r\nContent-Length: +4\r\n\r\nbody",
        b"POST / HTTP/1.1\r\nContent-Length: 1_0\r\n\r\n0123456789",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n",
    ],
)
def test_a_size_is_digits_alone(data):
    """One below zero would never be used up, and the reader would turn round for ever."""
    with pytest.raises(UnreadableError):
        read(data, [], is_request=True)
