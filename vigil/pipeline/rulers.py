"""The ruler of each version: from memory, from disk, or from the service; else a generic one."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from vigil.catalogue import CATALOGUE
from vigil.errors import TransportError, VigilError
from vigil.measuring.batch import RecordBatch
from vigil.measuring.generic import generic_ruler
from vigil.shipping.transport import Transport
from vigil.signals.families import family_signal
from vigil.types import Signal, Task
from vigil.windows.ruler import Ruler

SOON_S = 5.0
LATER_S = 300.0
MAX_VERSIONS = 64
MAX_CLASSES = 1000
MAX_SIGNALS = 256


class RulerCache:
    """Rulers of one model's versions.

    ``get`` answers at once from memory or disk and asks the service only for a version that it has
    never seen (at most 64 of them, as a caller may pass anything for a version). ``refresh`` asks
    again, every few seconds while a version has no baseline, every few minutes afterwards. Whoever
    holds a window open keeps its ruler; a new one is seen by the next window.

    ``counts``: ``fetched``, ``unreachable``, and ``unusable`` for a ruler that is damaged, of
    another model or version, or written by a newer vigil.

    Args:
        model: the model's name.
        keys: metadata keys of the generic ruler.
        transport: the way to the service.
        deployment: where the model runs.
        directory: where rulers are kept between starts; None keeps none.
        soon_s: how often a version without a baseline is asked for.
    """

    def __init__(
        self,
        *,
        model: str,
        keys: Sequence[str],
        transport: Transport,
        deployment: str = "production",
        directory: Path | None = None,
        soon_s: float = SOON_S,
    ) -> None:
        self._model, self._keys, self._deployment = model, tuple(keys), deployment
        self._transport, self._directory, self._soon_s = transport, directory, soon_s
        self._rulers: dict[str, Ruler] = {}
        self._due_s: dict[str, float] = {}
        self.classes = 0
        self._task: Task = "classification"
        self._more: tuple[str, ...] = ()
        self._declared: dict[str, Signal] = {}
        self.counts: Counter[str] = Counter()

    def get(self, version: str, now_s: float) -> Ruler:
        """The ruler to open a window with; ``now_s`` is monotonic."""
        if version not in self._due_s and len(self._due_s) < MAX_VERSIONS:
            kept = self._from_disk(version)
            if kept is not None:
                self._rulers[version] = kept
                self._due_s[version] = now_s
            else:
                self._ask(version, now_s)
        ruler = self._rulers.get(version)
        if ruler is None:
            ruler = generic_ruler(
                self._model,
                version,
                self._keys,
                self.classes,
                deployment=self._deployment,
                task=self._task,
                declared=tuple(self._declared.values()),
                more=self._more,
            )
        return ruler

    def learn(self, batch: RecordBatch, own: Sequence[Signal] = ()) -> None:
        """What a generic ruler has to count: the classes and signals of the first batches.

        Args:
            batch: as it was measured.
            own: the signals that the tap declares.
        """
        self._task = batch.task
        if self.classes == 0:
            classes = batch.probabilities.shape[1]
            if not classes and batch.objects is not None:
                classes = int(batch.objects.classes.max(initial=-1)) + 1
            self.classes = min(classes, MAX_CLASSES)
        names = (*batch.signal_names, *batch.item_names)
        if not set(names) <= set(self._more):
            self._more = tuple(dict.fromkeys((*self._more, *names)))[:MAX_SIGNALS]
        for one in own:
            self._declared.setdefault(one.name, one)

    @property
    def policy(self) -> str | None:
        """What the service asks of taps, as it last said with a ruler; None where it has not."""
        found: str | None = getattr(self._transport, "policy", None)
        return found

    def refresh(self, now_s: float) -> None:
        """Ask the service for the version that is due, at most one a call."""
        for version, due_s in list(self._due_s.items()):
            if due_s <= now_s:
                self._ask(version, now_s)
                return

    def _ask(self, version: str, now_s: float) -> None:
        try:
            blob = self._transport.ruler(self._model, version)
        except TransportError as error:
            self.counts["unreachable"] += 1
            self._due_s[version] = now_s + max(self._soon_s, error.retry_after_s or 0.0)
            return
        ruler = None if blob is None else self._read(blob, version)
        if ruler is not None and blob is not None:
            self.counts["fetched"] += 1
            self._rulers[version] = ruler
            self._to_disk(version, blob)
        known = version in self._rulers
        self._due_s[version] = now_s + (LATER_S if known else self._soon_s)

    def _read(self, blob: bytes, version: str) -> Ruler | None:
        try:
            ruler = Ruler.from_bytes(blob)
        except (VigilError, KeyError, TypeError, ValueError):
            self.counts["unusable"] += 1
            return None
        ours = (ruler.model.name, ruler.model.version) == (self._model, version)
        declared = {one.name for one in ruler.layout.declared}
        unknown = [
            name
            for name in ruler.layout.signals
            if name not in declared and name not in CATALOGUE and family_signal(name) is None
        ]
        if not ours or unknown:
            self.counts["unusable"] += 1
            return None
        return ruler

    def _path(self, version: str) -> Path | None:
        if self._directory is None:
            return None
        name = hashlib.sha256(f"{self._model}\0{version}".encode()).hexdigest()[:32]
        return self._directory / f"{name}.ruler"

    def _from_disk(self, version: str) -> Ruler | None:
        path = self._path(version)
        if path is None:
            return None
        try:
            return self._read(path.read_bytes(), version)
        except OSError:
            return None

    def _to_disk(self, version: str, blob: bytes) -> None:
        path = self._path(version)
        if path is None:
            return
        temporary = path.with_suffix(f".{os.getpid()}.tmp")
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(blob)
            os.replace(temporary, path)
