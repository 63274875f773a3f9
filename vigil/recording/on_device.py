"""Calls whose tensors are on a GPU, handed to ``vigil.device``, which is loaded with the first."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, get_args

from vigil.measuring.batch import RecordBatch
from vigil.measuring.measure import Measure
from vigil.pipeline.recorder import Recorder
from vigil.pipeline.rulers import MAX_CLASSES, RulerCache
from vigil.quality.frames import CAMERA_KEYS
from vigil.recording.intake import brought, kept
from vigil.ring.identity import Identity
from vigil.signals.declare import MEASURED
from vigil.values.ids import Ids
from vigil.windows.part import Part

if TYPE_CHECKING:
    from vigil.device.path import DevicePath

DeviceOption = bool | Literal["force", "compiled"]
ARRAYS = ("images", "embeddings", "outputs")
ELSEWHERE = ("detections", "masks", "tracks", "texts")
TASKS = ("classification", "embedding")

_LEFT: list[Any] = []
"""After a fork: what is the parent's, kept so that the child never gives it back to the driver."""


def device_option(value: Any) -> DeviceOption:
    """Raises:
    ValueError: nothing that ``Tap(device=...)`` takes.
    """
    if not isinstance(value, bool) and value not in get_args(get_args(DeviceOption)[1]):
        raise ValueError(f"device: expected True, False, compiled or force, found {value!r:.80}")
    option: DeviceOption = value
    return option


class OnDevice:
    """One boot of a tap. Nothing is loaded and nothing taken until a tensor of a GPU comes.

    Args:
        option: True, False (never), ``compiled`` (``vigil.device.kernels``), or ``force``: tensors
            of the CPU too, for tests.
        identity: whose records these are.
        measure: what calls are measured with.
        recorder, rulers: of the pipeline; only the collector's thread uses them.
        lose: counts records that were not taken, by reason.
        wake: called when there is something to collect.
        barred: whether calls go the host's way, because the service asks for privacy there.
    """

    def __init__(
        self,
        option: DeviceOption,
        identity: Identity,
        measure: Measure,
        *,
        recorder: Recorder,
        rulers: RulerCache,
        lose: Callable[[str, int], None],
        wake: Callable[[], None],
        barred: Callable[[], bool],
    ) -> None:
        self._barred = barred
        self._option, self._identity, self._measure = option, identity, measure
        self._recorder, self._rulers = recorder, rulers
        self._lose, self._wake = lose, wake
        own_functions = any(one.name in MEASURED for one in measure.own)
        self._usable = bool(option) and identity.task in TASKS and not own_functions
        self._prefix = f"{identity.source}.{identity.boot}."
        self._path: DevicePath | None = None
        self._loading = threading.Lock()
        self._classes = 0

    def put(
        self,
        arguments: dict[str, Any],
        metadata: Any,
        n: int,
        first: int,
        ids: list[str] | None,
        time_s: float,
        version: str,
    ) -> bool:
        """As ``Intake.put``; False where the call is to go the host's way."""
        if not self._usable or not self._is_for_it(arguments) or self._barred():
            return False
        from vigil.device.call import DeviceCall

        rest = {
            name: brought(value, [])
            for name, value in arguments.items()
            if name not in ARRAYS and value is not None
        }
        call = DeviceCall(
            ids=Ids(self._prefix, first, n) if ids is None else ids,
            first=first,
            custom_ids=ids is not None,
            time_s=time_s,
            version=version,
            arguments={**rest, "metadata": kept(metadata)},
        )
        answer = self._loaded().record(call, arguments)
        if answer == "host":
            return False
        if answer != "taken":
            self._lose(answer, n)
        elif not self._classes and arguments.get("outputs") is not None:
            self._classes = _width(arguments["outputs"])
        return True

    def _is_for_it(self, arguments: Mapping[str, Any]) -> bool:
        images, embeddings, outputs = map(arguments.get, ARRAYS)
        if self._option == "force":
            fits = all(
                hasattr(one, "is_cuda") for one in (images, embeddings, outputs) if one is not None
            )
        else:
            fits = (
                getattr(outputs, "is_cuda", False)
                or getattr(embeddings, "is_cuda", False)
                or getattr(images, "is_cuda", False)
            )
        if not fits or any(arguments.get(name) is not None for name in ELSEWHERE):
            return False
        if any(_is_cuda(value) for name, value in arguments.items() if name not in ARRAYS):
            return False
        return self._identity.task != "embedding" or outputs is None

    def _loaded(self) -> DevicePath:
        if self._path is not None:
            return self._path
        from vigil.device.path import DevicePath

        mine = self._identity
        with self._loading:
            if self._path is None:
                self._path = DevicePath(
                    window_s=mine.window_s,
                    measure=self._measured,
                    outputs_are=mine.outputs_are,
                    sizes=(mine.sample_size, mine.sample_size // 2),
                    thumbnails=mine.thumbnails,
                    cameras=(*mine.keys, *CAMERA_KEYS),
                    host_too=self._option == "force",
                    compiled=self._option == "compiled",
                    wake=self._wake,
                )
            return self._path

    def _measured(self, **arguments: Any) -> RecordBatch:
        """What the host knows of some calls; a generic ruler learns from it what to count."""
        batch = self._measure.batch(**arguments)
        if self._rulers.classes == 0:
            self._rulers.classes = min(self._classes, MAX_CLASSES)
        self._rulers.learn(batch, self._measure.own)
        return batch

    def parts(self, now_s: float, everything: bool) -> Iterable[tuple[str, float, Part]]:
        """What was measured of windows that ended by now, or of all."""
        if self._path is None:
            return ()
        return self._path.collect(
            now_s,
            ruler_of=self._recorder.ruler_at,
            drop=self._recorder.drop,
            everything=everything,
        )

    @property
    def counts(self) -> Counter[str]:
        """Records by what became of them: ``taken``, ``host``, ``capturing``, ``queue_full``."""
        return Counter() if self._path is None else Counter(self._path.counts)

    @property
    def problem(self) -> str:
        return "" if self._path is None else self._path.problem

    def leave_to_parent(self) -> None:
        """After a fork, in the child."""
        _LEFT.append(self._path)


def _is_cuda(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_is_cuda, value.values()))
    return bool(getattr(value, "is_cuda", False))


def _width(outputs: Any) -> int:
    return int(outputs.shape[1]) if outputs.ndim == 2 else 0
