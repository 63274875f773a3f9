"""Nothing waits for a device, and one that fails costs no more than what it held."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from vigil_devices import Both, NoWaiting, assert_same, tensors_of
from vigil_records import CLASSES, DIMENSION, START, arrays

from vigil.catalogue import SCALAR_NAMES
from vigil.device.block import BLOCK_RECORDS
from vigil.device.call import DeviceCall
from vigil.device.lane import CudaLane, HostLane
from vigil.windows.part import Part


def test_nothing_between_windows_would_wait_for_a_device():
    both = Both()
    with NoWaiting() as seen:
        for i in range(6):
            both.record(100, START + i)
            both.collect(START + i)
    (wanted,), (found,) = both.close()
    assert_same(wanted, found)
    assert seen.ops["scatter_add_"] == 2


def test_the_guard_refuses_what_waits():
    """A test must be able to fail."""
    values = torch.arange(4.0)
    for waits in (values.sum().item, values.nonzero, lambda: values[values > 1], values.unique):
        with pytest.raises(AssertionError, match=r"waits|mask"), NoWaiting():
            waits()


class MetaLane(HostLane):
    """A device whose tensors have no values: reading one, a size that depends on values, and
    mixing with tensors of the host are errors of torch itself."""

    def __init__(self) -> None:
        super().__init__(torch.device("meta"))
        self.downloads: list[int] = []

    def constant(self, values: np.ndarray) -> Any:
        return torch.tensor(values).to("meta")

    def download(self, here: Any, there: Any) -> None:
        assert there.device.type == "meta"
        assert here.shape == there.shape
        assert here.dtype == there.dtype
        self.downloads.append(here.nbytes)


@pytest.fixture
def on_meta() -> tuple[Both, MetaLane]:
    both = Both()
    lane = MetaLane()
    both.path._staging._lanes[torch.device("meta")] = lane
    return both, lane


def test_nothing_reads_a_value_of_the_device_but_one_copy_a_block_and_one_a_window(on_meta):
    """The same code on tensors that can't be read: what comes to the host is what the lane was
    asked for, small, and nothing else."""
    both, lane = on_meta
    for i in range(4):
        n, first = BLOCK_RECORDS // 2, i * BLOCK_RECORDS
        tensors = {
            "images": torch.empty((n, 3, 224, 224), dtype=torch.float16, device="meta"),
            "embeddings": torch.empty((n, DIMENSION), dtype=torch.bfloat16, device="meta"),
            "outputs": torch.empty((n, 1000), dtype=torch.float16, device="meta"),
        }
        call = DeviceCall(
            ids=[str(first + j) for j in range(n)],
            first=first,
            custom_ids=False,
            time_s=START,
            version="v1",
            arguments={"latency_s": 0.01},
        )
        assert both.path.record(call, tensors) == "taken"
    collected = both.path.collect(
        START, ruler_of=both.device.ruler_at, drop=both.device.drop, everything=True
    )
    assert both.path.problem == ""
    ((_, _, part),) = collected
    assert isinstance(part, Part)
    assert len(part.ledger) == 4 * (BLOCK_RECORDS // 2)
    assert len(lane.downloads) == 3
    *blocks, window = lane.downloads
    assert window == 8 * (2 + 2 * len(SCALAR_NAMES) + 16 + 9 * len(SCALAR_NAMES) + CLASSES + 1)
    # 14 candidates with 1000 probabilities, an embedding and a thumbnail, and the ledger.
    assert max(blocks) < 200_000


def test_the_unreadable_device_refuses_what_waits():
    values = torch.ones(3, device="meta")
    for waits in (values.sum().item, values.nonzero, values.cpu, lambda: values + torch.ones(3)):
        with pytest.raises(RuntimeError):
            waits()


NO_GPU = "no GPU here: run where there is one"


@pytest.mark.skipif(not torch.cuda.is_available(), reason=NO_GPU)
def test_on_a_gpu_nothing_waits_and_the_windows_are_those_of_numpy():
    """The proof on the real thing: CUDA's own check for synchronising calls."""
    both = Both()
    torch.zeros(1, device="cuda")
    for i in range(3):
        n, first = 100, 100 * i
        given = arrays(n, first)
        metadata = {"site": "s1", "camera": "c1"}
        call: dict[str, Any] = {
            "ids": [f"src.boot.{first + j}" for j in range(n)],
            "custom_ids": False,
            "time_s": START + i,
            "version": "v1",
        }
        counter = np.arange(first, first + n, dtype=np.uint64)
        both.wanted += both.numpy.add(
            both._measure.batch(**call, counter=counter, batch_size=n, metadata=metadata, **given)
        )
        tensors = {name: one.cuda() for name, one in tensors_of(given).items()}
        torch.cuda.set_sync_debug_mode("error")
        try:
            both.path.record(
                DeviceCall(**call, first=first, arguments={"metadata": metadata, **given}), tensors
            )
            both.collect(START + i)
        finally:
            torch.cuda.set_sync_debug_mode("default")
    (wanted,), (found,) = both.close()
    assert both.path.problem == ""
    assert_same(wanted, found)


@pytest.mark.skipif(not torch.cuda.is_available(), reason=NO_GPU)
def test_on_a_gpu_the_recording_of_a_cuda_graph_is_left_alone():
    both = Both(thumbnails=False)
    outputs = torch.full((4, CLASSES), 0.25, device="cuda")
    call = DeviceCall(
        ids=list("abcd"), first=0, custom_ids=False, time_s=START, version="v1", arguments={}
    )
    graph, answers = torch.cuda.CUDAGraph(), []
    with torch.cuda.graph(graph):
        outputs.add_(0.0)
        answers.append(both.path.record(call, {"outputs": outputs}))
    assert answers == ["capturing"]
    graph.replay()
    assert both.path.record(call, {"outputs": outputs}) == "taken"


class Capturing(CudaLane):
    """A lane whose caller records a CUDA graph."""

    def is_capturing(self) -> bool:
        return True


def test_a_call_while_a_cuda_graph_is_recorded_is_skipped_and_said_so():
    both = Both()
    both.path._staging._lanes[torch.device("cpu")] = Capturing(torch.device("cpu"))
    assert both.record(5, START) == "capturing"
    assert both.path.counts == {"capturing": 5}


class Broken(HostLane):
    """A device that fails in one call and is well again in the next."""

    def __init__(self, call: str) -> None:
        super().__init__(torch.device("cpu"))
        self._left = {call: 1}

    def _fail(self, call: str) -> None:
        if self._left.pop(call, 0):
            raise RuntimeError(f"{call}: the device fell off the bus")

    def download(self, here: Any, there: Any) -> None:
        self._fail("window" if here.dtype == torch.int64 else "block")
        super().download(here, there)

    def wait(self, event: Any, limit_s: float) -> bool:
        self._fail("wait")
        return super().wait(event, limit_s)


@pytest.mark.parametrize("call", ["block", "wait", "window"])
def test_a_device_that_fails_costs_what_it_held_and_is_used_again(call):
    both = Both()
    both.path._staging._lanes[torch.device("cpu")] = Broken(call)
    drops: Counter[str] = Counter()

    def collected(time_s: float) -> list[Part]:
        found = both.path.collect(
            time_s,
            ruler_of=both.device.ruler_at,
            drop=lambda reason, n: drops.update({reason: n}),
            everything=True,
        )
        return [part for _, _, part in found]

    both.record(30, START)
    assert collected(START) == []
    assert drops == {"error": 30}
    assert "fell off the bus" in both.path.problem
    both.record(20, START + 60)
    assert [len(part.ids) for part in collected(START + 60)] == [20]


def test_what_is_not_back_in_time_comes_with_the_next_collect():
    class Slow(HostLane):
        ready = False

        def wait(self, event: Any, limit_s: float) -> bool:
            return self.ready

    both = Both()
    slow = Slow(torch.device("cpu"))
    both.path._staging._lanes[torch.device("cpu")] = slow
    both.record(30, START)
    both.collect(START + 120)
    assert both.found == []
    slow.ready = True
    both.collect(START + 121)
    _, found = both.close()
    assert sum(window.summary.total_records for window in found) == 30
