"""What ``Tap.record`` keeps of a call: a copy in the ring, made without waiting."""

from __future__ import annotations

import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vigil.errors import ShapeError
from vigil.measuring.picks import Make, Picker
from vigil.privacy.pictures import Pictures
from vigil.privacy.rows import arrived, has_remote_boxes
from vigil.ring import layout
from vigil.ring.calls import Call, rows_of
from vigil.ring.encode import Encoder, RemoteError, is_remote
from vigil.ring.identity import Identity
from vigil.ring.memory import Memory
from vigil.ring.writer import Writer
from vigil.values.tensors import is_capturing
from vigil.values.texts import as_metadata

__all__ = ["Call", "Intake", "rows_of"]

MOST_DEFERRED = 256
WINDOWS_APART = 10**9
"""Between the numbers of the windows of two rings of one boot: both may be read at once."""


@dataclass(frozen=True, slots=True)
class _Later:
    """A call whose arrays are still on their way from an accelerator."""

    arguments: dict[str, Any]
    events: list[Any]
    rest: tuple[Any, ...]
    n: int


class Intake:
    """The caller's end of a ring.

    Args:
        identity: whose records these are.
        folder: where the ring is a file for a sidecar; None keeps it in this process.
        max_records, max_bytes: bounds of what waits.
        pictures: what is kept of whole images; as they are, small, where None.
        former: the ring of this boot before, whose file is gone.

    Raises:
        OSError: the ring can't be made.
    """

    number: int
    _later_lock: threading.RLock

    def __init__(
        self,
        identity: Identity,
        *,
        folder: Path | None,
        max_records: int,
        max_bytes: int,
        pictures: Pictures | None = None,
        former: Intake | None = None,
    ) -> None:
        self.number = number = 0 if former is None else former.number + 1
        if folder is None:
            memory = Memory.private(max_bytes)
        else:
            first = number * WINDOWS_APART
            memory = Memory.create(folder, max_bytes, identity, number=number, first_window=first)
        self.memory = memory
        self.writer = Writer(memory, max_records=max_records, max_bytes=max_bytes)
        self.max_records = max_records
        self._encoder = Encoder()
        self._picker = (
            Picker(f"{identity.source}.{identity.boot}.", identity.window_s, identity.sample_size)
            if identity.thumbnails
            else None
        )
        self._pictures = None if pictures is None or pictures.is_plain else pictures
        self._shared = folder is not None
        self._later: deque[_Later] = deque() if former is None else former._later
        self._later_lock = threading.RLock() if former is None else former._later_lock

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
        """Copy a call of n records into the ring, or count why not; never raises an ``Exception``.

        Arrays of an accelerator are copied in their stream's order, and follow when they are here.

        Returns:
            Whether it was kept.
        """
        try:
            return self._write(arguments, metadata, n, first, ids, time_s, version)
        except RemoteError:
            return self._defer(arguments, (metadata, n, first, ids, time_s, version), n)
        except ShapeError:
            self.writer.lose("bad_shape", n)
        except Exception:
            self.writer.lose("error", n)
        return False

    def settle(self, *, wait: bool = False) -> int:
        """Copy deferred calls whose arrays have arrived; how many still wait.

        Args:
            wait: until all have arrived.
        """
        while True:
            with self._later_lock:
                if not self._later:
                    return 0
                call = self._later.popleft()
                if not wait and not all(event.query() for event in call.events):
                    self._later.appendleft(call)
                    return len(self._later)
            try:
                for event in call.events:
                    event.synchronize()
                self._write(arrived(call.arguments), *call.rest)
            except ShapeError:
                self.writer.lose("bad_shape", call.n)
            except Exception:
                self.writer.lose("error", call.n)

    @property
    def deferred(self) -> int:
        return len(self._later)

    def put_labels(self, blob: bytes) -> bool:
        """Labels as JSON, for the sidecar; whether there was room."""
        at = self.writer.reserve(layout.LABELS, layout.SLOT_HEADER + len(blob), 0)
        if at is None:
            return False
        start = at + layout.SLOT_HEADER
        try:
            self.memory.bytes[start : start + len(blob)] = blob
            self.memory.words[(at >> 3) + layout.LENGTHS] = len(blob) << 32
            self.writer.commit(at)
        except BaseException:
            self.writer.abandon(at)
            raise
        return True

    def close(self) -> None:
        """Say that nothing more comes, and give the memory back."""
        self.writer.close()
        self.memory.let_go()

    def leave_to_parent(self) -> None:
        """After a fork: the ring is the parent's; the child must not keep it alive."""
        self.memory.let_go()

    def _write(
        self,
        arguments: dict[str, Any],
        metadata: Any,
        n: int,
        first: int,
        ids: list[str] | None,
        time_s: float,
        version: str,
    ) -> bool:
        images = arguments.get("images")
        if images is not None and (self._picker or self._pictures):
            if is_remote(images) or has_remote_boxes(arguments):
                raise RemoteError
            key = version, int(self.memory.words[layout.READER])
            arguments = self._pictured(arguments, metadata, n, first, ids, time_s, key)
        form, load = self._encoder.read(version, arguments, metadata, ids)
        texts = self._encoder.texts(load, form)
        at = self.writer.reserve(layout.CALL, form.texts_at + len(texts), n)
        if at is None:
            return False
        try:
            word = at >> 3
            words = self.memory.words
            words[word + layout.FIRST] = first
            self.memory.times[word + layout.TIME] = time_s
            words[word + layout.LENGTHS] = len(form.head) << 32 | len(texts)
            self._encoder.write(load, form, texts, self.memory.bytes, at)
            self.writer.commit(at)
        except BaseException:
            # A signal's too: a slot that stays open would be waited for as long as we live.
            self.writer.abandon(at)
            raise
        return True

    def _pictured(
        self,
        arguments: dict[str, Any],
        metadata: Any,
        n: int,
        first: int,
        ids: list[str] | None,
        time_s: float,
        key: tuple[str, int],
    ) -> dict[str, Any]:
        """The arguments with the pictures that a sample may keep, redacted."""
        pictures, ready = self._pictures, False
        boxes = {name: arguments.get(name) for name in ("detections", "tracks")}
        rows = as_metadata(metadata, n) if pictures is not None else ()
        if pictures is not None and pictures.redacts and self._shared:
            # Another process reads this memory: nothing comes into it that no hook has seen.
            found = pictures.whole(arguments["images"], n, metadata=rows, **boxes)
            arguments, ready = {**arguments, "images": found}, True
            if found is None:
                return arguments
        if self._picker is None:
            return arguments
        make: Make | None = None
        if pictures is not None:
            of = pictures.of

            def make(images: Any, picked: list[int]) -> Any:
                return of(images, picked, n, ready=ready, metadata=rows, **boxes)

        kept_small = self._picker.thumbnails(
            arguments["images"], n=n, first=first, ids=ids, time_s=time_s, key=key, make=make
        )
        return arguments | kept_small

    def _defer(self, arguments: dict[str, Any], rest: tuple[Any, ...], n: int) -> bool:
        if is_capturing():  # nothing is inferred now, and a copy would spoil the graph
            self.writer.lose("capturing", n)
            return False
        if len(self._later) >= MOST_DEFERRED:
            self.writer.lose("queue_full", n)
            return False
        events: list[Any] = []
        try:
            here = {name: brought(value, events) for name, value in arguments.items()}
        except Exception:
            self.writer.lose("error", n)
            return False
        metadata, *others = rest
        with self._later_lock:
            self._later.append(_Later(here, events, (kept(metadata), *others), n))
        return True


def brought(value: Any, events: list[Any]) -> Any:
    """A copy in this machine's memory that later changes by the caller don't reach."""
    if isinstance(value, Mapping):
        return {name: brought(one, events) for name, one in value.items()}
    if hasattr(value, "detach") and hasattr(value, "clone"):
        tensor = value.detach()
        if not getattr(tensor, "is_cuda", False):
            return tensor.clone() if tensor.device.type == "cpu" else tensor.to("cpu")
        there = tensor.to("cpu", non_blocking=True)
        cuda = sys.modules["torch"].cuda
        events.append(cuda.current_stream(tensor.device).record_event())
        return there
    copy: Callable[[], Any] | None = getattr(value, "copy", None)
    return copy() if callable(copy) else value


def kept(metadata: Any) -> Any:
    if isinstance(metadata, Mapping):
        return {
            key: value.tolist() if hasattr(value, "tolist") else value
            for key, value in metadata.items()
        }
    return None if metadata is None else [dict(row) for row in metadata]
