"""What is kept of the pictures of records that a sample may hold."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vigil.privacy.redaction import pictured, redacted
from vigil.privacy.rules import Privacy
from vigil.signals.images import as_bytes, as_images, make_thumbnails
from vigil.values.arrays import as_numpy
from vigil.values.objects import Objects

REDACTION_FAILED = "redaction_failed"


class Pictures:
    """Makes of whole images what may be kept: nothing, thumbnails or whole pictures, redacted.

    ``counts``: pictures that were lost, by reason (``redaction_failed``);
    ``problem``: why a redaction failed last, without anything of the picture or the record.
    """

    def __init__(self, privacy: Privacy) -> None:
        self._privacy = privacy
        self._lock = threading.Lock()
        self.counts: Counter[str] = Counter()
        self.problem = ""

    def of(
        self,
        images: Any,
        rows: Sequence[int],
        n: int,
        *,
        ready: bool = False,
        metadata: Sequence[Mapping[str, Any]],
        detections: Any = None,
        tracks: Any = None,
    ) -> NDArray[np.uint8]:
        """Pictures of some of n records, (m, h, w, c) uint8: thumbnails, or whole where the privacy
        says ``full``; h = 0 where none is kept. Never raises for what a hook does.

        Args:
            images: of all n, in a form that ``as_images`` takes.
            rows: which m records.
            ready: whether the images were redacted already.
            metadata: n mappings, for the hooks.
            detections, tracks: as ``Objects.of`` takes them; None where there are none.

        Raises:
            ShapeError: images or detections that don't fit n records.
        """
        privacy = self._privacy
        if privacy.pixels == "none" or not len(rows):
            return np.zeros((len(rows), 0, 0, 1), np.uint8)
        # Picked by index: a copy, into which hooks may write.
        chosen = as_images(as_numpy(images, "images"), n)[np.asarray(rows, np.int64)]
        if privacy.hooks and not ready:
            found = self._redacted(chosen, rows, n, metadata, detections, tracks)
            if found is None:
                return np.zeros((len(rows), 0, 0, 1), np.uint8)
            chosen = found
        return as_bytes(chosen) if privacy.pixels == "full" else make_thumbnails(chosen)

    @property
    def is_plain(self) -> bool:
        """Whether a picture is kept as it came, small."""
        return not self._privacy.hooks and self._privacy.pixels != "full"

    @property
    def redacts(self) -> bool:
        """Whether pictures pass a hook."""
        return bool(self._privacy.hooks)

    def whole(
        self,
        images: Any,
        n: int,
        *,
        metadata: Sequence[Mapping[str, Any]],
        detections: Any = None,
        tracks: Any = None,
    ) -> NDArray[Any] | None:
        """All n images redacted, (n, h, w, c): for memory that another process reads. None where a
        hook failed."""
        copy = as_images(as_numpy(images, "images"), n).copy()
        found = self._redacted(copy, range(n), n, metadata, detections, tracks)
        return found

    def _redacted(
        self,
        chosen: NDArray[Any],
        rows: Sequence[int],
        n: int,
        metadata: Sequence[Mapping[str, Any]],
        detections: Any,
        tracks: Any,
    ) -> NDArray[Any] | None:
        objects = None if detections is None else Objects.of(detections, n, tracks)
        told = pictured(list(rows), metadata, objects)
        found, problem = redacted(np.ascontiguousarray(chosen), told, self._privacy.hooks)
        if found is None:
            self._lose(REDACTION_FAILED, len(rows), problem)
        return found

    def _lose(self, what: str, n: int, problem: str = "") -> None:
        with self._lock:
            self.counts[what] += n
            self.problem = problem or self.problem
