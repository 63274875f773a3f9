"""The tap: what a user's inference loop calls."""

from __future__ import annotations

import atexit
import contextlib
import os
import random
import secrets
import socket
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from vigil.arguments import keys_of, name_of, seconds_of, usable_name, whole_of
from vigil.batch import Metadata, Task
from vigil.build import Build
from vigil.clock import Clock, SystemClock
from vigil.intake import Call, Intake, bytes_of, copied, copied_metadata, rows_of
from vigil.measure import Measure
from vigil.pipeline import Pipeline
from vigil.recorder import Recorder
from vigil.rulers import RulerCache
from vigil.shipping.shipper import Shipper
from vigil.shipping.spool import DiskSpool, MemorySpool
from vigil.shipping.transport import HttpTransport, Transport
from vigil.signals.predictions import OutputsAre
from vigil.types import Signal

DEFAULT_SERVICE = "http://127.0.0.1:8080"
DEFAULT_QUEUE_BYTES = 256 * 2**20
EXIT_S = 2.0


class Tap:
    """Watches one model in this process. ``record`` and ``label`` never raise and never wait.

    Two daemon threads do the rest: one measures and sums, one ships. What can't be recorded is
    counted in ``dropped`` by reason: ``queue_full``, ``bad_shape``, ``late``, ``bad_time``,
    ``closed``, ``error``, ``spool_full``, ``spool_failed``. After a fork the child is a boot
    of its own.

    Args:
        model: the model's name.
        version: the version that serves; a call of ``record`` may name another.
        service: base URL of the vigil service.
        token: ingest token; by default the environment's ``VIGIL_TOKEN``.
        deployment: where the model runs, such as ``production``.
        source: this replica; by default host and process id.
        keys: metadata keys to slice by, at most four. A baseline's own keys go first.
        window_s: length of a window, seconds.
        spool: folder in which windows survive a crash or the service being away; None keeps them
            in memory only.
        sample_size: records kept whole in each window; half as many more by uncertainty.
        thumbnails: keep small copies of the sampled images. By default no pixels are kept.
        outputs_are: ``probabilities`` or ``logits``.
        task: what the model does (``vigil.batch.TASKS``); the signals follow it.
        signals: names of signals of your own that ``record`` is given, declared with ``@signal``,
            or their descriptions.
        queue_records, queue_bytes: bounds of what waits to be measured.
        clock: gives the time of each record.
        transport: the way to the service; by default HTTP.
        preprocessing, hardware, schema: how this process runs the model, in names of yours
            (``vigil.build``), at most 200 characters each.

    Raises:
        ValueError: a name, a URL, a token or a number that can't be used.
    """

    def __init__(
        self,
        model: str,
        version: str,
        *,
        service: str = DEFAULT_SERVICE,
        token: str | None = None,
        deployment: str = "production",
        source: str | None = None,
        keys: Sequence[str] = (),
        window_s: float = 60.0,
        spool: str | os.PathLike[str] | None = None,
        sample_size: int = 32,
        thumbnails: bool = False,
        outputs_are: OutputsAre = "probabilities",
        task: Task = "classification",
        signals: Sequence[str | Signal] = (),
        queue_records: int = 100_000,
        queue_bytes: int = DEFAULT_QUEUE_BYTES,
        clock: Clock | None = None,
        transport: Transport | None = None,
        preprocessing: str = "",
        hardware: str = "",
        schema: str = "",
    ) -> None:
        if outputs_are not in ("probabilities", "logits"):
            raise ValueError(f"outputs_are: expected probabilities or logits, found {outputs_are}")
        self._measure = Measure(
            task=task, outputs_are=outputs_are, thumbnails=thumbnails, signals=signals
        )
        self.model, self.deployment = name_of("model", model), name_of("deployment", deployment)
        self.version = name_of("version", version)
        self._given_source = None if source is None else name_of("source", source)
        self._keys, self._window_s = keys_of(keys), seconds_of("window_s", window_s)
        self._spool_directory = None if spool is None else Path(spool)
        self._sample_size = whole_of("sample_size", sample_size, least=0)
        self._thumbnails = thumbnails
        self.build = Build.of(preprocessing=preprocessing, hardware=hardware, schema=schema)
        self._queue = (
            whole_of("queue_records", queue_records, least=1),
            whole_of("queue_bytes", queue_bytes, least=1),
        )
        self._clock = clock if clock is not None else SystemClock()
        self._transport = transport or HttpTransport(
            service, token or os.environ.get("VIGIL_TOKEN")
        )
        self._closed = self._stopped = False
        self._begin()
        _LIVE.add(self)
        self._start_threads()

    def _begin(self) -> None:
        """A new boot: everything that threads share is made anew."""
        self.source = self._given_source or f"{socket.gethostname()}-{os.getpid()}"
        self.boot = secrets.token_hex(6)
        self._intake = Intake(*self._queue)
        self._wake, self._ship_wake = threading.Event(), threading.Event()
        self._collecting = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._starting = threading.Lock()
        directory = self._spool_directory
        queue = MemorySpool() if directory is None else DiskSpool(directory)
        self._pipeline = Pipeline(
            boot=self.boot,
            window_s=self._window_s,
            intake=self._intake,
            rulers=RulerCache(
                model=self.model,
                keys=self._keys,
                transport=self._transport,
                deployment=self.deployment,
                directory=None if directory is None else directory / "rulers",
            ),
            recorder=self._new_recorder,
            spool=queue,
            shipper=Shipper(queue, self._transport, rng=random.Random(self.boot)),
            measure=self._measure,
            monotonic=time.monotonic,
        )

    def _new_recorder(self, rulers: Callable[[str], Any]) -> Recorder:
        return Recorder(
            model=self.model,
            deployment=self.deployment,
            source=self.source,
            boot=self.boot,
            keys=self._keys,
            window_s=self._window_s,
            rulers=rulers,
            version=self.version,
            sample_size=self._sample_size,
            informative_size=self._sample_size // 2,
            keep_thumbnails=self._thumbnails,
            build=self.build,
        )

    def record(
        self,
        *,
        images: Any = None,
        embeddings: Any = None,
        outputs: Any = None,
        detections: Any = None,
        masks: Any = None,
        tracks: Any = None,
        texts: Sequence[str] | None = None,
        signals: Mapping[str, Any] | None = None,
        stages_s: Mapping[str, Any] | None = None,
        latency_s: Any = None,
        metadata: Metadata = None,
        ids: Sequence[str] | None = None,
        uris: Sequence[str | None] | None = None,
        trace_ids: Sequence[str | None] | None = None,
        version: str | None = None,
    ) -> list[str]:
        """Record a batch of n inferences; arrays as in ``vigil.batch.make_batch``.

        The arrays are copied; the caller may reuse them at once.

        Returns:
            n ids to give to ``label`` later: ``ids``, or ``source.boot.counter``.
        """
        arrays = {
            "images": images,
            "embeddings": embeddings,
            "outputs": outputs,
            "detections": detections,
            "masks": masks,
            "tracks": tracks,
            "texts": texts,
            "signals": signals,
            "stages_s": stages_s,
            "latency_s": latency_s,
        }
        columns = {"uris": uris, "trace_ids": trace_ids}
        names: list[str] = []
        try:
            n = rows_of({**arrays, **columns}, ids)
            if not self._intake.may_hold(n):
                return names
            first = self._intake.number(n)
            prefix = f"{self.source}.{self.boot}."
            if ids is None:
                names = [f"{prefix}{i}" for i in range(first, first + n)]
            else:
                names = [str(one) for one in islice(ids, n)]
            if n == 0:
                return names
            if self._closed:
                self._intake.lose("closed", n)
                return names
            if len(names) != n or (ids is not None and len(ids) != n):
                self._intake.lose("bad_shape", n)
                return names
            size = sum(map(bytes_of, arrays.values()))
            if not self._intake.reserve(n, size):
                self._wake.set()
                return names
            self._put(names, first, ids is not None, version, size, arrays, columns, metadata)
        except Exception:
            # The caller's inference goes on, whatever was handed in.
            self._intake.lose("error", max(1, len(names)))
        return names

    def _put(
        self,
        names: list[str],
        first: int,
        custom_ids: bool,
        version: str | None,
        size: int,
        arrays: Mapping[str, Any],
        texts: Mapping[str, Any],
        metadata: Metadata,
    ) -> None:
        try:
            pairs = {name: copied(value) for name, value in arrays.items()}
            arguments = {name: value for name, (value, _) in pairs.items()}
            arguments["metadata"] = copied_metadata(metadata)
            for name, value in texts.items():
                arguments[name] = None if value is None else list(value)
            call = Call(
                ids=names,
                first=first,
                custom_ids=custom_ids,
                time_s=self._clock.now().timestamp(),
                version=usable_name(str(version)) if version else self.version,
                arguments=arguments,
                size=size,
                ready=tuple(event for _, event in pairs.values() if event is not None),
            )
        except BaseException:
            self._intake.release(len(names), size)
            raise
        self._intake.put(call)
        if not self._threads:
            self._start_threads()

    def label(self, ids: Sequence[str] | str, y: Any) -> int:
        """Tell what the records with these ids really were.

        Args:
            ids: as ``record`` returned them.
            y: one class each, 0 or more; None and negative numbers are left out and counted.

        Returns:
            How many labels were taken.
        """
        try:
            given = [ids] if isinstance(ids, str) else ids
            given = given if hasattr(given, "__len__") else list(given)
            values = y.tolist() if hasattr(y, "tolist") else y
            values = list(values) if isinstance(values, list | tuple) else [values]
            if len(values) != len(given) or self._closed:
                self._pipeline.refuse_labels(len(given))
                return 0
            names = [str(one) for one in given]
            rows = [
                {"id": name, "label": int(value)}
                for name, value in zip(names, values, strict=True)
                if _is_class(value)
            ]
            lost = len(names) - len(rows) + self._pipeline.add_labels(rows, self._now_s())
            self._pipeline.refuse_labels(lost)
            return len(names) - lost
        except Exception:
            self._pipeline.refuse_labels(1)
            return 0

    @property
    def dropped(self) -> dict[str, int]:
        """Records that were not recorded or lost, by reason, since this boot."""
        return dict(self._pipeline.dropped())

    def stats(self) -> dict[str, Any]:
        """What the tap did since this boot: for a health endpoint or a log line."""
        line, shipper = self._pipeline, self._pipeline.shipper
        return {
            "source": self.source,
            "boot": self.boot,
            "recorded": self._intake.recorded,
            "queued": self._intake.waiting,
            "dropped": self.dropped,
            "windows": line.windows,
            "waiting": len(line.spool.entries()),
            "labels_waiting": line.labels_waiting,
            "labels_refused": line.labels_refused,
            "shipped": dict(shipper.counts),
            "set_aside": {k: v for k, v in line.spool.counts.items() if "spool" not in k},
            "rulers": dict(line.rulers.counts),
            "keys_differ": line.recorder.keys_differ,
            "last_error": shipper.last_error or line.problem,
        }

    def flush(self, timeout_s: float = 10.0) -> bool:
        """Close the open windows and wait until the service has everything; whether it has."""
        until = time.monotonic() + timeout_s
        if not self._collecting.acquire(timeout=max(0.0, timeout_s)):
            return False
        try:
            self._pipeline.collect(self._now_s(), everything=True)
        finally:
            self._collecting.release()
        if not self._threads and not self._closed:
            self._start_threads()
        while self._pipeline.spool.entries():
            self._ship_wake.set()
            if time.monotonic() >= until:
                return False
            time.sleep(0.01)
        return True

    def close(self, timeout_s: float = EXIT_S) -> None:
        """Flush as far as the time allows, say goodbye and stop. What is in a spool folder is sent
        at the next start. A source that said goodbye is not missed."""
        if self._closed:
            return
        self._closed = True
        self._pipeline.leaving = True
        with contextlib.suppress(Exception):
            self.flush(timeout_s)
        self._stopped = True
        self._wake.set()
        self._ship_wake.set()
        for thread in self._threads:
            thread.join(timeout=1.0)

    def __enter__(self) -> Tap:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _now_s(self) -> float:
        return self._clock.now().timestamp()

    def _start_threads(self) -> None:
        with self._starting:
            if self._threads or self._closed:
                return
            this = weakref.ref(self)
            self._threads = [
                threading.Thread(
                    target=_loop, args=(this, work, wake, pause), name=name, daemon=True
                )
                for name, work, wake, pause in (
                    ("vigil-collect", Tap._collect, self._wake, min(0.2, self._window_s / 10)),
                    ("vigil-ship", Tap._ship, self._ship_wake, 0.1),
                )
            ]
            for thread in self._threads:
                thread.start()

    def _collect(self) -> None:
        with self._collecting:
            if not self._closed:
                self._pipeline.collect(self._now_s())

    def _ship(self) -> None:
        while self._pipeline.ship():
            pass


def _loop(
    this: weakref.ref[Tap], work: Callable[[Tap], None], wake: threading.Event, pause_s: float
) -> None:
    """Work now and then until the tap is closed or gone."""
    while True:
        wake.wait(pause_s)
        wake.clear()
        tap = this()
        if tap is None or tap._stopped:
            return
        try:
            work(tap)
        except Exception as error:
            tap._pipeline.problem = f"{type(error).__name__}: {error}"
        del tap


def _is_class(value: Any) -> bool:
    try:
        return value is not None and int(value) == value and 0 <= int(value) < 2**31
    except (TypeError, ValueError, OverflowError):
        return False


_LIVE: weakref.WeakSet[Tap] = weakref.WeakSet()


def _at_exit() -> None:
    for tap in list(_LIVE):
        tap.close()


def _in_child() -> None:
    for tap in list(_LIVE):
        tap._begin()


atexit.register(_at_exit)
os.register_at_fork(after_in_child=_in_child)
