"""Which records of a call may come to be in their window's samples: their pixels are copied now.

The samples keep the smallest of ``hash / weight`` (``vigil.windows.sample``), and the hash of an id
is known when the record is made. The weight is 1 for the uniform sample and between 0.05 and 1.05
for the informative one. So the k-th smallest hash seen in the open window bounds from above what
the uniform sample keeps, and 21 times the one of the informative sample bounds that: whatever is
beyond can't be in a sample, and what is not may be left out later. Every record of a sample was
picked.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vigil.measuring.summarise import LEAST_WEIGHT, sampling_hashes
from vigil.signals.images import as_images, make_thumbnails
from vigil.signals.strips import cut_of, rows_axis
from vigil.values.arrays import as_numpy
from vigil.values.ids import Ids

MOST_WINDOWS = 8

Key = tuple[Any, ...]
Make = Callable[[NDArray[Any], list[int]], NDArray[np.uint8]]


class Picker:
    """Picks by the windows that are open; safe for threads.

    Args:
        prefix: of ids that the caller does not give.
        window_s: length of a window, seconds.
        sample_size: of the uniform sample; the informative one has half as many.
    """

    def __init__(self, prefix: str, window_s: float, sample_size: int) -> None:
        self._prefix, self._window_s = prefix, window_s
        self._sizes = (sample_size, sample_size // 2)
        self._lock = threading.Lock()
        self._smallest: dict[Key, NDArray[np.float64]] = {}

    def pick(self, ids: Any, *, time_s: float, key: Key) -> NDArray[np.int64]:
        """Rows of the records whose pixels are kept.

        Args:
            ids: of the records.
            time_s: when they were made.
            key: what has windows of its own: version and reader.
        """
        hashes = sampling_hashes(ids)
        window = (*key, int(time_s // self._window_s))
        with self._lock:
            before = self._smallest.get(window, np.zeros(0))
            both = np.sort(np.concatenate([before, hashes]))[: max(self._sizes)]
            if window not in self._smallest and len(self._smallest) >= MOST_WINDOWS:
                self._smallest.pop(next(iter(self._smallest)))
            self._smallest[window] = both
        most, informative = self._sizes
        ratio = (1.0 + LEAST_WEIGHT) / LEAST_WEIGHT
        limit = max(_kth(both, most), ratio * _kth(both, informative))
        return np.flatnonzero((hashes <= limit) & (hashes < np.inf)).astype(np.int64)

    def thumbnails(
        self,
        images: Any,
        *,
        n: int,
        first: int,
        ids: list[str] | None,
        time_s: float,
        key: Key,
        make: Make | None = None,
    ) -> dict[str, Any]:
        """Thumbnails of the picked among n images, as two more arguments of the call.

        None for images that are copied whole: their thumbnails are made later. ``make`` makes, of
        images of any size, what is kept instead of thumbnails.
        """
        pixels = as_numpy(images, "images")
        axis = rows_axis(pixels.shape)
        small = pixels.ndim < 3 or not cut_of(*pixels.shape[axis : axis + 2]).bands
        if small and make is None:
            return {}
        named = Ids(self._prefix, first, n) if ids is None else ids
        rows = self.pick(named, time_s=time_s, key=key)
        if make is not None:
            return {"picked": rows, "small": make(pixels, rows.tolist())}
        return {"picked": rows, "small": make_thumbnails(as_images(pixels, n)[rows])}


def _kth(smallest: NDArray[np.float64], k: int) -> float:
    """The k-th smallest; nothing is beyond it while there are fewer. 0 where none is kept."""
    if k == 0:
        return 0.0
    return float(smallest[k - 1]) if len(smallest) >= k else float("inf")
