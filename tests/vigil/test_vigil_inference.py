"""Calls of a model are recorded from around it; what goes wrong there is never the caller's."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import count

import numpy as np
import pytest
from vigil_records import a_ruler, arrays

from vigil import Tap
from vigil.recording.inference import Inference
from vigil.shipping.transport import MemoryTransport
from vigil.windows.window import Window

OUTPUTS = np.full((3, 4), 0.25, np.float32)


@pytest.fixture
def transport() -> MemoryTransport:
    return MemoryTransport({("reader", "v1"): a_ruler().to_bytes()})


@pytest.fixture
def tap(transport) -> Iterator[Tap]:
    with Tap("reader", "v1", transport=transport, keys=("site",)) as one:
        yield one


def recorded(tap: Tap, transport: MemoryTransport) -> int:
    assert tap.flush()
    windows = [Window.from_bytes(blob) for blob in transport.windows.values()]
    return sum(window.summary.total_records for window in windows)


def test_a_block_is_recorded_with_its_stages_and_its_latency(tap, transport, monkeypatch):
    seen = {}
    monkeypatch.setattr(tap, "record", lambda **given: seen.update(given) or ["a", "b", "c"])
    ticks = map(float, count())
    with Inference(tap, {"metadata": {"site": "a"}}, seconds=lambda: next(ticks)) as call:
        with call.stage("preprocess"):
            pass
        with call.stage("forward"), call.stage("preprocess"):
            pass
        call.outputs = OUTPUTS
        assert call.embeddings is None
    assert call.ids == ["a", "b", "c"]
    assert seen["stages_s"] == {"preprocess": 2.0, "forward": 3.0}
    assert (seen["latency_s"], seen["metadata"]) == (7.0, {"site": "a"})


def test_a_block_reaches_the_service(tap, transport):
    with tap.inference(metadata={"site": "a"}) as call:
        call.outputs = OUTPUTS
    assert len(call.ids) == 3
    assert recorded(tap, transport) == 3


def test_a_block_that_raises_is_not_recorded(tap, transport):
    def fails() -> None:
        with tap.inference() as call:
            call.outputs = OUTPUTS
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert recorded(tap, transport) == 0


def test_a_name_that_record_does_not_have_is_told_at_once(tap):
    with pytest.raises(AttributeError, match="no 'scores'"), tap.inference() as call:
        call.scores = OUTPUTS
    with pytest.raises(TypeError, match="no argument scores"):
        tap.watch_call(scores=1)


def test_a_decorated_function_is_recorded_call_by_call(tap, transport):
    @tap.watch_call(outputs=lambda found: found["scores"], metadata=lambda n: {"site": f"s{n}"})
    def infer(n: int) -> dict[str, np.ndarray]:
        """What it says."""
        return {"scores": OUTPUTS[:n]}

    assert infer(2)["scores"].shape == (2, 4)
    infer(3)
    assert (infer.__name__, infer.__doc__) == ("infer", "What it says.")
    assert recorded(tap, transport) == 5
    (window,) = [Window.from_bytes(blob) for blob in transport.windows.values()]
    assert sorted(cell[0] for cell in window.summary.cells) == ["s2", "s3"]


def test_an_async_function_too(tap, transport):
    @tap.watch_call()
    async def infer() -> np.ndarray:
        await asyncio.sleep(0)
        return OUTPUTS

    assert asyncio.run(infer()).shape == (3, 4)
    assert recorded(tap, transport) == 3


def test_what_goes_wrong_in_the_extraction_is_counted(tap, transport):
    @tap.watch_call(outputs=lambda found: found["scores"])
    def infer() -> dict[str, int]:
        return {}

    assert infer() == {}
    assert tap.dropped == {"error": 1}


def test_a_tap_that_is_off_records_nothing_and_hands_out_ids(tap, transport):
    tap.enabled = False
    ids = tap.record(**arrays(4))
    assert len(ids) == len(set(ids)) == 4
    assert tap.label(ids, [1] * 4) == 0
    tap.enabled = True
    assert set(tap.record(**arrays(2))).isdisjoint(ids)
    assert recorded(tap, transport) == 2
    assert (tap.dropped, tap.stats()["off"]) == ({}, 4)


def test_the_environment_turns_a_tap_off(monkeypatch, transport):
    for value, on in (("1", False), ("0", True), ("", True)):
        monkeypatch.setenv("VIGIL_OFF", value)
        with Tap("reader", "v1", transport=transport) as tap:
            assert tap.enabled is on


def test_several_models_in_one_process_do_not_mix(transport):
    with (
        Tap("reader", "v1", transport=transport) as one,
        Tap("other", "v7", transport=transport) as other,
    ):
        one.record(**arrays(2))
        other.record(**arrays(5))
    windows = [Window.from_bytes(blob) for blob in transport.windows.values()]
    found = {w.model.name: w.summary.total_records for w in windows if w.summary.total_records}
    assert found == {"reader": 2, "other": 5}


def test_ids_behave_like_a_list(tap):
    ids = tap.record(**arrays(3))
    expected = [f"{tap.source}.{tap.boot}.{i}" for i in range(3)]
    assert ids == expected
    assert expected == ids
    assert (ids[0], ids[-1], ids[1:]) == (expected[0], expected[2], expected[1:])
    assert [*ids, "x"] == ids + ["x"] == expected + ["x"]  # noqa: RUF005
    assert ["x"] + ids == ["x", *expected]  # noqa: RUF005
    assert (ids.index(expected[1]), expected[2] in ids, repr(ids)) == (1, True, repr(expected))
    with pytest.raises(IndexError, match="id 3 of 3"):
        ids[3]
