"""A tap that is handed tensors of a device: the same windows, labels and counts."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import Any

import numpy as np
import pytest
import torch
from vigil_records import CLASSES, DIMENSION, a_ruler

from vigil.privacy import Privacy
from vigil.privacy.hashing import is_hashed
from vigil.shipping.transport import MemoryTransport
from vigil.split import SHADOW
from vigil.tap import Tap
from vigil.types import Harm, Signal, SignalForm, SignalKind
from vigil.windows.window import Window

KEYS = ("site", "camera")


def a_tap(transport: MemoryTransport | None = None, **changes: Any) -> Tap:
    given: dict[str, Any] = {
        "transport": transport or MemoryTransport({("reader", "v1"): a_ruler().to_bytes()}),
        "keys": KEYS,
        "device": "force",
        "source": "src",
    }
    return Tap("reader", "v1", **{**given, **changes})


def tensors(n: int, seed: int = 0) -> dict[str, torch.Tensor]:
    made = torch.Generator().manual_seed(seed)
    return {
        "images": torch.rand((n, 3, 20, 20), generator=made).half(),
        "embeddings": torch.randn((n, DIMENSION), generator=made),
        "outputs": torch.softmax(torch.randn((n, CLASSES), generator=made), 1),
    }


def windows_of(tap: Tap, transport: MemoryTransport) -> list[Window]:
    assert tap.flush(20)
    return [Window.from_bytes(blob) for blob in transport.windows.values()]


def test_tensors_make_the_windows_that_arrays_make():
    rulers = {("reader", "v1"): a_ruler().to_bytes()}
    found = []
    for device in ("force", False):
        transport = MemoryTransport(rulers)
        with a_tap(transport, device=device, window_s=3600.0, thumbnails=True) as tap:
            for i in range(8):
                ids = tap.record(
                    **tensors(40, i),
                    metadata={"site": "s1", "camera": [f"c{j % 3}" for j in range(40)]},
                    latency_s=0.02,
                )
                assert len(ids) == 40
            (window,) = (one for one in windows_of(tap, transport) if one.summary.total_records)
            assert dict(tap.dropped) == {}
            assert tap.stats()["recorded"] == 320
            assert tap.stats()["device"].get("taken", 0) == (320 if device else 0)
            found.append(window)
    one, other = found
    assert (one.ruler, one.summary.cells) == (other.ruler, other.summary.cells)
    np.testing.assert_array_equal(one.summary.records, other.summary.records)
    np.testing.assert_array_equal(one.summary.classes, other.summary.classes)
    assert np.abs(one.summary.counts - other.summary.counts).sum() <= 8
    np.testing.assert_array_equal(one.ledger.prediction, other.ledger.prediction)
    np.testing.assert_array_equal(one.ledger.counter, other.ledger.counter)
    # Other boots have other ids, and so other samples of the same size and form.
    assert len(one.sample) == len(other.sample) == 32
    assert one.sample.signal_names == other.sample.signal_names
    assert one.sample.thumbnails.shape == other.sample.thumbnails.shape


def test_labels_find_the_records_that_were_measured_on_a_device():
    transport = MemoryTransport()
    with a_tap(transport) as tap:
        ids = tap.record(**tensors(5))
        assert tap.label(ids, [0, 1, 2, 3, 0]) == 5
        windows = windows_of(tap, transport)
        assert [row["id"] for row in transport.labels] == list(ids)
    assert sum(len(window.ledger) for window in windows) == 5


def test_ids_of_the_callers_own_are_in_the_ledger():
    transport = MemoryTransport()
    with a_tap(transport) as tap:
        tap.record(**tensors(3), ids=["x", "y", "z"])
        (window,) = (one for one in windows_of(tap, transport) if len(one.ledger))
    assert window.ledger.ids == ("x", "y", "z")


def test_a_window_ends_and_is_sent_without_being_asked():
    transport = MemoryTransport()
    with a_tap(transport, window_s=0.2) as tap:
        tap.record(**tensors(7))
        for _ in range(500):
            counts = [
                Window.from_bytes(blob).summary.total_records
                for blob in list(transport.windows.values())
            ]
            if sum(counts) == 7:
                break
            tap._home._wake.wait(0.01)
        assert sum(counts) == 7


def test_numbers_of_the_host_are_counted_beside_those_of_the_device():
    own = Signal(
        name="humidity",
        kind=SignalKind.SERVICE,
        form=SignalForm.SCALAR,
        unit="share",
        low=0.0,
        high=1.0,
        harm=Harm.NEITHER,
        tolerance=0.15,
        description="of the air",
    )
    transport = MemoryTransport()
    with a_tap(transport, signals=[own]) as tap:
        tap.record(**tensors(4), signals={"humidity": [0.1, 0.2, 0.3, float("nan")]}, latency_s=0.5)
        (window,) = (one for one in windows_of(tap, transport) if len(one.ledger))
    names = window.sample.signal_names
    humidity = window.sample.signals[:, names.index("humidity")]
    assert np.sort(humidity[np.isfinite(humidity)]).tolist() == pytest.approx([0.1, 0.2, 0.3])
    assert window.sample.signals[:, names.index("latency_s")].tolist() == [0.5] * 4
    place = window.summary.layout.signals.index("humidity")
    assert window.summary.counts[0, place, -1] == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"embeddings": {"main": torch.ones(4, DIMENSION)}},
        {"detections": {"boxes": np.zeros((0, 4)), "scores": [], "classes": [], "counts": [0] * 4}},
        {"outputs": np.full((4, CLASSES), 0.25, np.float32)},
        {"outputs": torch.ones(4, 1)},
    ],
)
def test_what_a_device_does_not_take_goes_the_hosts_way(changes):
    transport = MemoryTransport()
    with a_tap(transport) as tap:
        tap.record(**{**tensors(4), **changes})
        windows = windows_of(tap, transport)
        assert tap.stats()["device"].get("taken", 0) == 0
        counted = sum(window.summary.total_records for window in windows)
        assert counted + sum(tap.dropped.values()) == 4


@pytest.mark.parametrize("task", ["detection", "multilabel", "segmentation"])
def test_other_tasks_go_the_hosts_way(task):
    with a_tap(task=task) as tap:
        tap.record(images=tensors(4)["images"])
        assert tap.flush(20)
        assert tap.stats()["device"] == {}
        assert dict(tap.dropped) == {}


def test_an_embedding_model_is_measured_on_its_device():
    transport = MemoryTransport()
    given = tensors(6)
    with a_tap(transport, task="embedding", keys=()) as tap:
        tap.record(images=given["images"], embeddings=given["embeddings"])
        (window,) = (one for one in windows_of(tap, transport) if len(one.ledger))
        assert tap.stats()["device"] == {"taken": 6}
    norms = window.sample.signals[:, window.sample.signal_names.index("embedding_norm")]
    order = np.argsort([int(one.rsplit(".", 1)[1]) for one in window.sample.ids])
    np.testing.assert_allclose(norms[order], given["embeddings"].norm(dim=1), rtol=1e-5)


def test_black_and_frozen_frames_are_counted_as_on_the_host():
    counts = []
    for device in ("force", False):
        transport = MemoryTransport()
        images = torch.rand((40, 3, 40, 40), generator=torch.Generator().manual_seed(1))
        images[5:30] = images[5]
        images[33] = 0.0
        with a_tap(transport, device=device, keys=("camera",)) as tap:
            for start in range(0, 40, 8):
                tap.record(images=images[start : start + 8], metadata={"camera": "c1"})
            (window,) = (one for one in windows_of(tap, transport) if len(one.ledger))
            assert tap.stats()["device"].get("taken", 0) == (40 if device else 0)
        counts.append(window.quality.counts)
    assert counts[0] == counts[1]
    assert {kind: sum(cells.values()) for kind, cells in counts[0].items()} == {
        "black_frame": 1,
        "frozen_frame": 18,
        "near_duplicate": 24,
    }


@pytest.mark.parametrize(
    "privacy",
    [
        Privacy(pixels="thumbnails", redact=lambda images, records: images * 0),
        Privacy(consent=("agreed",)),
    ],
)
def test_what_privacy_must_look_at_goes_the_hosts_way(privacy):
    transport = MemoryTransport()
    with a_tap(transport, keys=(), privacy=privacy) as tap:
        tap.record(**tensors(5), metadata={"agreed": False})
        (window,) = (one for one in windows_of(tap, transport) if len(one.ledger))
        assert tap.stats()["device"] == {}
    assert window.sample.thumbnails.max(initial=0) == 0


def test_metadata_that_may_not_leave_does_not():
    transport = MemoryTransport()
    privacy = Privacy(metadata=("site",), hash_metadata=("site",), ids="hash")
    with a_tap(transport, keys=(), privacy=privacy) as tap:
        tap.record(**tensors(5), metadata={"site": "s1", "name": "Ada"}, ids=list("abcde"))
        (window,) = (one for one in windows_of(tap, transport) if len(one.ledger))
        assert tap.stats()["device"] == {"taken": 5}
    assert all(set(row) == {"site"} and row["site"] != "s1" for row in window.sample.metadata)
    assert not set(window.ledger.ids) & set("abcde")


def test_nothing_is_loaded_until_a_tensor_of_a_device_comes():
    program = (
        "import sys, numpy as np\n"
        "from vigil import Tap\n"
        "from vigil.shipping.transport import MemoryTransport\n"
        "tap = Tap('m', 'v', transport=MemoryTransport())\n"
        "tap.record(outputs=np.full((4, 3), 1 / 3, np.float32))\n"
        "assert tap.flush(20)\n"
        "names = [one for one in sys.modules if one.startswith(('torch', 'vigil.device'))]\n"
        "assert names == [], names\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


def test_an_option_that_is_none_is_refused():
    with pytest.raises(ValueError, match="device: expected"):
        a_tap(device="gpu")


def test_threads_that_bring_the_first_tensors_at_once_share_one_way():
    transport = MemoryTransport()
    given = tensors(5)
    together = threading.Barrier(4)

    def call() -> None:
        together.wait()
        tap.record(**given)

    with a_tap(transport) as tap:
        threads = [threading.Thread(target=call) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        windows = windows_of(tap, transport)
    assert sum(window.summary.total_records for window in windows) == 20


def test_what_the_service_asks_for_holds_on_a_device_too():
    """Of calls before its answer came only sums leave; later calls go the host's way."""
    transport = MemoryTransport({("reader", "v1"): a_ruler().to_bytes()})
    with a_tap(transport, window_s=3600.0, thumbnails=True) as tap:
        tap.record(**tensors(40), ids=[f"early{i}" for i in range(40)])
        transport.policy = '{"pixels": "none", "ids": "hash"}'
        tap.record(**tensors(24, 1), ids=[f"later{i}" for i in range(24)])
        windows = windows_of(tap, transport)
    assert sum(one.summary.total_records for one in windows) == 64
    sampled = [name for one in windows for name in one.sample.ids]
    assert len(sampled) == 24
    assert all(map(is_hashed, sampled))
    assert not any(one.sample.has_thumbnails for one in windows)
    assert not any(b"early" in blob or b"later" in blob for blob in transport.windows.values())


def test_a_shadow_on_a_device_samples_the_inputs_that_the_serving_version_samples():
    names = [f"r{i}" for i in range(200)]
    sampled = []
    for prefix in ("", SHADOW):
        transport = MemoryTransport({("reader", "v1"): a_ruler().to_bytes()})
        with a_tap(transport, window_s=3600.0) as tap:
            tap.record(**tensors(200), ids=[prefix + one for one in names])
            windows = windows_of(tap, transport)
        (window,) = [one for one in windows if one.summary.total_records]
        sampled.append(sorted(one.removeprefix(SHADOW) for one in window.sample.ids))
    assert sampled[0] == sampled[1]
