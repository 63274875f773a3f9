"""An ONNX Runtime session that records what it infers.

from vigil.adapters.onnxruntime import RecordedSession

session = RecordedSession(
    onnxruntime.InferenceSession("model.onnx"),
    tap,
    images="input",
    embeddings="features",
    outputs="scores",
)
session.run(["scores"], {"input": batch})
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from vigil.tap import Tap

Tensors = Mapping[str, Any]
Use = str | Callable[[Tensors], Any]
"""A tensor's name, or a function of all tensors of a call, inputs and outputs by name."""


class RecordedSession:
    """Stands for an ``onnxruntime.InferenceSession``: ``run`` is recorded, all else passes.

    It asks for no output that the caller did not ask for: what is not among them is not recorded.
    No fault of the recording reaches the caller.

    Args:
        session: the session.
        tap: where to record.
        images, embeddings, outputs, detections, texts: which tensor is what, as a name, or as a
            function such as ``lambda t: t["input"] * std + mean``.
        metadata: a function of the tensors of a call to what ``Tap.record`` takes.

    ``counts``: ``recorded`` calls; ``failed`` runs, whose error the caller got; ``bound`` runs with
    an I/O binding or values that stay on the device, and ``asynchronous`` ones, which pass
    unrecorded; ``error``: faults of the functions above. What the tap makes of a recorded call,
    it counts itself (``Tap.dropped``).
    """

    def __init__(
        self,
        session: Any,
        tap: Tap,
        *,
        images: Use | None = None,
        embeddings: Use | None = None,
        outputs: Use | None = None,
        detections: Use | None = None,
        texts: Use | None = None,
        metadata: Callable[[Tensors], Any] | None = None,
    ) -> None:
        self._session, self._tap, self._metadata = session, tap, metadata
        uses = {
            "images": images,
            "embeddings": embeddings,
            "outputs": outputs,
            "detections": detections,
            "texts": texts,
        }
        self._uses = {role: use for role, use in uses.items() if use is not None}
        self._names = [one.name for one in session.get_outputs()]
        known = {*self._names, *(one.name for one in session.get_inputs())}
        for role, use in self._uses.items():
            if isinstance(use, str) and use not in known:
                raise ValueError(
                    f"{role}: expected one of {', '.join(sorted(known))}, found {use!r}"
                )
        self.counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def run(
        self, output_names: Sequence[str] | None, input_feed: Tensors, run_options: Any = None
    ) -> Any:
        """As the session's own."""
        began_s = time.perf_counter()
        try:
            found = self._session.run(output_names, input_feed, run_options)
        except BaseException:
            self._count("failed")
            raise
        took_s = time.perf_counter() - began_s
        if not self._tap.enabled:
            return found
        try:
            tensors = {**input_feed, **dict(zip(output_names or self._names, found, strict=True))}
            self._record(tensors, took_s)
        except Exception:
            self._count("error")
        return found

    def _record(self, tensors: Tensors, took_s: float) -> None:
        given = {
            role: tensors.get(use) if isinstance(use, str) else use(tensors)
            for role, use in self._uses.items()
        }
        metadata = self._metadata(tensors) if self._metadata is not None else None
        texts: Any = given.get("texts")
        if getattr(texts, "ndim", 1) == 2:  # a column, as many models make
            given["texts"] = texts.ravel()
        self._tap.record(**given, latency_s=took_s, metadata=metadata)
        self._count("recorded")

    def run_with_iobinding(self, *arguments: Any, **named: Any) -> Any:
        """As the session's own; not recorded."""
        self._count("bound")
        return self._session.run_with_iobinding(*arguments, **named)

    def run_with_ort_values(self, *arguments: Any, **named: Any) -> Any:
        """As the session's own; not recorded."""
        self._count("bound")
        return self._session.run_with_ort_values(*arguments, **named)

    def run_async(self, *arguments: Any, **named: Any) -> Any:
        """As the session's own; not recorded."""
        self._count("asynchronous")
        return self._session.run_async(*arguments, **named)

    def _count(self, what: str) -> None:
        with self._lock:
            self.counts[what] += 1

    def __getattr__(self, name: str) -> Any:
        if "_session" not in self.__dict__:  # a copy that is still being made
            raise AttributeError(name)
        return getattr(self._session, name)
