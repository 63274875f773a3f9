"""A real ONNX Runtime session, recorded."""

from __future__ import annotations

import copy
import threading

import numpy as np
import onnxruntime
import pytest
from onnx_model import model

from vigil.adapters.onnxruntime import RecordedSession
from vigil.tap import Tap

X = np.random.default_rng(0).random((3, 4)).astype(np.float32)


@pytest.fixture(scope="module")
def plain() -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(model(), providers=["CPUExecutionProvider"])


def test_a_run_is_answered_as_ever_and_recorded(plain, tap, records):
    """Named outputs or all of them, in the order that was asked for."""
    session = RecordedSession(
        plain,
        tap,
        embeddings="features",
        outputs="scores",
        metadata=lambda tensors: {"rows": len(tensors["x"])},
    )
    for names in (None, ["scores", "features"]):
        for ours, theirs in zip(
            session.run(names, {"x": X}), plain.run(names, {"x": X}), strict=True
        ):
            np.testing.assert_array_equal(ours, theirs)
    found = records(tap)
    assert len(found) == 6
    assert session.counts == {"recorded": 2}
    expected = {tuple(row) for row in X.astype(np.float16).tolist()}
    assert {tuple(one["embedding"]) for one in found} == expected
    assert {one["metadata"]["rows"] for one in found} == {"3"}
    assert all(0 < one["signals"]["latency_s"] < 5 for one in found)
    assert {one["prediction"] for one in found} == set(X.argmax(axis=1).tolist())


def test_what_was_not_asked_for_is_neither_computed_nor_recorded(plain, tap, records):
    session = RecordedSession(plain, tap, embeddings="features", outputs="scores")
    assert len(session.run(["scores"], {"x": X})) == 1
    found = records(tap)
    assert [len(one["embedding"]) for one in found] == [0, 0, 0]


def test_a_function_makes_what_no_tensor_is(plain, tap, records):
    session = RecordedSession(plain, tap, outputs=lambda tensors: tensors["scores"][:, :2])
    session.run(None, {"x": X})
    assert {one["prediction"] for one in records(tap)} <= {0, 1}


def test_errors_of_the_model_reach_the_caller_and_ours_do_not(plain, tap):
    def broken(tensors: object) -> object:
        raise RuntimeError("a fault of the user's")

    session = RecordedSession(plain, tap, outputs=broken)
    assert len(session.run(None, {"x": X})) == 2
    with pytest.raises(Exception, match=r"(?i)rank|dimension"):
        session.run(None, {"x": X[0]})
    assert session.counts == {"error": 1, "failed": 1}


def test_everything_else_is_the_sessions_own(plain, tap):
    """Attributes, and ways to run that leave the tensors elsewhere, which are counted."""
    session = RecordedSession(plain, tap, outputs="scores")
    assert session.get_providers() == plain.get_providers()
    binding = session.io_binding()
    binding.bind_cpu_input("x", X)
    binding.bind_output("scores")
    session.run_with_iobinding(binding)
    value = onnxruntime.OrtValue.ortvalue_from_numpy(X)
    assert len(session.run_with_ort_values(["scores"], {"x": value})) == 1
    assert binding.copy_outputs_to_cpu()[0].shape == (3, 4)
    assert session.counts == {"bound": 2}


def test_a_tensor_that_is_not_there_is_refused_at_once(plain, tap):
    with pytest.raises(ValueError, match="outputs: expected one of features, scores, x, found 'y'"):
        RecordedSession(plain, tap, outputs="y")


def test_texts_come_in_the_arrays_that_sessions_make(plain, transport, records):
    """Objects, in a row or as a column."""
    for shape in ((3,), (3, 1)):
        tap = Tap("reader", "v1", transport=transport, task="ocr", sample_size=64)
        texts = np.array(["AB 1", "AB 12", "C"], object).reshape(shape)
        session = RecordedSession(plain, tap, texts=lambda tensors, made=texts: made)
        session.run(None, {"x": X})
        lengths = {one["signals"]["text_length"] for one in records(tap)}
        assert lengths == {1.0, 4.0, 5.0}
        assert tap.dropped == {}
        tap.close()
        transport.windows.clear()


def test_a_copy_is_a_session_too_and_threads_are_counted(plain, tap):
    session = RecordedSession(plain, tap, outputs="scores")
    copied = copy.copy(session)
    threads = [
        threading.Thread(target=lambda: [copied.run(None, {"x": X}) for _ in range(20)])
        for _ in range(4)
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert session.counts == {"recorded": 80}
    assert tap.stats()["recorded"] == 240


def test_a_session_of_a_tap_that_is_off_asks_nobody(plain, tap):
    asked: list[object] = []
    session = RecordedSession(plain, tap, outputs=asked.append)
    tap.enabled = False
    session.run(None, {"x": X})
    assert (asked, session.counts) == ([], {})
