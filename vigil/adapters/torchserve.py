"""A mixin that lets a TorchServe handler record what it infers.

    from ts.torch_handler.image_classifier import ImageClassifier
    from vigil.adapters.torchserve import RecordedHandler

    class Handler(RecordedHandler, ImageClassifier):
        tap_settings = {"outputs_are": "logits", "keys": ("camera",)}
        header_metadata = {"X-Camera": "camera"}

It stands first among the bases. TorchServe itself is not imported.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from vigil.recording.tracing import trace_id_of
from vigil.tap import DEFAULT_SERVICE, Tap

log = logging.getLogger("vigil")


_BEGINNING = threading.Lock()


class _State(threading.local):
    """What is noted of the batch that a thread works at; None between batches. ``seen``: what came
    into the inference, and what out of it."""

    def __init__(self) -> None:
        self.stages: dict[str, float] | None = None
        self.seen: tuple[Any, Any] | None = None


class RecordedHandler:
    """Times ``preprocess``, ``inference`` and ``postprocess``, and records each batch afterwards.

    Model and version are those of the archive's manifest. Records are named by TorchServe's request
    ids, and carry the trace of a ``traceparent`` header. No fault of the recording reaches a
    request; the first of each kind is logged, and what is lost counted in ``tap.dropped``. A
    handler with an ``initialize`` of its own that does not call ours is recorded from its first
    batch on; one whose ``inference`` does not call ours is not, and the log says so.

    ``tap_settings``: further arguments of ``Tap``; the service is that of the environment's
    ``VIGIL_SERVICE`` where none is set here. ``header_metadata``: header -> metadata key.
    """

    tap_settings: ClassVar[Mapping[str, Any]] = {}
    header_metadata: ClassVar[Mapping[str, str]] = {}
    tap: Tap | None = None
    _vigil: _State
    _vigil_told: set[str]

    def make_tap(self, context: Any) -> Tap:
        """The tap; override it to choose otherwise."""
        model = context.manifest["model"]
        settings = {"service": os.environ.get("VIGIL_SERVICE", DEFAULT_SERVICE)}
        return Tap(
            model["modelName"],
            str(model.get("modelVersion") or "unknown"),
            **{**settings, **self.tap_settings},
        )

    def to_record(self, inputs: Any, outputs: Any) -> Mapping[str, Any]:
        """Arguments of ``Tap.record`` for a batch, before those that are told otherwise; override
        it to record images or embeddings. It is called once the answer is made.

        Args:
            inputs: what ``preprocess`` returned.
            outputs: what ``inference`` returned: a tensor of n rows, else nothing is recorded but
                counts and times.
        """
        return {"outputs": outputs} if hasattr(outputs, "shape") else {}

    def initialize(self, context: Any) -> None:
        super().initialize(context)  # type: ignore[misc]
        self._vigil_begin(context)

    def _vigil_begin(self, context: Any) -> _State:
        """The tap and what is noted of a batch, made once."""
        with _BEGINNING:
            found: _State | None = self.__dict__.get("_vigil")
            if found is None:
                self._vigil_told = set()
                found = self._vigil = _State()
                try:
                    self.tap = self.make_tap(context)
                except Exception:
                    log.exception("vigil records nothing")
            return found

    def preprocess(self, data: Any) -> Any:
        return self._timed("preprocess", super().preprocess, data)  # type: ignore[misc]

    def inference(self, data: Any, *arguments: Any, **named: Any) -> Any:
        infer = super().inference  # type: ignore[misc]
        found = self._timed("inference", infer, data, *arguments, **named)
        state: _State | None = self.__dict__.get("_vigil")
        if state is not None and state.stages is not None:
            state.seen = (data, found)
        return found

    def postprocess(self, data: Any) -> Any:
        return self._timed("postprocess", super().postprocess, data)  # type: ignore[misc]

    def handle(self, data: Any, context: Any) -> Any:
        state: _State = self.__dict__.get("_vigil") or self._vigil_begin(context)
        outer = state.stages, state.seen
        state.stages, state.seen = {}, None
        began_s = time.perf_counter()
        try:
            answer = super().handle(data, context)  # type: ignore[misc]
            if self.tap is not None:
                self._note(self.tap, state, data, context, time.perf_counter() - began_s)
            return answer
        finally:
            state.stages, state.seen = outer

    def _note(self, tap: Tap, state: _State, data: Any, context: Any, took_s: float) -> None:
        try:
            if state.seen is not None:
                self._record(tap, state, len(data), context, took_s)
            elif "preprocess" in (state.stages or ()) and "inference" not in (state.stages or ()):
                raise LookupError("the handler's own inference does not call the mixin's")
        except Exception as error:
            tap.lose("error", len(data) if hasattr(data, "__len__") else 1)
            self._tell(error)

    def _record(self, tap: Tap, state: _State, n: int, context: Any, took_s: float) -> None:
        ids = [context.get_request_id(row) for row in range(n)]
        headers = {
            name: [context.get_request_header(row, name) for row in range(n)]
            for name in (*self.header_metadata, "traceparent")
        }
        traces = [trace_id_of(str(one or "")) or None for one in headers.pop("traceparent")]
        assert state.seen is not None
        told = {
            "stages_s": state.stages,
            "latency_s": [took_s] * n,
            "metadata": {
                self.header_metadata[k]: [v or "" for v in vs] for k, vs in headers.items()
            },
            "ids": ids if all(ids) else None,
            "trace_ids": traces if any(traces) else None,
        }
        tap.record(**{**told, **self.to_record(*state.seen)})

    def _timed(self, stage: str, work: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        began_s = time.perf_counter()
        found = work(*arguments, **named)
        state: _State | None = self.__dict__.get("_vigil")
        if state is not None and state.stages is not None:
            state.stages[stage] = time.perf_counter() - began_s
        return found

    def _tell(self, error: Exception) -> None:
        kind = type(error).__name__
        if kind not in self._vigil_told:
            self._vigil_told.add(kind)
            log.exception("a batch was not recorded")
