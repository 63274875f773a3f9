"""HTTP/2 as it is read from the bytes that pass."""

from __future__ import annotations

import struct
from itertools import pairwise
from typing import Any

import pytest
from hpack import Encoder
from hypothesis import given
from hypothesis import strategies as st

from monitor.proxy.http1 import UnreadableError
from monitor.proxy.http2 import PREFACE, FrameReader


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    head = struct.pack(">BHBBI", len(payload) >> 16, len(payload) & 0xFFFF, kind, flags, stream)
    return head + payload


class Told:
    """Everything that the reader tells, bodies put together."""

    def __init__(self) -> None:
        self.headers_of: dict[int, dict[str, str]] = {}
        self.bodies: dict[int, bytes] = {}
        self.ended: list[int] = []
        self.resets: list[int] = []

    def headers(self, stream: int, headers: dict[str, str], *, ends: bool) -> None:
        self.headers_of.setdefault(stream, {}).update(headers)
        self.ended += [stream] * ends

    def data(self, stream: int, part: Any, *, ends: bool) -> None:
        self.bodies[stream] = self.bodies.get(stream, b"") + bytes(part)
        self.ended += [stream] * ends

    def reset(self, stream: int) -> None:
        self.resets.append(stream)


def conversation() -> bytes:
    encoder = Encoder()
    first = encoder.encode([(":path", "/a"), ("x-long", "v" * 300), ("grpc-timeout", "1S")])
    second = encoder.encode([(":path", "/b"), ("x-long", "v" * 300)])
    padded = b"\x05" + b"half" + b"\0" * 5
    return b"".join(
        [
            PREFACE,
            frame(4, 0, 0, b"\0\x01\0\0\x10\0"),
            # Headers with a priority, in two frames; another stream's data can't come between.
            frame(1, 0x20, 1, b"\0\0\0\0\x10" + first[:20]),
            frame(9, 0x4, 1, first[20:]),
            frame(0, 0, 1, b"one "),
            frame(1, 0x4, 3, second),
            frame(0, 0x8, 3, padded),
            frame(0, 0x1, 1, b"two"),
            frame(8, 0, 0, b"\0\0\x10\0"),
            frame(3, 0, 3, b"\0\0\0\x08"),
            frame(1, 0x5, 5, encoder.encode([(":path", "/c")])),
            frame(0, 0x1, 7, b""),
        ]
    )


@given(st.lists(st.integers(0, 10_000), max_size=10))
def test_streams_are_read_however_they_are_cut(cuts):
    """Headers over several frames, priorities, padding, interleaved streams, an empty last frame;
    headers that refer to earlier ones."""
    data, told = conversation(), Told()
    reader = FrameReader(told, from_client=True)
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    for begin, end in pairwise(edges):
        reader.feed(data[begin:end])
    assert {k: v[":path"] for k, v in told.headers_of.items()} == {1: "/a", 3: "/b", 5: "/c"}
    assert told.headers_of[3]["x-long"] == "v" * 300
    assert told.bodies == {1: b"one two", 3: b"half", 7: b""}
    assert (told.ended, told.resets) == ([1, 5, 7], [3])


@pytest.mark.parametrize(
    "data",
    [
        frame(1, 0x4, 1, b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
        frame(0, 0x8, 1, b"\x09ab"),
    ],
)
def test_what_is_no_http2_is_said(data):
    with pytest.raises(UnreadableError):
        FrameReader(Told(), from_client=False).feed(data)


def headers_of(*pairs: tuple[str, str]) -> bytes:
    return Encoder().encode(list(pairs))


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "another protocol"),
        (PREFACE + frame(9, 0x4, 1, headers_of((":path", "/a"))), "never began"),
        (PREFACE + frame(5, 0x4, 1, b"\0\0\0\2"), "to no request"),
        (PREFACE + frame(0, 0x8, 1, b""), "padding that is not there"),
        (PREFACE + frame(0, 0x8, 1, b"\x05four"), "more padding than frame"),
        (PREFACE + frame(1, 0x4, 1, bytes(70_000)), "headers of more than 64 KiB"),
        (PREFACE + frame(1, 0x4, 1, headers_of(("a", "b" * 5000)) + b"\xbe" * 60), "headers"),
        (PREFACE + frame(0, 0, 1, b"") * 20_000, "too many small frames"),
    ],
)
def test_what_is_no_call_is_read_no_further(data, why):
    """Whatever a server makes of it: nothing is gathered, and nobody waits for the reading."""
    with pytest.raises(UnreadableError, match=why):
        FrameReader(Told(), from_client=True).feed(data)


def test_frames_that_say_nothing_of_calls_are_not_gathered():
    """Sixteen megabytes of a kind that nobody knows, in pieces; then a call."""
    told = Told()
    reader = FrameReader(told, from_client=True)
    reader.feed(PREFACE + struct.pack(">BHBBI", 0xFF, 0xFFFF, 0x77, 0, 0))
    piece = bytes(2**20)
    for _ in range(15):
        reader.feed(piece)
    reader.feed(piece[:-1] + frame(1, 0x5, 1, headers_of((":path", "/a"))))
    assert (told.headers_of, told.ended) == ({1: {":path": "/a"}}, [1])


@given(st.lists(st.integers(0, 60), max_size=8))
def test_padding_is_left_out_however_it_is_cut(cuts):
    told = Told()
    reader = FrameReader(told, from_client=False)
    data = frame(0, 0x8, 1, b"\x00abc") + frame(0, 0x9, 1, b"\x09defghi" + bytes(9))
    data += frame(0, 0x8, 3, b"\x07" + bytes(7))
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    for begin, end in pairwise(edges):
        reader.feed(data[begin:end])
    assert (told.bodies, told.ended) == ({1: b"abcdefghi"}, [1])
