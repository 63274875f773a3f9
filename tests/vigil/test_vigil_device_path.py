"""Records whose tensors stay on their device: windows as the host's way makes them, no waiting."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from vigil_devices import KEYS, Both, assert_same, tensors_of
from vigil_records import CLASSES, START, a_ruler, arrays

from vigil.device import staging
from vigil.device.block import BLOCK_RECORDS
from vigil.device.call import DeviceCall
from vigil.measuring.generic import generic_ruler
from vigil.windows.ruler import Ruler


@pytest.mark.parametrize("thumbnails", [False, True])
@pytest.mark.parametrize("custom", ["", "mine-"])
def test_windows_are_those_of_the_hosts_way(thumbnails, custom):
    both = Both(thumbnails=thumbnails)
    for i in range(30):
        assert both.record(7 + 13 * (i % 4), START + 6 * i, custom=custom) == "taken"
        if i % 4 == 0:
            both.collect(START + 6 * i)
    wanted, found = both.close()
    assert len(wanted) == 3
    for one, other in zip(wanted, found, strict=True):
        assert_same(one, other)


@pytest.mark.parametrize("n", [1, 3, BLOCK_RECORDS, BLOCK_RECORDS + 1, 5 * BLOCK_RECORDS])
def test_calls_of_every_size_are_counted_whole(n):
    both = Both()
    for i in range(3):
        assert both.record(n, START + i) == "taken"
        both.collect(START + i)
    (wanted,), (found,) = both.close()
    assert found.summary.total_records == 3 * n
    assert_same(wanted, found)


def test_classes_alone_and_embeddings_alone_are_counted():
    both = Both(thumbnails=False)
    both.record(9, START, images=None, embeddings=None, outputs=np.arange(9) % CLASSES)
    both.collect(START + 120)
    both.record(9, START + 120, images=None, outputs=None)
    wanted, found = both.close()
    for one, other in zip(wanted, found, strict=True):
        assert_same(one, other)
    assert found[0].summary.classes.sum(0).tolist() == [3, 2, 2, 2, 0]


def test_two_versions_are_two_windows():
    both = Both(a_ruler("v1"), a_ruler("v2", seed=1))
    for i in range(10):
        both.record(11, START + i, version=f"v{1 + i % 2}")
    wanted, found = both.close()
    assert [window.model.version for window in found] == ["v1", "v2"]
    for one, other in zip(wanted, found, strict=True):
        assert_same(one, other)


def test_a_ruler_that_arrives_later_measures_the_next_window():
    """Until then the generic one does, as it does on the host's way."""
    both = Both(generic_ruler("reader", "v1", KEYS, CLASSES))
    both.record(20, START)
    both.collect(START + 1)
    both.use(a_ruler())
    both.record(20, START + 30)
    both.collect(START + 61)
    both.record(20, START + 70)
    wanted, found = both.close()
    generic = generic_ruler("reader", "v1", KEYS, CLASSES).id
    # On the device the window opens when its block is measured, here after the ruler came.
    assert [window.ruler for window in found][-1] == a_ruler().id
    assert generic in {window.ruler for window in wanted}
    assert sum(window.summary.total_records for window in found) == 60
    assert_same(wanted[-1], found[-1])


def test_what_the_host_measured_of_the_same_window_is_added():
    """A window may hold calls of both kinds: their cells, samples and ledgers are joined."""
    both = Both()
    both.record(50, START)
    both.record(50, START + 1)
    twice = Both()
    twice.record(50, START)
    twice.found, first = [], twice.path
    batch = twice._measure.batch(
        ids=[f"src.boot.{50 + i}" for i in range(50)],
        counter=np.arange(50, 100, dtype=np.uint64),
        batch_size=50,
        custom_ids=False,
        time_s=START + 1,
        version="v1",
        metadata=[
            {"site": f"s{rng.integers(2)}", "camera": f"c{rng.integers(3)}"}
            for rng in [np.random.default_rng(50)]
            for _ in range(50)
        ],
        **arrays(50, 50),
    )
    twice.device.add(batch)
    assert first is twice.path
    (wanted,), _ = both.close()
    _, (found,) = twice.close()
    order = np.argsort(found.ledger.counter)
    ledger = replace(
        found.ledger,
        **{
            name: getattr(found.ledger, name)[order]
            for name in ("counter", "cell", "prediction", "confidence")
        },
    )
    assert_same(wanted, replace(found, ledger=ledger))


def test_another_ruler_than_the_open_windows_makes_a_window_of_its_own():
    recorder = Both().device
    parts = []
    for ruler in (a_ruler(), a_ruler(seed=3)):
        both = Both(ruler)
        both.record(10, START)
        ((_, _, part),) = both.path.collect(
            START, ruler_of=both.device.ruler_at, drop=both.device.drop, everything=True
        )
        parts.append(part)
    assert recorder.add_summary("v1", START, parts[0]) == []
    (first,) = recorder.add_summary("v1", START, parts[1])
    (second,) = recorder.close()
    assert [first.ruler, second.ruler] == [a_ruler().id, a_ruler(seed=3).id]
    assert first.summary.total_records == second.summary.total_records == 10


def test_what_comes_an_hour_late_is_dropped_and_counted():
    both = Both()
    both.record(10, START)
    ((version, time_s, part),) = both.path.collect(
        START, ruler_of=both.device.ruler_at, drop=both.device.drop, everything=True
    )
    both.device.seal(START + 7200)
    assert both.device.add_summary(version, time_s, part) == []
    assert both.device.dropped_total == {"late": 10}


def test_a_collector_that_is_behind_costs_records_and_never_waits():
    both = Both()
    answers = Counter(both.record(BLOCK_RECORDS, START) for _ in range(staging.BLOCKS + 2))
    assert answers == {"taken": staging.BLOCKS, "queue_full": 2}
    both.collect(START + 1)
    assert both.record(BLOCK_RECORDS, START + 2) == "taken"
    _, (found,) = both.close()
    assert found.summary.total_records == (staging.BLOCKS + 1) * BLOCK_RECORDS


def test_shapes_beyond_the_bound_of_memory_go_the_hosts_way():
    store = staging.Staging(host_too=True, max_bytes=4 * BLOCK_RECORDS * 100)
    lane = store.lane_of(torch.device("cpu"))
    call = DeviceCall(
        ids=["a"], first=0, custom_ids=False, time_s=START, version="v1", arguments={}
    )

    def put(width: int) -> str:
        return store.put(call, {"outputs": torch.ones(1, width)}, lane)

    assert put(60) == "taken"
    assert put(60) == "taken"
    assert put(70) == "no_room"
    assert put(40) == "taken"
    for block in store.take(lambda call: True):
        store.give_back(block)
    assert put(70) == "taken", "blocks that nobody fills make room"


def test_a_call_with_bad_metadata_costs_only_itself():
    both = Both()
    both.record(5, START)
    call = DeviceCall(
        ids=[f"bad{i}" for i in range(5)],
        first=5,
        custom_ids=False,
        time_s=START,
        version="v1",
        arguments={"metadata": [{}, {}], "latency_s": 0.01},
    )
    given = arrays(5)
    both.path.record(call, tensors_of(given))
    both._next += 5
    both.record(5, START)
    (wanted,), (found,) = both.close()
    assert found.summary.total_records == wanted.summary.total_records == 10
    assert found.dropped == {"bad_shape": 5}
    assert_same(wanted, replace(found, dropped={}))


def test_an_error_while_measuring_ends_as_a_count():
    both = Both()
    both.record(20, START)

    def broken(version: str, time_s: float) -> Ruler:
        raise RuntimeError("no ruler today")

    drops: Counter[str] = Counter()
    parts = both.path.collect(
        START, ruler_of=broken, drop=lambda reason, n: drops.update({reason: n}), everything=True
    )
    assert parts == []
    assert drops == {"error": 20}
    assert "no ruler today" in both.path.problem
    assert both.record(20, START) == "taken"


def test_the_callers_buffers_may_be_used_again_at_once():
    both = Both(thumbnails=False)
    outputs = torch.full((4, CLASSES), 0.1)
    outputs[:, 2] = 0.7
    call = DeviceCall(
        ids=list("abcd"), first=0, custom_ids=True, time_s=START, version="v1", arguments={}
    )
    assert both.path.record(call, {"outputs": outputs}) == "taken"
    outputs.fill_(float("nan"))
    _, (found,) = both.close()
    assert found.ledger.prediction.tolist() == [2, 2, 2, 2]
    np.testing.assert_allclose(found.ledger.confidence, 0.7, rtol=1e-6)


@pytest.mark.parametrize("inside", [torch.inference_mode, torch.no_grad, torch.enable_grad])
def test_it_does_not_matter_whether_gradients_are_on(inside):
    """Blocks that were made in one mode are written and read in any other."""
    both = Both(thumbnails=False)
    for mode in (inside, torch.enable_grad, torch.inference_mode):
        with mode():
            logits = torch.ones(3, CLASSES, requires_grad=mode is torch.enable_grad) / CLASSES
            call = DeviceCall(
                ids=["a", "b", "c"],
                first=0,
                custom_ids=False,
                time_s=START,
                version="v1",
                arguments={},
            )
            assert both.path.record(call, {"outputs": logits}) == "taken"
    _, (found,) = both.close()
    assert found.summary.total_records == 9


def test_calls_from_several_threads_are_counted_each_once():
    both = Both(thumbnails=False)
    given = arrays(4)
    tensors = tensors_of(given)

    def calls(start: int) -> None:
        for i in range(50):
            first = start + 4 * i
            both.path.record(
                DeviceCall(
                    ids=[str(first + j) for j in range(4)],
                    first=first,
                    custom_ids=True,
                    time_s=START,
                    version="v1",
                    arguments={},
                ),
                tensors,
            )

    threads = [threading.Thread(target=calls, args=(1000 * i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    _, (found,) = both.close()
    assert both.path.counts == {"taken": 800}
    assert found.summary.total_records == 800
    assert len(set(found.ledger.ids)) == 800
