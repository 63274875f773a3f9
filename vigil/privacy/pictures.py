"""What is kept of the pictures of records that a sample may hold."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vigil.arrays import as_numpy
from vigil.objects import Objects
from vigil.privacy.png import to_png
from vigil.privacy.redaction import pictured, redacted
from vigil.privacy.rules import Privacy
from vigil.signals.images import as_bytes, as_images, make_thumbnails

REDACTION_FAILED = "redaction_failed"
TOO_LARGE = "picture_too_large"


class Pictures:
    """Makes of whole images what may be kept: nothing, thumbnails or whole pictures, redacted.

    ``counts``: pictures that were lost, by reason (``redaction_failed``, ``picture_too_large``);
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
        metadata: Sequence[Mapping[str, Any]],
        detections: Any = None,
        tracks: Any = None,
    ) -> NDArray[np.uint8]:
        """Pictures of some of n records, (m, h, w, c) uint8: thumbnails, or whole where the privacy
        says ``full``; h = 0 where none is kept. Never raises for what a hook does.

        Args:
            images: of all n, in a form that ``as_images`` takes.
            rows: which m records.
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
        if privacy.hooks:
            objects = None if detections is None else Objects.of(detections, n, tracks)
            told = pictured(list(rows), metadata, objects)
            found, problem = redacted(np.ascontiguousarray(chosen), told, privacy.hooks)
            if found is None:
                self._lose(REDACTION_FAILED, len(rows), problem)
                return np.zeros((len(rows), 0, 0, 1), np.uint8)
            chosen = found
        return as_bytes(chosen) if privacy.pixels == "full" else make_thumbnails(chosen)

    def files(self, pictures: NDArray[np.uint8]) -> tuple[bytes, ...]:
        """Whole pictures (m, h, w, c) as PNG; empty where one is larger than the privacy allows."""
        limit = self._privacy.picture_bytes
        files = []
        for picture in pictures:
            raw = to_png(picture) if picture.size else b""
            if len(raw) > limit:
                self._lose(TOO_LARGE, 1)
                raw = b""
            files.append(raw)
        return tuple(files)

    def _lose(self, what: str, n: int, problem: str = "") -> None:
        with self._lock:
            self.counts[what] += n
            self.problem = problem or self.problem
