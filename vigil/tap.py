"""The tap: what a user's inference loop calls."""

from __future__ import annotations

import atexit
import contextlib
import os
import socket
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from threading import get_ident
from typing import TYPE_CHECKING, Any

from vigil.arguments import usable_name
from vigil.clock import Clock, SystemClock
from vigil.recording.inside import REENTRANT, Inside
from vigil.recording.labelled import labelled
from vigil.recording.tracing import traced
from vigil.ring.calls import rows_of
from vigil.values.ids import Ids

if TYPE_CHECKING:
    from vigil.privacy.rules import Privacy
    from vigil.recording.inference import Inference
    from vigil.recording.on_device import DeviceOption
    from vigil.recording.watching import Watched
    from vigil.shipping.transport import Transport
    from vigil.signals.declare import Declared
    from vigil.signals.predictions import OutputsAre
    from vigil.types import Signal

DEFAULT_SERVICE = "http://127.0.0.1:8080"
EXIT_S = 2.0
OFF = "VIGIL_OFF"
UNKNOWN = "unknown"


class Tap:
    """Watches one model in this process. ``record`` and ``label`` never raise and never wait.

    What is recorded is copied into a ring. Two daemon threads measure, sum and ship what is in it;
    or, with ``sidecar``, the process ``vigil sidecar`` does. What can't be recorded is counted in
    ``dropped`` by reason: ``queue_full``, ``bad_shape``, ``late``, ``bad_time``, ``closed``,
    ``error``, ``torn``, ``no_ring``, ``ring_gone``, ``reentrant``, ``capturing`` (docs/gpu.md),
    ``spool_full``, ``spool_failed``. After a fork the child is a boot of its own, with a ring of
    its own.

    Args:
        model: the model's name.
        version: the version that serves; a call of ``record`` may name another. None where only the
            calls know it: until one says it there are no heartbeats, and records without one are
            of version ``unknown``.
        service: base URL of the vigil service.
        token: ingest token; by default the environment's ``VIGIL_TOKEN``.
        deployment: where the model runs, such as ``production``.
        source: this replica; by default host and process id.
        keys: metadata keys to slice by, at most four. A baseline's own keys go first.
        window_s: length of a window, seconds.
        spool: folder in which windows survive a crash or the service being away; None keeps them
            in memory only.
        sidecar: folder, shared with ``vigil sidecar``, for this process's ring; the sidecar's own
            settings then say where the service and the spool are.
        sample_size: records kept whole in each window; half as many more by uncertainty.
        thumbnails: keep small copies of the sampled images. By default no pixels are kept.
        privacy: what may leave this process (docs/privacy.md); it says ``pixels`` too, and then
            ``thumbnails`` is not said.
        outputs_are: ``probabilities`` or ``logits``.
        task: what the model does (``vigil.measuring.batch.TASKS``); the signals follow it.
        signals: names of signals of your own that ``record`` is given, declared with ``@signal``,
            or their descriptions. Values of any other name are refused and counted
            (``signals_refused`` in ``stats``).
        plugins: modules that declare signals with ``@signal``; ``installed`` stands for those of
            the installed packages (entry points ``vigil.signals``). A sidecar imports them too.
        device: whether tensors of a GPU are measured there (docs/gpu.md): True, False for never, or
            ``compiled``. Without a sidecar only; with one, they are copied to the host.
        queue_records, queue_bytes: bounds of what waits to be measured; by default 256 MiB, and
            32 MiB with a sidecar, all of it taken at once there. One call takes at most half.
        clock: gives the time of each record.
        transport: the way to the service; by default HTTP.
        preprocessing, hardware, schema: how this process runs the model, in names of yours
            (``vigil.build``), at most 200 characters each.

    Attributes:
        enabled: may be set to False, and True again, at any time: then nothing is recorded, and
            nothing counted as dropped. False from the start where the environment has
            ``VIGIL_OFF``.

    Raises:
        ValueError: a name, a URL, a token or a number that can't be used.
    """

    def __init__(
        self,
        model: str,
        version: str | None,
        *,
        service: str = DEFAULT_SERVICE,
        token: str | None = None,
        deployment: str = "production",
        source: str | None = None,
        keys: Sequence[str] = (),
        window_s: float = 60.0,
        spool: str | os.PathLike[str] | None = None,
        sidecar: str | os.PathLike[str] | None = None,
        sample_size: int = 32,
        thumbnails: bool = False,
        privacy: Privacy | None = None,
        outputs_are: OutputsAre = "probabilities",
        task: str = "classification",
        signals: Sequence[str | Signal | Declared] = (),
        plugins: Sequence[str] = (),
        device: DeviceOption = True,
        queue_records: int = 100_000,
        queue_bytes: int | None = None,
        clock: Clock | None = None,
        transport: Transport | None = None,
        preprocessing: str = "",
        hardware: str = "",
        schema: str = "",
    ) -> None:
        given = dict(locals())  # every argument under its name
        from vigil.recording.given import Given

        self._given = Given.of(model, version, given)
        own = self._given.identity
        self.model, self.deployment = own.model, own.deployment
        self.version = own.version or UNKNOWN
        self.build = own.build
        self._measure, self._guard = self._given.measure, self._given.guard
        self._time: Callable[[], float] = time.time
        if clock is not None and not isinstance(clock, SystemClock):
            self._time = lambda: clock.now().timestamp()
        self.enabled = os.environ.get(OFF, "") in ("", "0")
        self._closed = False
        self._begin()
        _LIVE.add(self)
        self._home.start()

    def _begin(self) -> None:
        """A new boot: everything that threads share is made anew."""
        self.source = self._given.source or f"{socket.gethostname()}-{os.getpid()}"
        self.boot = os.urandom(6).hex()
        self._prefix = f"{self.source}.{self.boot}."
        self._counting = threading.Lock()
        self._inside = Inside()
        self._next = self._off = 0
        identity = replace(self._given.identity, source=self.source, boot=self.boot)
        self._home = self._given.home(identity, self._now_s, self._inside)

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
        metadata: Any = None,
        ids: Sequence[str] | None = None,
        uris: Sequence[str | None] | None = None,
        trace_ids: Sequence[str | None] | None = None,
        version: str | None = None,
    ) -> Sequence[str]:
        """Record a batch of n inferences; arrays as in ``vigil.measuring.batch.make_batch``.

        The arrays are copied; the caller may reuse them at once.

        Returns:
            n ids to give to ``label`` later: ``ids``, or ``source.boot.counter``, which are made
            when they are looked at (``vigil.values.ids``).
        """
        arguments = {
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
            "uris": uris,
            "trace_ids": trace_ids,
        }
        inside, me = self._inside, get_ident()
        if me in inside.threads:
            return self._reentered(arguments, ids)
        try:
            inside.threads.add(me)
            return self._record(arguments, metadata, ids, version)
        finally:
            try:
                if inside.missed:
                    self._count_missed()
            finally:
                inside.threads.discard(me)

    def _record(
        self,
        arguments: dict[str, Any],
        metadata: Any,
        ids: Sequence[str] | None,
        version: str | None,
    ) -> Sequence[str]:
        names: Sequence[str] = []
        untraced = arguments["trace_ids"] is None
        try:
            n = rows_of(arguments, ids)
            if n <= 0 or n > self._given.max_records:
                return self._refused(n)
            with self._counting:
                first, self._next = self._next, self._next + n
            given = None
            if ids is None:
                names = Ids(self._prefix, first, n)
            else:
                names = given = [str(one) for one in islice(ids, n)]
            if self._closed or not self.enabled:
                self._idle(n)
            elif ids is not None and (len(names) != n or len(ids) != n):
                self._home.lose("bad_shape", n)
            else:
                if self._guard is not None:
                    cleaned = self._guard.clean(
                        ids=list(names),
                        chosen=given is not None,
                        arguments=arguments,
                        metadata=metadata,
                        time_s=self._time(),
                        prefix=self._prefix,
                    )
                    arguments, metadata, names = cleaned.arguments, cleaned.metadata, cleaned.told
                    n, given = len(cleaned.ids), cleaned.ids if cleaned.chosen else None
                    if cleaned.dropped:
                        self._home.lose("no_consent", cleaned.dropped)
                    if not n:
                        return names
                known = usable_name(str(version)) if version else self.version
                if untraced:
                    traced(arguments, names, n, model=self.model, version=known)
                self._home.put(arguments, metadata, n, first, given, self._time(), known)
        except Exception:
            # The caller's inference goes on, whatever was handed in.
            self.lose("error", max(1, len(names)))
        return names

    def lose(self, reason: str, n: int = 1) -> None:
        """Count records that could not even be handed to ``record``; for adapters."""
        if get_ident() in self._inside.threads:
            self._inside.missed.append((reason, n))
            return
        with contextlib.suppress(Exception), self._inside.here():
            self._home.lose(reason, n)

    def _reentered(self, arguments: dict[str, Any], ids: Any) -> Sequence[str]:
        """A call in the middle of another of the same thread: dropped, for it can't wait."""
        with contextlib.suppress(Exception):
            n = rows_of(arguments, ids)
            if n > 0 and self.enabled:
                self._inside.missed.append((REENTRANT, n))
                return [""] * min(n, self._given.max_records)
        return []

    def _count_missed(self) -> None:
        missed = self._inside.missed
        with contextlib.suppress(Exception), self._inside.here():
            while missed:
                self._home.lose(*missed.popleft())

    def _refused(self, n: int) -> Sequence[str]:
        if n:
            most = self._given.max_records
            self._home.lose("queue_full" if n > 0 else "bad_shape", max(1, min(n, most)))
        return []

    def _idle(self, n: int) -> None:
        if self._closed:
            self._home.lose("closed", n)
        else:
            with self._counting:
                self._off += n

    def label(self, ids: Sequence[str] | str, y: Any) -> int:
        """Tell what the records with these ids really were.

        Args:
            ids: as ``record`` returned them.
            y: one class each, 0 or more; None and negative numbers are left out and counted. Of
                more than 100,000 at once none is taken.

        Returns:
            How many labels were taken.
        """
        if not self.enabled:
            return 0
        try:
            rows, n = labelled(ids, y)
            if self._closed or get_ident() in self._inside.threads:
                rows = []
            with self._inside.here():
                if self._guard is not None:
                    rows = self._guard.label_rows(rows, time_s=self._now_s(), prefix=self._prefix)
                lost = n - len(rows) + (self._home.label(rows, self._now_s()) if rows else 0)
            self._home.refuse_labels(lost)
            return n - lost
        except Exception:
            self._home.refuse_labels(1)
            return 0

    def inference(self, **arguments: Any) -> Inference:
        """One inference, or a batch, with the time of its stages (``recording.inference``)."""
        from vigil.recording.inference import Inference

        return Inference(self, arguments)

    def watch_call(
        self, *, outputs: Callable[[Any], Any] | None = None, **arguments: Any
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Decorates a function that infers; see ``vigil.recording.inference.watched``."""
        from vigil.recording.inference import watched

        decorator: Callable[[Callable[..., Any]], Callable[..., Any]] = watched(
            self, outputs=outputs, arguments=arguments
        )
        return decorator

    def watch(
        self,
        module: Any,
        *,
        embedding: str | None = None,
        images: bool = False,
        outputs: Callable[[Any], Any] | None = None,
        metadata: Callable[[], Any] | None = None,
    ) -> Watched:
        """Records every forward pass of a ``torch.nn.Module``; see ``vigil.recording.watching``."""
        from vigil.recording.watching import watch

        return watch(
            self, module, embedding=embedding, images=images, outputs=outputs, metadata=metadata
        )

    @property
    def dropped(self) -> dict[str, int]:
        """Records that were not recorded or lost, by reason, since this boot."""
        if get_ident() not in self._inside.threads:
            self._count_missed()
        return dict(self._home.dropped())

    def stats(self) -> dict[str, Any]:
        """What the tap did since this boot: for a health endpoint or a log line."""
        from vigil.privacy.guard import told

        return {
            "source": self.source,
            "boot": self.boot,
            "enabled": self.enabled,
            "off": self._off,
            "dropped": self.dropped,
            "signals_refused": dict(self._measure.refused),
            "privacy": told(self._guard, self._given.pictures),
            **self._home.stats(),
        }

    def flush(self, timeout_s: float = 10.0) -> bool:
        """Close the open windows and wait until the service has everything; whether it has. With a
        sidecar: wait until that has taken everything over."""
        return self._home.flush(timeout_s)

    def close(self, timeout_s: float = EXIT_S) -> None:
        """Flush as far as the time allows, say goodbye and stop. What is in a spool folder is sent
        at the next start; what is in a ring, the sidecar reads. A source that said goodbye is not
        missed."""
        if self._closed:
            return
        self._closed = True
        self._home.close(timeout_s)

    def __enter__(self) -> Tap:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _now_s(self) -> float:
        return self._time()


_LIVE: weakref.WeakSet[Tap] = weakref.WeakSet()


def _at_exit() -> None:
    for tap in list(_LIVE):
        tap.close()


def _in_child() -> None:
    for tap in list(_LIVE):
        tap._home.leave_to_parent()
        tap._begin()


atexit.register(_at_exit)
os.register_at_fork(after_in_child=_in_child)
