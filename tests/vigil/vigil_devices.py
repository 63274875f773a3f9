"""The same calls through NumPy and through tensors, for the tests of the device path."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from vigil_records import START, a_ruler, arrays

from vigil.device.call import DeviceCall
from vigil.device.path import DevicePath
from vigil.measuring.measure import Measure
from vigil.pipeline.recorder import Recorder
from vigil.windows.ruler import Ruler
from vigil.windows.window import Window

KEYS = ("site", "camera")
TENSORS = ("images", "embeddings", "outputs")


def tensors_of(given: dict[str, Any]) -> dict[str, Any]:
    """The arrays that ``record`` takes apart, as tensors; they leave ``given``."""
    arrays_of = {name: given.pop(name) for name in TENSORS}
    return {name: None if one is None else torch.tensor(one) for name, one in arrays_of.items()}


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
            assert all(i is None or i.device == args[0].device for i in args[1]), (
                "an index from the host is waited for"
            )
        return func(*args, **(kwargs or {}))


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
