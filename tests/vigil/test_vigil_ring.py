"""A ring passes on what was committed, in order and once, whatever dies on either side."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from vigil.errors import FormatVersionError, WireError
from vigil.ring import layout
from vigil.ring.identity import Identity
from vigil.ring.memory import Memory
from vigil.ring.reader import Reader
from vigil.ring.writer import Writer
from vigil.types import Harm, Signal, SignalForm, SignalKind

CAPACITY = 64 * 1024
WHO = Identity(model="reader", version="v1", deployment="production", source="here", boot="b0")


def a_ring(**bounds) -> tuple[Writer, Memory]:
    memory = Memory.private(CAPACITY)
    return Writer(memory, **{"max_records": 10**6, "max_bytes": CAPACITY, **bounds}), memory


def write(writer: Writer, text: bytes, n: int = 1) -> bool:
    at = writer.reserve(layout.CALL, layout.SLOT_HEADER + len(text), n)
    if at is None:
        return False
    start = at + layout.SLOT_HEADER
    writer.memory.bytes[start : start + len(text)] = text
    writer.commit(at)
    return True


def read(reader: Reader, length: int, **how) -> bytes | None:
    slot = reader.next(**how)
    if slot is None:
        return None
    start = slot.at + layout.SLOT_HEADER
    return bytes(reader.memory.bytes[start : start + length])


def test_slots_come_out_in_order_over_many_turns_of_the_ring():
    writer, memory = a_ring()
    reader = Reader(memory)
    rng = np.random.default_rng(3)
    for i in range(2000):
        text = (b"%05d" % i) * int(rng.integers(1, 900))
        assert write(writer, text)
        assert read(reader, len(text)) == text
        reader.release(reader.mark)
    assert reader.next() is None
    assert (writer.waiting, writer.drained, dict(writer.lost())) == (0, True, {})


def test_a_full_ring_refuses_whole_calls_and_counts_them():
    writer, memory = a_ring()
    taken = sum(write(writer, bytes(10_000), 7) for _ in range(10))
    assert 0 < taken < 10
    assert writer.lost() == {"queue_full": 7 * (10 - taken)}
    reader = Reader(memory)
    while reader.next() is not None:
        pass
    reader.release(reader.mark)
    assert write(writer, bytes(10_000), 7)
    assert writer.waiting == 7


def test_records_and_single_calls_are_bounded_too():
    writer, _ = a_ring(max_records=10, max_bytes=2000)
    assert [write(writer, b"x", 4) for _ in range(3)] == [True, True, False]
    assert not write(writer, bytes(3000), 1)
    assert writer.lost() == {"queue_full": 5}


def test_an_open_slot_is_waited_for_while_its_writer_lives():
    writer, memory = a_ring()
    first = writer.reserve(layout.CALL, 100, 3)
    write(writer, b"second")
    reader = Reader(memory)
    assert reader.next() is None
    assert first is not None
    writer.commit(first)
    assert reader.next() is not None
    assert read(reader, 6) == b"second"


def test_an_open_slot_of_a_dead_writer_is_passed_over_and_counted():
    writer, memory = a_ring()
    writer.reserve(layout.CALL, 100, 3)
    write(writer, b"second")
    reader = Reader(memory)
    assert read(reader, 6, writer_lives=False) == b"second"
    assert reader.torn == 3
    reader.release(reader.mark)
    assert writer.waiting == 0


def test_an_abandoned_slot_is_nobodys_record():
    writer, memory = a_ring()
    at = writer.reserve(layout.CALL, 100, 3)
    assert at is not None
    writer.abandon(at)
    write(writer, b"next", 2)
    reader = Reader(memory)
    assert read(reader, 4) == b"next"
    reader.release(reader.mark)
    assert (reader.torn, writer.recorded, writer.waiting) == (0, 2, 0)


def test_a_reader_that_starts_anew_finds_what_was_not_released():
    writer, memory = a_ring()
    for word in (b"one", b"two", b"six"):
        write(writer, word)
    first = Reader(memory)
    assert read(first, 3) == b"one"
    first.release(first.mark)
    assert read(first, 3) == b"two"
    far = first.mark.position
    assert read(Reader(memory), 3) == b"two"
    # A journal knows that two was read although the ring was not told.
    again = Reader(memory, far)
    assert read(again, 3) == b"six"
    assert (again.released, writer.waiting) == (far, 1)


def test_a_damaged_slot_ends_in_a_count_and_not_in_a_circle():
    writer, memory = a_ring()
    at = writer.reserve(layout.CALL, 100, 3)
    assert at is not None
    writer.commit(at)
    write(writer, b"lost with it")
    memory.words[(at >> 3) + layout.SIZE] = 8
    reader = Reader(memory)
    assert reader.next() is None
    assert (reader.torn, reader.is_empty) == (1, True)
    write(writer, b"after")
    assert read(reader, 5) == b"after"


def test_threads_fill_slots_side_by_side_and_none_is_torn():
    writer, memory = a_ring()
    reader = Reader(memory)
    found: list[bytes] = []
    sent = threading.Barrier(5)

    def work(who: int) -> None:
        sent.wait()
        for i in range(300):
            text = b"%d:%03d;" % (who, i) * 20
            while not write(writer, text):
                pass

    threads = [threading.Thread(target=work, args=(who,)) for who in range(4)]
    for thread in threads:
        thread.start()
    sent.wait()
    while len(found) < 1200:
        text = read(reader, 120)
        if text is not None:
            found.append(text)
            reader.release(reader.mark)
    for thread in threads:
        thread.join()
    assert all(text == text[:6] * 20 for text in found)
    for who in range(4):
        mine = [text for text in found if text[:1] == b"%d" % who]
        assert mine == sorted(mine)
        assert len(mine) == 300


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        (lambda blob: b"short", WireError),
        (lambda blob: b"XXXXXXXX" + blob[8:], WireError),
        (lambda blob: blob[:8] + b"\x63" + blob[9:], FormatVersionError),
        (lambda blob: blob[:-64], WireError),
        (lambda blob: blob[:1024] + b"]" + blob[1025:], WireError),
    ],
    ids=["short", "foreign", "newer", "cut", "no identity"],
)
def test_a_file_that_is_no_ring_is_refused(tmp_path, spoil, error):
    memory = Memory.create(tmp_path, CAPACITY, WHO)
    path = tmp_path / "b0.ring"
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(error):
        Memory.open(path)
    memory.let_go()


def test_a_ring_says_whose_it_is_and_whether_its_writer_lives(tmp_path):
    odd = Signal(
        name="fog",
        kind=SignalKind.IMAGE,
        form=SignalForm.SCALAR,
        unit="share",
        low=0.0,
        high=1.0,
        harm=Harm.HIGHER,
        tolerance=0.1,
        description="fög",
    )
    who = Identity(
        model="läser",
        version="v1",
        deployment="p",
        source="s",
        boot="b1",
        keys=("a", "b"),
        signals=(odd, "own"),
    )
    mine = Memory.create(tmp_path, CAPACITY, who)
    theirs, found = Memory.open(tmp_path / "b1.ring")
    assert found == who
    assert isinstance(found.signals[0].kind, SignalKind)
    assert theirs.writer_lives
    mine.let_go()
    assert not theirs.writer_lives
    theirs.let_go()


def test_where_stores_may_be_seen_out_of_order_locks_keep_the_order():
    """Intel's machines need nothing; whatever else gets the fence."""
    assert layout.fence_of("x86_64") is layout.nothing
    assert layout.fence_of("aarch64") is layout.two_locks
    layout.two_locks()
