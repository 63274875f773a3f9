"""A handler of TorchServe's protocol, recorded.

The base below does what TorchServe's own does (``ts.torch_handler.base_handler``, ``ts.context``,
0.12): tried on that, too.
"""

from __future__ import annotations

import logging
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from vigil.adapters.torchserve import RecordedHandler
from vigil.shipping.transport import MemoryTransport

TRACE = "0af7651916cd43dd8448eb211c80319c"


class Context:
    """Of one worker; ``headers`` are those of each request of the batch."""

    def __init__(self, headers: list[dict[str, str]], version: Any = "1.2") -> None:
        self.manifest = {"model": {"modelName": "reader", "modelVersion": version}}
        self.system_properties = {"model_dir": "/", "gpu_id": None, "batch_size": len(headers)}
        self._headers = headers
        self.times: list[tuple[Any, ...]] = []

    @property
    def metrics(self) -> Context:
        return self

    def add_time(self, name: str, value: float, idx: Any, unit: str) -> None:
        self.times.append((name, unit))

    def get_request_id(self, idx: int = 0) -> str:
        return f"request-{idx}"

    def get_request_header(self, idx: int, key: str) -> str | None:
        return self._headers[idx].get(key)


class BaseHandler:
    """As TorchServe's: ``handle`` calls the three stages."""

    def initialize(self, context: Context) -> None:
        self.model = torch.nn.Softmax(dim=1)
        self.initialized = True

    def preprocess(self, data: list[dict[str, Any]]) -> torch.Tensor:
        return torch.tensor([row["body"] for row in data])

    def inference(self, data: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        with torch.inference_mode():
            return self.model(data, *args, **kwargs)

    def postprocess(self, data: torch.Tensor) -> list[Any]:
        return data.tolist()

    def handle(self, data: list[dict[str, Any]], context: Context) -> list[Any]:
        found = self.postprocess(self.inference(self.preprocess(data)))
        context.metrics.add_time("HandlerTime", 1.0, None, "ms")
        return found


class Handler(RecordedHandler, BaseHandler):
    transport: ClassVar[MemoryTransport]
    header_metadata: ClassVar[dict[str, str]] = {"X-Camera": "camera"}

    def to_record(self, inputs: Any, outputs: Any) -> dict[str, Any]:
        return {"outputs": outputs, "embeddings": inputs}


DATA = [{"body": [0.0, 1.0, 0.5]}, {"body": [2.0, 1.0, 0.0]}]
HEADERS = [{"X-Camera": "c1", "traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}, {}]


def started(handler: type, transport: MemoryTransport, context: Context, **settings: Any) -> Any:
    made = type("Made", (handler,), {"tap_settings": {"transport": transport, **settings}})()
    made.initialize(context)
    return made


def test_a_batch_is_answered_as_ever_and_recorded(transport, records):
    """Ids are TorchServe's; version, stages, headers that are asked for, and traces go along."""
    context = Context(HEADERS)
    handler = started(Handler, transport, context, preprocessing="resize-8")
    assert handler.handle(DATA, context) == BaseHandlerAnswer.of(DATA)
    assert context.times == [("HandlerTime", "ms")]
    found = {one["id"]: one for one in records(handler.tap)}
    handler.tap.close()
    assert set(found) == {"request-0", "request-1"}
    first, second = found["request-0"], found["request-1"]
    assert (first["version"], first["prediction"], second["prediction"]) == ("1.2", 1, 0)
    assert (first["trace_id"], second["trace_id"]) == (TRACE, "")
    assert (first["metadata"], second["metadata"]) == ({"camera": "c1"}, {"camera": ""})
    np.testing.assert_allclose(first["embedding"], DATA[0]["body"])
    assert 0 < first["signals"]["latency_s"] < 5
    assert handler.tap.build.preprocessing == "resize-8"


class BaseHandlerAnswer:
    """What the base answers by itself."""

    @staticmethod
    def of(data: list[dict[str, Any]]) -> list[Any]:
        plain = BaseHandler()
        plain.initialize(Context([]))
        return plain.handle(data, Context([]))


def test_an_error_of_the_model_reaches_torchserve_and_is_not_recorded(transport, records):
    context = Context(HEADERS)
    handler = started(Handler, transport, context)
    with pytest.raises(KeyError):
        handler.handle([{"data": 1}], context)
    assert handler.handle(DATA, context) == BaseHandlerAnswer.of(DATA)
    assert len(records(handler.tap)) == 2
    handler.tap.close()


def test_a_fault_of_the_recording_is_logged_once_and_reaches_no_request(
    transport, caplog: pytest.LogCaptureFixture
):
    class Broken(Handler):
        def to_record(self, inputs: Any, outputs: Any) -> dict[str, Any]:
            raise RuntimeError("a fault of the user's")

    context = Context(HEADERS)
    handler = started(Broken, transport, context)
    for _ in range(2):
        assert handler.handle(DATA, context) == BaseHandlerAnswer.of(DATA)
    assert caplog.text.count("a batch was not recorded") == 1
    handler.tap.close()


def test_a_tap_that_can_not_be_made_leaves_the_handler_working(
    transport, caplog: pytest.LogCaptureFixture
):
    context = Context(HEADERS)
    with caplog.at_level(logging.ERROR):
        handler = started(Handler, transport, context, window_s=-1.0)
    assert handler.handle(DATA, context) == BaseHandlerAnswer.of(DATA)
    assert handler.tap is None
    assert "window_s" in caplog.text


def test_what_is_no_tensor_is_counted_and_timed(transport, records):
    """By default; and an archive without a version has one all the same."""

    class Lists(BaseHandler):
        def inference(self, data: Any, *args: Any, **kwargs: Any) -> Any:
            return [{"label": "a"} for _ in data]

        def postprocess(self, data: Any) -> Any:
            return data

    context = Context([{}, {}], version=None)
    handler = started(type("Both", (RecordedHandler, Lists), {}), transport, context)
    assert handler.handle(DATA, context) == [{"label": "a"}] * 2
    found = records(handler.tap)
    handler.tap.close()
    assert [(one["version"], one["prediction"]) for one in found] == [("unknown", -1)] * 2


class OwnInitialize(Handler):
    """As many handlers are written: everything in its own ``initialize``."""

    def initialize(self, context: Context) -> None:
        self.model = torch.nn.Softmax(dim=1)
        self.inference(torch.zeros(1, 3))  # warms up


def test_a_handler_with_an_initialize_of_its_own_works_and_is_recorded(transport, records):
    context = Context(HEADERS)
    handler = started(OwnInitialize, transport, context)
    assert handler.handle(DATA, context) == BaseHandlerAnswer.of(DATA)
    assert len(records(handler.tap)) == 2
    handler.tap.close()


def test_a_base_that_warms_up_while_it_begins_records_nothing_of_it(transport, records):
    class Warm(BaseHandler):
        def initialize(self, context: Context) -> None:
            super().initialize(context)
            self.postprocess(self.inference(self.preprocess(DATA)))

    context = Context(HEADERS)
    handler = started(type("Both", (RecordedHandler, Warm), {}), transport, context)
    handler.handle(DATA, context)
    assert len(records(handler.tap)) == 2
    handler.tap.close()


def test_an_inference_that_goes_round_the_mixin_is_counted_and_said(
    transport, caplog: pytest.LogCaptureFixture
):
    class Round(Handler):
        def inference(self, data: Any, *args: Any, **kwargs: Any) -> Any:
            return self.model(data)

    context = Context(HEADERS)
    handler = started(Round, transport, context)
    for _ in range(2):
        assert handler.handle(DATA, context) == BaseHandlerAnswer.of(DATA)
    assert handler.tap.dropped == {"error": 4}
    assert "own inference does not call the mixin's" in caplog.text
    assert caplog.text.count("a batch was not recorded") == 1
    handler.tap.close()


def test_batches_that_lost_items_and_faults_of_ours_are_counted(transport):
    """The answers are the handler's own, whatever they are."""

    class Some(Handler):
        def preprocess(self, data: Any) -> Any:
            return super().preprocess(data[:1])

    class Broken(Handler):
        def to_record(self, inputs: Any, outputs: Any) -> Any:
            return None

    class Empty(Handler):
        def handle(self, data: Any, context: Any) -> Any:
            super().handle(data, context)
            return None

    context = Context(HEADERS)
    for kind, lost in ((Some, "bad_shape"), (Broken, "error"), (Empty, "")):
        handler = started(kind, transport, context)
        answer = handler.handle(DATA, context)
        assert answer == {Some: BaseHandlerAnswer.of(DATA[:1]), Empty: None}.get(
            kind, BaseHandlerAnswer.of(DATA)
        )
        assert set(handler.tap.dropped) == ({lost} if lost else set())
        handler.tap.close()


def test_a_handler_that_calls_itself_is_recorded_each_time(transport, records):
    class Twice(Handler):
        def postprocess(self, data: Any) -> Any:
            if len(data) == 2:
                self.handle(DATA[:1], Context(HEADERS[:1]))
            return super().postprocess(data)

    context = Context(HEADERS)
    handler = started(Twice, transport, context)
    assert handler.handle(DATA, context) == BaseHandlerAnswer.of(DATA)
    assert handler.tap.stats()["recorded"] == 3
    assert handler._vigil.seen is None
    handler.tap.close()


def test_what_to_record_says_wins(transport, records):
    class Named(Handler):
        def to_record(self, inputs: Any, outputs: Any) -> dict[str, Any]:
            return {"outputs": outputs, "ids": ["a", "b"], "metadata": {"site": "n"}}

    context = Context(HEADERS)
    handler = started(Named, transport, context)
    handler.handle(DATA, context)
    found = {one["id"]: one["metadata"] for one in records(handler.tap)}
    assert found == {"a": {"site": "n"}, "b": {"site": "n"}}
    handler.tap.close()
