"""What no tap sends: a window made to do harm is refused alone, and nothing else is lost."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from threading import Barrier, Thread
from typing import Any

import numpy as np
import pytest
import stored
from sqlalchemy import select

from monitor.ingest.receipts import LabelIn
from monitor.services import Services
from monitor.store import baselines
from monitor.store.tables import ReleaseRow, SourceRow
from vigil.types import ModelRef
from vigil.windows import wire
from vigil.windows.window import Window

Header = dict[str, Any]
WIDE = {"summary.moments": np.int64, "summary.features": np.int64}


@pytest.fixture(autouse=True)
def baseline(services: Services) -> None:
    with services.sessions.begin() as session:
        baselines.add(session, stored.baseline())


def packed(meta: bytes, rest: bytes = b"") -> bytes:
    """A blob with a right checksum around any header."""
    body = zlib.compress(meta + rest, 1)
    prefix = struct.pack("<4sIIQ", wire.MAGIC, zlib.crc32(body), len(meta), len(meta + rest))
    return prefix + body


def forged(window: Window, change: Callable[[Header, Header], None]) -> bytes:
    """The bytes of a window whose header and arrays were changed, text or number."""
    header, found = wire.unpack(window.to_bytes())
    arrays = {name: array.copy() for name, array in found.items()}
    change(header, arrays)
    entries = [[name, a.dtype.str, list(a.shape)] for name, a in arrays.items()]
    meta = json.dumps({"header": header, "arrays": entries}).encode()
    return packed(meta, b"".join(a.tobytes() for a in arrays.values()))


def at(*path: str, value: Any) -> Callable[[Header, Header], None]:
    def change(header: Header, _arrays: Header) -> None:
        place = header
        for name in path[:-1]:
            place = place[name]
        place[path[-1]] = value

    return change


def filled(name: str, value: Any) -> Callable[[Header, Header], None]:
    def change(_header: Header, arrays: Header) -> None:
        arrays[name] = np.full(arrays[name].shape, value, WIDE.get(name, arrays[name].dtype))

    return change


def counted(records: int) -> Callable[[Header, Header], None]:
    """So many records in each cell, all in the first bin."""

    def change(_header: Header, arrays: Header) -> None:
        arrays["summary.records"] = np.full(3, records, np.int64)
        counts = np.zeros(arrays["summary.counts"].shape, np.int64)
        counts[..., 0] = records
        arrays["summary.counts"] = counts

    return change


def wrapped(_header: Header, arrays: Header) -> None:
    """Four counts of 2**62 add up to nothing in 64 bits."""
    counts = np.zeros(arrays["summary.counts"].shape, np.int64)
    counts[..., :4] = 2**62
    counts[..., 4] = arrays["summary.records"][:, None]
    arrays["summary.counts"] = counts


def cell(value: Any) -> Callable[[Header, Header], None]:
    return at("summary", "cells", value=[[value, "north"], ["b", "north"], ["c", "south"]])


def pictures(*shape: int) -> Callable[[Header, Header], None]:
    def change(_header: Header, arrays: Header) -> None:
        n = len(arrays["sample.time_s"])
        arrays["sample.thumbnails"] = np.zeros((n, *shape), np.uint8)

    return change


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (at("source", value="\ud800"), "bad name: source"),
        (at("boot", value="b\ud800"), "bad name: boot"),
        (at("source", value="x" * 2**20), "bad name: source"),
        (at("source", value=5), "malformed: not a window: TypeError('source: expected text"),
        (at("ruler", value=None), "malformed: not a window: TypeError('ruler: expected text"),
        (at("dropped", value={"full": 10**30}), "numbers disagree: a count of dropped"),
        (at("dropped", value={"full": 2**63}), "numbers disagree: a count of dropped"),
        (at("dropped", value={str(i): 1 for i in range(99)}), "numbers disagree: 99 reasons"),
        (at("dropped", value={"a\0b": 1}), "malformed: expected at most"),
        (counted(2**62), "numbers disagree: a count is beyond"),
        (counted(2**28), "numbers disagree: a count is beyond"),
        (wrapped, "numbers disagree: a count is beyond"),
        (filled("summary.moments", 2**40), "numbers disagree: a sum is beyond"),
        (filled("summary.features", -(2**40)), "numbers disagree: a sum is beyond"),
        (cell("a\0b"), "malformed: expected at most 8192 characters without NUL"),
        (cell("x" * 2**20), "malformed: expected at most 8192 characters"),
        (at("sample", "uris", value=["x" * 2**20] * 4), "malformed: expected at most 8192"),
        (filled("sample.time_s", np.nan), "malformed: sample.time_s: expected seconds"),
        (filled("sample.time_s", 1e300), "malformed: sample.time_s: expected seconds"),
        (filled("informative.priority", np.nan), "malformed: informative.priority, weight"),
        (filled("informative.weight", np.inf), "malformed: informative.priority, weight"),
        (pictures(4, 4, 7), "malformed: sample.thumbnails: expected at most 1024 x 1024 pixels"),
        (pictures(4, 0, 1), "malformed: sample.thumbnails: expected at most 1024 x 1024 pixels"),
        (pictures(1, 5000, 1), "malformed: sample.thumbnails: expected at most 1024 x 1024"),
    ],
)
def test_hostile_window_is_refused_and_its_neighbour_is_not(
    services: Services, change: Callable[[Header, Header], None], reason: str
) -> None:
    """The receipt names the reason in text that an answer can carry; the next window is stored."""
    bad, good = services.ingest.windows(
        [forged(stored.window(1), change), stored.window(2).to_bytes()]
    )
    assert (bad.status, good.status) == ("rejected", "accepted")
    assert bad.reason.startswith(reason)
    assert len(bad.reason) <= 500
    json.dumps([bad.source, bad.boot, bad.reason], ensure_ascii=False).encode()


@pytest.mark.parametrize(
    "meta",
    [
        b"[" * 100_000 + b"]" * 100_000,
        b'{"header":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b',"arrays":[]}',
        b'{"header":{"what":"window"},"arrays":[["a","<i8",[0,99999999999999999999999999]]]}',
        b'{"header":{"what":"window"},"arrays":[["a",[],[1]]]}',
        b'{"header":{"what":"window","format":"x"},"arrays":[]}',
        b'{"header":{"what":"window"},"arrays":[]}',
        b"",
    ],
)
def test_hostile_header_is_refused_and_its_neighbour_is_not(
    services: Services, meta: bytes
) -> None:
    """Nesting beyond any stack, shapes beyond any memory, types that are none."""
    bad, good = services.ingest.windows([packed(meta), stored.window(2).to_bytes()])
    assert (bad.status, good.status) == ("rejected", "accepted")
    assert bad.reason.startswith("malformed: ")


def test_window_of_very_many_cells_is_refused(services: Services) -> None:
    """One window must not make a tick judge tens of thousands of slices."""
    many = stored.window(1, cells=[(f"c{i}", "n") for i in range(1025)], records=1)
    (receipt,) = services.ingest.windows([many.to_bytes()])
    assert receipt.reason == "numbers disagree: 1025 cells: expected at most 1024"


def test_few_bytes_that_unpack_to_many_are_refused(services: Services) -> None:
    """Sixty-four mebibytes of one-byte counts would take eight times as much as numbers."""

    def inflate(header: Header, arrays: Header) -> None:
        header["summary"]["layout"]["features"] = 2**21
        arrays["summary.features"] = np.zeros((3, 2**21), np.int8)

    bomb = forged(stored.window(1), inflate)
    assert len(bomb) < 2**16
    (receipt,) = services.ingest.windows([bomb])
    assert receipt.reason.startswith("malformed: not a window: summary: expected 4194304 numbers")


def test_windows_that_are_large_unpacked_are_taken_a_few_at_a_time(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request of many small blobs never unpacks more than fits; the receipts keep their order,
    and a copy that falls into another group still counts once."""
    blobs = [stored.window(i).to_bytes() for i in (1, 2, 3, 2, 4)]
    monkeypatch.setattr(
        "monitor.ingest.ingest._GROUP_BYTES", 2 * max(map(wire.unpacked_size, blobs))
    )
    writes: list[int] = []
    write = services.samples.write

    def counting(part: str, windows: Sequence[Window]) -> bool:
        writes.append(len(windows))
        return write(part, windows)

    monkeypatch.setattr(services.samples, "write", counting)
    receipts = services.ingest.windows([*blobs, b"junk"])
    assert [(one.sequence, one.status) for one in receipts] == [
        (1, "accepted"),
        (2, "accepted"),
        (3, "accepted"),
        (2, "duplicate"),
        (4, "accepted"),
        (-1, "rejected"),
    ]
    assert max(writes) <= 2
    assert sum(writes) == 4


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("model", "a\0b", "model: expected 1 to 200 printable characters"),
        ("model", "m" * 201, "model: expected 1 to 200 printable characters"),
        ("version", "v\n", "version: expected 1 to 200 printable characters"),
        ("deployment", "", "deployment: expected 1 to 200 printable characters"),
        ("metadata", {"camera": "c" * 10**6}, "metadata: expected at most 32 keys"),
        ("metadata", {str(i): "x" for i in range(33)}, "metadata: expected at most 32 keys"),
    ],
)
def test_hostile_label_is_rejected_and_its_neighbour_is_not(
    services: Services, field: str, value: Any, reason: str
) -> None:
    """A label that carries its prediction names a model and version that can be stored."""
    own: dict[str, Any] = {"model": "digits", "version": "v1", field: value}
    bad, good = services.ingest.labels(
        [
            LabelIn(id="a", label=1, prediction=1, confidence=0.5, **own),
            LabelIn(id="b", label=1, prediction=1, model="digits", version="v1", author="x\0y"),
        ]
    )
    assert (bad.status, good.status) == ("rejected", "accepted")
    assert bad.reason.startswith(f"malformed: {reason}")


def test_replicas_that_start_a_version_together_make_one_release(services: Services) -> None:
    """A roll-out starts many replicas in the same moment: each is a source, the release is one."""
    start = Barrier(6)
    answers: list[str] = []

    def replica(number: int) -> None:
        start.wait()
        for place, version in enumerate(("v2", "v3")):
            model = ModelRef(name="digits", version=version)
            sent = stored.window(10 * number + place, source=f"replica-{number % 2}", model=model)
            answers.extend(one.status for one in services.ingest.windows([sent.to_bytes()]))

    threads = [Thread(target=replica, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with services.sessions() as session:
        releases = [row.version for row in session.scalars(select(ReleaseRow))]
        sources = [row.source for row in session.scalars(select(SourceRow))]
    assert len(answers) == 12
    assert sorted(releases) == ["v2", "v3"]
    assert sorted(sources) == ["replica-0", "replica-1"]


def test_a_window_that_comes_late_does_not_bring_a_source_back(services: Services) -> None:
    """After the goodbye of a source, an older window of it does not make it missed."""
    goodbye = replace(stored.window(2, records=0), final=True)
    late = stored.window(1, end=stored.NOON - timedelta(minutes=5))
    for window in (goodbye, late):
        services.ingest.windows([window.to_bytes()])
    with services.sessions() as session:
        assert [row.retired for row in session.scalars(select(SourceRow))] == [True]
