"""Records whose tensors stay on their device: windows as the host's way makes them, no waiting."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from vigil_records import CLASSES, DIMENSION, START, a_ruler, arrays

from vigil.catalogue import SCALAR_NAMES
from vigil.device import staging
from vigil.device.block import BLOCK_RECORDS
from vigil.device.call import DeviceCall
from vigil.device.lane import CudaLane, HostLane
from vigil.device.path import DevicePath
from vigil.generic import generic_ruler
from vigil.measure import Measure
from vigil.part import Part
from vigil.recorder import Recorder
from vigil.ruler import Ruler
from vigil.window import Window

KEYS = ("site", "camera")
TENSORS = ("images", "embeddings", "outputs")


def tensors_of(given: dict[str, Any]) -> dict[str, Any]:
    """The arrays that ``record`` takes apart, as tensors; they leave ``given``."""
    arrays_of = {name: given.pop(name) for name in TENSORS}
    return {name: None if one is None else torch.tensor(one) for name, one in arrays_of.items()}


class Both:
    """The same calls through NumPy and through tensors; ``windows`` of each."""

    def __init__(self, *rulers: Ruler, thumbnails: bool = True, sample_size: int = 8) -> None:
        self._rulers = {ruler.model.version: ruler for ruler in rulers or (a_ruler(),)}
        self.numpy, self.device = (
            Recorder(
                model="reader",
                deployment="production",
                source="src",
                boot="boot",
                keys=KEYS,
                window_s=60.0,
                rulers=lambda version: self._rulers[version],
                keep_thumbnails=thumbnails,
                sample_size=sample_size,
                informative_size=sample_size // 2,
            )
            for _ in range(2)
        )
        self._measure = Measure(thumbnails=thumbnails)
        self.path = DevicePath(
            window_s=60.0,
            measure=Measure().batch,
            host_too=True,
            thumbnails=thumbnails,
            sizes=(sample_size, sample_size // 2),
        )
        self.wanted: list[Window] = []
        self.found: list[Window] = []
        self._next = 0

    def use(self, ruler: Ruler) -> None:
        self._rulers[ruler.model.version] = ruler

    def record(
        self, n: int, time_s: float, *, version: str = "v1", custom: str = "", **changes: Any
    ) -> str:
        first, self._next = self._next, self._next + n
        rng = np.random.default_rng(first)
        given = {
            "metadata": [
                {"site": f"s{rng.integers(2)}", "camera": f"c{rng.integers(3)}"} for _ in range(n)
            ],
            **arrays(n, first),
            **changes,
        }
        prefix = custom or "src.boot."
        call = {
            "ids": [f"{prefix}{first + i}" for i in range(n)],
            "custom_ids": bool(custom),
            "time_s": time_s,
            "version": version,
        }
        counter = np.arange(first, first + n, dtype=np.uint64)
        self.wanted += self.numpy.add(
            self._measure.batch(**call, counter=counter, batch_size=n, **given)
        )
        tensors = tensors_of(given)
        return self.path.record(DeviceCall(**call, first=first, arguments=given), tensors)

    def collect(self, now_s: float, *, everything: bool = False) -> None:
        for version, time_s, part in self.path.collect(
            now_s,
            ruler_of=self.device.ruler_at,
            drop=self.device.drop,
            everything=everything,
        ):
            self.found += self.device.add_summary(version, time_s, part)
        for recorder, windows in ((self.numpy, self.wanted), (self.device, self.found)):
            windows += recorder.close() if everything else recorder.seal(now_s)

    def close(self) -> tuple[list[Window], list[Window]]:
        self.collect(START + 10_000, everything=True)
        wanted, found = (
            sorted(windows, key=lambda one: (one.start, one.model.version))
            for windows in (self.wanted, self.found)
        )
        return wanted, found


def assert_same(wanted: Window, found: Window) -> None:
    assert (wanted.start, wanted.model, wanted.ruler) == (found.start, found.model, found.ruler)
    cells = [wanted.summary.cells.index(cell) for cell in found.summary.cells]
    assert len(wanted.summary.cells) == len(cells)
    for name in ("records", "classes", "embedded"):
        np.testing.assert_array_equal(
            getattr(wanted.summary, name)[cells], getattr(found.summary, name)
        )
    # A signal a rounding away may fall on the other side of an edge.
    assert np.abs(wanted.summary.counts[cells] - found.summary.counts).sum() <= 4
    n = max(1, wanted.summary.total_records)
    assert np.abs(wanted.summary.features[cells] - found.summary.features).max(initial=0) <= n
    np.testing.assert_allclose(
        wanted.summary.moments[cells], found.summary.moments, rtol=1e-4, atol=4096 * n**0.5
    )
    for one, other in ((wanted.sample, found.sample), (wanted.informative, found.informative)):
        assert one.ids == other.ids
        assert (one.metadata, one.versions) == (other.metadata, other.versions)
        np.testing.assert_array_equal(one.time_s, other.time_s)
        np.testing.assert_array_equal(one.thumbnails, other.thumbnails)
        for name in ("signals", "probabilities", "embedding", "priority", "threshold"):
            np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=2e-3)
    ledger = wanted.ledger
    assert ledger.ids == found.ledger.ids
    np.testing.assert_array_equal(ledger.counter, found.ledger.counter)
    np.testing.assert_array_equal(ledger.prediction, found.ledger.prediction)
    np.testing.assert_allclose(ledger.confidence, found.ledger.confidence, rtol=1e-6)
    names = [wanted.summary.cells[i] for i in ledger.cell]
    assert names == [found.summary.cells[i] for i in found.ledger.cell]


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


class NoWaiting(TorchDispatchMode):
    """Refuses what would make the host wait for a GPU: reading a value, a result whose size
    depends on values, and copies to the host other than into the memory that the lane gave."""

    DEPENDENT = (
        "_local_scalar_dense",
        "item",
        "nonzero",
        "masked_select",
        "unique",
        "bincount",
        "is_nonzero",
        "equal",
        "_unique2",
        "unique_consecutive",
        "unique_dim",
        "repeat_interleave",
        "histc",
        "_to_cpu",
    )

    def __init__(self) -> None:
        super().__init__()
        self.ops: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        self.ops[name] += 1
        if name in self.DEPENDENT:
            raise AssertionError(f"{name} waits for the device")
        if name in ("index", "index_put", "index_put_"):
            assert all(i is None or i.dtype != torch.bool for i in args[1]), (
                "a mask has no fixed size"
            )
        return func(*args, **(kwargs or {}))


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
        with pytest.raises((RuntimeError, NotImplementedError)):
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
