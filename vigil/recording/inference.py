"""A call of a model, watched from around it: a ``with`` block that times stages; a decorator."""

from __future__ import annotations

import contextlib
import functools
import inspect
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

ARGUMENTS = frozenset(
    (
        "images",
        "embeddings",
        "outputs",
        "detections",
        "masks",
        "tracks",
        "texts",
        "signals",
        "latency_s",
        "metadata",
        "ids",
        "uris",
        "trace_ids",
        "version",
    )
)


class Records(Protocol):
    """What calls are recorded with: a tap."""

    enabled: bool

    def record(self, *args: Any, **arguments: Any) -> Sequence[str]: ...

    def lose(self, reason: str, n: int = 1) -> None: ...


class Inference:
    """One call of a model: what is assigned to it is recorded when the block ends.

    ::

        with tap.inference(metadata={"camera": camera}) as call:
            with call.stage("preprocess"):
                batch = prepare(frames)
            with call.stage("forward"):
                scores = model(batch)
            call.outputs = scores
        send(call.ids)

    The attributes are the arguments of ``Tap.record``; the time of the whole block is the latency
    unless one is assigned. A block that raises is not recorded, and its exception goes on.

    Attributes:
        ids: of the records, once the block has ended.
    """

    def __init__(
        self,
        tap: Records,
        arguments: Mapping[str, Any],
        *,
        seconds: Callable[[], float] = time.perf_counter,
    ) -> None:
        values: dict[str, Any] = {}
        self.__dict__.update(_tap=tap, _values=values, _stages={}, _seconds=seconds, ids=())
        for name, value in arguments.items():
            setattr(self, name, value)

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in ARGUMENTS:
            raise AttributeError(f"an inference has no {name!r}; it has {', '.join(ARGUMENTS)}")
        self._values[name] = value

    def __getattr__(self, name: str) -> Any:
        if name in ARGUMENTS:
            return self.__dict__["_values"].get(name)
        raise AttributeError(name)

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Adds the time of the block to this stage, also where it raises."""
        started = self._seconds()
        try:
            yield
        finally:
            stages: dict[str, float] = self._stages
            stages[name] = stages.get(name, 0.0) + self._seconds() - started

    def __enter__(self) -> Inference:
        self.__dict__["_started"] = self._seconds()
        return self

    def __exit__(self, kind: type[BaseException] | None, *exc: object) -> None:
        if kind is not None:
            return
        values = dict(self._values)
        if values.get("latency_s") is None:
            values["latency_s"] = self._seconds() - self._started
        if self._stages:
            values["stages_s"] = dict(self._stages)
        ids: Sequence[str] = self._tap.record(**values)
        self.__dict__["ids"] = ids


def watched(
    tap: Records, *, outputs: Callable[[Any], Any] | None, arguments: Mapping[str, Any]
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator that records each call of a function, plain or ``async``.

    ::

        @tap.watch_call(images=lambda batch: batch, metadata={"site": "north"})
        def infer(batch): ...

    Args:
        tap: where the calls are recorded.
        outputs: takes the function's result to the model's outputs; by default the result.
        arguments: of ``Tap.record``; what can be called is called with the function's arguments.

    What goes wrong in these is counted as ``error`` and never seen by the caller. A function that
    raises is not recorded.

    Raises:
        TypeError: an argument that ``Tap.record`` does not have.
    """
    unknown = set(arguments) - ARGUMENTS
    if unknown:
        raise TypeError(f"record has no argument {', '.join(sorted(unknown))}")

    def note(result: Any, args: Any, kwargs: Any, seconds: float) -> None:
        if not tap.enabled:
            return
        try:
            values = {
                name: one(*args, **kwargs) if callable(one) else one
                for name, one in arguments.items()
            }
            values.setdefault("latency_s", seconds)
            found = result if outputs is None else outputs(result)
        except Exception:
            tap.lose("error")
            return
        tap.record(**{"outputs": found, **values})

    async def finished(coming: Any, args: Any, kwargs: Any, started: float) -> Any:
        result = await coming
        note(result, args, kwargs, time.perf_counter() - started)
        return result

    def decorated(function: Callable[..., Any]) -> Callable[..., Any]:
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def waiting(*args: Any, **kwargs: Any) -> Any:
                started = time.perf_counter()
                return await finished(function(*args, **kwargs), args, kwargs, started)

            return waiting

        @functools.wraps(function)
        def plain(*args: Any, **kwargs: Any) -> Any:
            started = time.perf_counter()
            result = function(*args, **kwargs)
            if inspect.iscoroutine(result):
                return finished(result, args, kwargs, started)
            note(result, args, kwargs, time.perf_counter() - started)
            return result

        return plain

    return decorated
