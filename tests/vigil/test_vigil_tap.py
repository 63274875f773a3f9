"""The tap never raises into its caller and never makes it wait; what it drops is counted."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from vigil_records import CLASSES, DIMENSION, a_ruler, arrays
from vigil_service import answers, loses_the_reply

from vigil import Tap
from vigil.clock import ManualClock
from vigil.errors import TransportError
from vigil.shipping.transport import MemoryTransport
from vigil.windows.window import Window

ROOT = Path(__file__).resolve().parents[2]
START = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
def transport() -> MemoryTransport:
    return MemoryTransport({("reader", "v1"): a_ruler().to_bytes()})


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def tap(transport, clock):
    with Tap("reader", "v1", transport=transport, clock=clock, keys=("site", "camera")) as one:
        yield one


def arrived(transport) -> list[Window]:
    return [Window.from_bytes(blob) for blob in transport.windows.values()]


def total(transport) -> int:
    return sum(window.summary.total_records for window in arrived(transport))


def test_a_batch_becomes_a_window_and_its_label_follows(tap, transport):
    ids = tap.record(**arrays(5), metadata={"site": "a", "camera": "b"})
    assert ids == [f"{tap.source}.{tap.boot}.{i}" for i in range(5)]
    assert tap.label(ids[:2], [1, 0]) == 2
    assert tap.flush()
    (window,) = arrived(transport)
    assert window.summary.cells == (("a", "b"),)
    assert (window.summary.total_records, window.ruler) == (5, a_ruler().id)
    assert transport.labels == [{"id": ids[0], "label": 1}, {"id": ids[1], "label": 0}]
    assert tap.dropped == {}


def test_the_callers_arrays_are_copied(tap, transport):
    """An inference loop reuses its buffers; what was recorded stays as it was."""
    given = arrays(4)
    outputs = given["outputs"]
    expected = outputs.argmax(axis=1).tolist()
    tap.record(**given)
    outputs[:] = outputs[:, ::-1].copy()
    assert tap.flush()
    assert arrived(transport)[0].ledger.prediction.tolist() == expected


def test_torch_tensors_are_read_as_they_were(tap, transport):
    torch = pytest.importorskip("torch")
    embedding = torch.ones(3, DIMENSION, dtype=torch.bfloat16, requires_grad=True)
    outputs = torch.softmax(torch.zeros(3, CLASSES), dim=1)
    tap.record(embeddings=embedding, outputs=outputs, images=torch.zeros(3, 3, 8, 8))
    outputs.fill_(float("nan"))
    assert tap.flush()
    (window,) = arrived(transport)
    assert int(window.summary.embedded.sum()) == 3
    assert window.ledger.prediction.tolist() == [0, 0, 0]


GARBAGE = {
    "nothing at all": {},
    "a word": {"outputs": "words"},
    "wrong dimensions": {"outputs": np.zeros((2, 2, 2))},
    "lengths that differ": {"outputs": np.full((2, 2), 0.5), "embeddings": np.zeros((3, 4))},
    "ragged rows": {"embeddings": [[1.0], [1.0, 2.0]]},
    "objects": {"images": [object(), object()]},
    "no metadata": {"outputs": np.full((2, 2), 0.5), "metadata": 7},
    "metadata of another length": {"outputs": np.full((2, 2), 0.5), "metadata": [{}]},
    "ids of another length": {"outputs": np.full((2, 2), 0.5), "ids": ["one"]},
    "ids that are a number": {"outputs": np.full((2, 2), 0.5), "ids": 5},
    "latency of another length": {"outputs": np.full((2, 2), 0.5), "latency_s": [1.0]},
    "no dimensions": {"outputs": np.float32(3.0)},
}


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE)
def test_garbage_is_counted_and_the_next_batch_is_recorded(tap, transport, garbage):
    assert isinstance(tap.record(**garbage), Sequence)
    tap.record(**arrays(3))
    assert tap.flush()
    assert total(transport) == 3
    assert sum(tap.dropped.values()) >= 1
    assert set(tap.dropped) <= {"bad_shape", "error"}
    reported = sum(sum(window.dropped.values()) for window in arrived(transport))
    assert reported == sum(tap.dropped.values())


def test_values_that_are_not_finite_are_recorded_as_missing(tap, transport):
    tap.record(
        embeddings=np.full((2, DIMENSION), np.nan),
        outputs=np.full((2, CLASSES), np.inf),
        images=np.full((2, 8, 8), np.nan),
        latency_s=float("nan"),
    )
    assert tap.flush()
    (window,) = arrived(transport)
    assert window.summary.counts[:, :, -1].sum() == 2 * len(window.summary.layout.signals)
    assert tap.dropped == {}


def test_calls_measured_together_are_recorded_as_if_alone(transport, clock):
    """Small calls are joined behind the tap; one that does not fit costs the others nothing."""
    tap = Tap("reader", "v1", transport=transport, clock=clock, keys=("site", "camera"))
    with tap._home.collecting:
        expected = []
        for i in range(6):
            given = arrays(2, seed=i)
            expected += given["outputs"].argmax(axis=1).tolist()
            tap.record(**given, metadata={"site": f"s{i % 2}", "camera": ["a", "b"]})
            tap.record(**given, metadata={"site": ["one too few"]}, uris=["a"])
            clock.advance(0.5)
        tap.record(**arrays(2), metadata={"site": ["one too few"]})
    assert tap.flush()
    (window,) = [w for w in arrived(transport) if w.summary.total_records]
    assert window.ledger.prediction.tolist() == expected
    assert sorted(window.summary.cells) == [("s0", "a"), ("s0", "b"), ("s1", "a"), ("s1", "b")]
    assert len(set(window.sample.time_s.tolist())) == 6
    assert sum(tap.dropped.values()) == 14
    tap.close()


def test_joined_calls_that_fail_together_are_measured_one_by_one(transport, clock):
    tap = Tap("reader", "v1", transport=transport, clock=clock)
    with tap._home.collecting:
        tap.record(**arrays(2))
        tap.record(**arrays(3), metadata={"site": ["one too few"]})
        tap.record(**arrays(4))
    assert tap.flush()
    assert total(transport) == 6
    assert tap.dropped == {"bad_shape": 3}
    tap.close()


def test_an_empty_batch_is_no_batch(tap, transport):
    assert tap.record(outputs=np.zeros((0, CLASSES))) == []
    assert tap.flush()
    assert (total(transport), tap.dropped) == (0, {})


def test_an_unknown_version_is_recorded_with_a_generic_ruler(tap, transport):
    tap.record(**arrays(2), version="v9")
    assert tap.flush()
    (window,) = [w for w in arrived(transport) if w.summary.total_records]
    assert window.model.version == "v9"
    assert window.ruler != a_ruler().id
    assert window.summary.layout.classes == CLASSES


def test_a_clock_that_fails_is_counted(transport):
    class Broken:
        def now(self) -> datetime:
            raise OSError("no clock")

    with Tap("reader", "v1", transport=transport, clock=Broken()) as tap:
        assert len(tap.record(**arrays(2))) == 2
        assert tap.dropped == {"error": 2}


def test_a_full_queue_drops_and_counts_and_does_not_wait(transport, clock):
    tap = Tap("reader", "v1", transport=transport, clock=clock, queue_records=10)
    with tap._home.collecting:  # the worker stands still
        started = time.monotonic()
        for _ in range(5):
            assert len(tap.record(**arrays(4))) == 4
        assert time.monotonic() - started < 1
    assert tap.dropped == {"queue_full": 12}
    assert tap.flush()
    assert total(transport) == 8
    tap.close()


def test_the_queue_is_bounded_in_bytes_too(transport, clock):
    tap = Tap("reader", "v1", transport=transport, clock=clock, queue_bytes=1000)
    tap.record(images=np.zeros((1, 100, 100), np.uint8))
    assert tap.dropped == {"queue_full": 1}
    tap.close()


def test_many_threads_record_every_record_once(transport):
    with Tap("reader", "v1", transport=transport, window_s=0.2) as tap:
        ids: list[str] = []

        def work(seed: int) -> None:
            for i in range(30):
                ids.extend(tap.record(**arrays(3, seed * 100 + i)))

        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert tap.flush()
        assert len(set(ids)) == total(transport) == 360
        counters = np.concatenate([w.ledger.counter for w in arrived(transport)])
        assert sorted(counters.tolist()) == list(range(360))


def test_windows_end_and_are_sent_without_being_asked(transport):
    with Tap("reader", "v1", transport=transport, window_s=0.2) as tap:
        tap.record(**arrays(2))
        until = time.monotonic() + 5
        while total(transport) < 2 and time.monotonic() < until:
            time.sleep(0.02)
        assert total(transport) == 2


def test_labels_wait_for_the_window_of_their_record(tap, transport, clock):
    ids = tap.record(**arrays(1))
    tap.label(ids[0], 2)
    tap._home.pipeline.collect(clock.now().timestamp())
    assert tap._home.pipeline.labels.calls == 1
    clock.advance(61)
    tap._home.pipeline.collect(clock.now().timestamp())
    assert [one.kind for one in tap._home.pipeline.spool.entries()] in (["window", "labels"], [])
    assert tap.flush()
    assert transport.labels == [{"id": ids[0], "label": 2}]


@pytest.mark.parametrize(
    ("ids", "y", "taken"),
    [
        (["a", "b"], [1, None], 1),
        (["a"], [1, 2], 0),
        (["a"], [-1], 0),
        (["a"], ["cat"], 0),
        (["a"], [1.5], 0),
        (["a"], [float("nan")], 0),
        (7, [1], 0),
        ("a", np.array([3]), 1),
    ],
)
def test_labels_that_are_none_are_left_out(tap, transport, ids, y, taken):
    assert tap.label(ids, y) == taken
    assert tap.flush()
    assert len(transport.labels) == taken
    assert tap.dropped == {}
    offered = len(ids) if isinstance(ids, list | str) else 1
    assert tap.stats()["labels_refused"] == offered - taken


def test_a_window_spooled_by_a_killed_process_is_sent_by_the_next(tmp_path, service):
    """Killed by -9 after the window ended, service away: the next start delivers it, once."""
    program = """
        import os, sys, time
        import numpy as np
        from vigil import Tap
        tap = Tap("reader", "v1", service="http://127.0.0.1:9", spool=sys.argv[1], window_s=0.2)
        tap.record(outputs=np.full((6, 2), 0.5))
        while not tap.stats()["waiting"]:
            time.sleep(0.01)
        os.kill(os.getpid(), 9)
    """
    process = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), str(tmp_path)], cwd=ROOT, check=False
    )
    assert process.returncode == -9
    service.faults = [loses_the_reply, answers(503)]
    with Tap("reader", "v1", service=service.url, spool=tmp_path) as tap:
        assert tap.flush(10)
    records = [Window.from_bytes(blob).summary.total_records for blob in service.windows.values()]
    assert sum(records) == 6


def test_leaving_the_interpreter_sends_what_is_open(service):
    program = """
        import sys
        import numpy as np
        from vigil import Tap
        tap = Tap("reader", "v1", service=sys.argv[1], token="t0")
        tap.record(outputs=np.full((3, 2), 0.5))
    """
    subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), service.url], cwd=ROOT, check=True
    )
    windows = [Window.from_bytes(blob) for blob in service.windows.values()]
    assert [(w.summary.total_records, w.final) for w in windows] == [(3, False), (0, True)]
    assert {token for _, token in service.requests} == {"Bearer t0"}


def test_after_a_fork_the_child_is_a_boot_of_its_own(service):
    """A pre-forking server: parent and child record, nothing is lost or counted twice."""
    program = """
        import os, sys, warnings
        import numpy as np
        from vigil import Tap
        warnings.simplefilter("ignore")
        tap = Tap("reader", "v1", service=sys.argv[1])
        tap.record(outputs=np.full((3, 2), 0.5))
        child = os.fork()
        tap.record(outputs=np.full((2 if child else 5, 2), 0.5))
        assert tap.flush(10), tap.stats()
        if child:
            assert os.waitpid(child, 0)[1] == 0
        else:
            os._exit(0)
    """
    subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), service.url], cwd=ROOT, check=True
    )
    by_boot: dict[str, int] = {}
    for (_, boot, _), blob in service.windows.items():
        found = Window.from_bytes(blob).summary.total_records
        by_boot[boot] = by_boot.get(boot, 0) + found
    assert sorted(by_boot.values()) == [5, 5]


def test_after_close_nothing_is_recorded_and_all_is_counted(transport, clock):
    tap = Tap("reader", "v1", transport=transport, clock=clock)
    tap.record(**arrays(2))
    tap.close()
    tap.close()
    assert total(transport) == 2
    assert len(tap.record(**arrays(3))) == 3
    assert tap.label(["a"], [1]) == 0
    assert tap.dropped == {"closed": 3}
    assert tap.stats()["queued"] == 0


def test_closing_does_not_wait_for_a_service_that_is_away(clock):
    away = MemoryTransport()
    away.failures = [TransportError("away")] * 1000
    tap = Tap("reader", "v1", transport=away, clock=clock)
    tap.record(**arrays(2))
    started = time.monotonic()
    tap.close(0.2)
    assert time.monotonic() - started < 3
    assert tap.stats()["waiting"] == 2  # the window, and the goodbye
    assert "away" in tap.stats()["last_error"]


def test_an_idle_source_sends_heartbeats(tap, transport, clock):
    clock.advance(1)
    tap._home.pipeline.collect(clock.now().timestamp())
    clock.advance(120)
    assert tap.flush()
    assert [window.summary.total_records for window in arrived(transport)] == [0, 0]
    assert {window.model.version for window in arrived(transport)} == {"v1"}


def test_a_source_whose_version_only_calls_know_is_told_of_from_the_first_call_on(clock):
    """Nobody judges windows of a version that does not exist; then it is alive as any other."""
    transport = MemoryTransport()
    with Tap("reader", None, transport=transport, clock=clock) as late:
        clock.advance(120)
        assert late.flush()
        assert arrived(transport) == []
        late.record(outputs=np.full((1, 4), 0.25, np.float32), version="v7")
        assert late.flush()
        clock.advance(60)
        assert late.flush()
    assert {window.model.version for window in arrived(transport)} == {"v7"}
    assert [window.summary.total_records for window in arrived(transport)] == [1, 0, 0]
    assert late.version == "unknown"


@pytest.mark.parametrize(
    "change",
    [
        {"window_s": 0},
        {"keys": ("a", "b", "c", "d", "e")},
        {"keys": "site"},
        {"outputs_are": "scores"},
        {"service": "nonsense", "transport": None},
    ],
)
def test_a_setting_that_can_not_be_used_is_refused_at_start(transport, change):
    with pytest.raises(ValueError, match="expected"):
        Tap("reader", "v1", **{"transport": transport, **change})


def test_importing_the_tap_loads_neither_torch_nor_a_server_library():
    """What runs in a user's process imports numpy and the standard library only."""
    program = """
        import sys
        from vigil import Tap
        ours = {"vigil", "numpy"}
        loaded = {name.partition(".")[0] for name in sys.modules if not name.startswith("_")}
        print(sorted(loaded - set(sys.stdlib_module_names) - ours))
    """
    bare = {k: v for k, v in os.environ.items() if not k.startswith("COV_")}
    result = subprocess.run(
        [sys.executable, "-S", "-c", textwrap.dedent(program)],
        cwd=ROOT,
        env={**bare, "PYTHONPATH": os.path.dirname(os.path.dirname(np.__file__))},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.strip() == "[]"


def test_a_tap_says_how_it_runs_the_model(transport, clock):
    """In heartbeats too."""
    said = {"preprocessing": "resize-224", "hardware": "L4", "schema": "boxes-2"}
    with Tap("reader", "v1", transport=transport, clock=clock, **said) as one:
        one.record(**arrays(2))
    assert {tuple(window.build.items()) for window in arrived(transport)} == {tuple(said.items())}


@pytest.mark.parametrize("value", ["x" * 201, "a\nb", None, 7])
def test_a_build_that_the_service_would_refuse_is_refused_at_the_start(transport, value):
    with pytest.raises(ValueError, match="hardware: expected at most 200 printable"):
        Tap("reader", "v1", transport=transport, hardware=value)
