"""Whether the records that a window carries have the types and shapes that they must have.

One window that does not would spoil the part in which it is stored with others.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from vigil.values.objects import MOST_A_RECORD
from vigil.values.png import size_of
from vigil.windows.sample import Sample
from vigil.windows.window import Window

TEXT_LIMIT = 8192
"""Of an id, a URI or a value of the metadata; the tap sends nothing longer."""
THUMBNAIL_LIMIT = 1024
PICTURE_LIMIT = 16 * 2**20
LATEST_S = 253_402_300_799.0  # the last second of the year 9999

_COLUMNS: tuple[tuple[str, int, type[np.generic]], ...] = (
    ("time_s", 1, np.float64),
    ("prediction", 1, np.int32),
    ("priority", 1, np.float64),
    ("weight", 1, np.float64),
    ("signals", 2, np.float32),
    ("probabilities", 2, np.float16),
    ("embedding", 2, np.float16),
    ("thumbnails", 4, np.uint8),
)


def sample_problem(window: Window) -> str:
    """What is wrong with the samples or the ids of a window; empty where nothing is."""
    texts: list[Any] = [*window.ledger.ids, *window.dropped]
    for cell in window.summary.cells:
        texts.extend(cell)
    for what, sample in (("sample", window.sample), ("informative", window.informative)):
        if not len(sample):
            continue
        problem = _columns(sample)
        if problem:
            return f"{what}.{problem}"
        texts.extend((*sample.ids, *sample.versions, *sample.uris, *sample.trace_ids))
        texts.extend(sample.signal_names)
        metadata: Any  # what came over the wire may be anything
        for metadata in sample.metadata:
            if not isinstance(metadata, dict):
                return f"{what}.metadata: expected a mapping, found {type(metadata).__name__}"
            texts.extend(metadata.values())
            texts.extend(metadata)
    return _not_texts(texts)


def _columns(sample: Sample) -> str:
    for name, dimensions, kind in _COLUMNS:
        column = getattr(sample, name)
        if column.ndim != dimensions or column.dtype != kind:
            return (
                f"{name}: expected {dimensions} dimensions of {np.dtype(kind)}, "
                f"found {column.ndim} of {column.dtype}"
            )
    if sample.signals.shape[1] != len(sample.signal_names):
        return (
            f"signals: expected {len(sample.signal_names)} columns, found {sample.signals.shape[1]}"
        )
    _, height, width, channels = sample.thumbnails.shape
    is_image = height and 0 < width <= THUMBNAIL_LIMIT and channels in (1, 3, 4)
    if height > THUMBNAIL_LIMIT or (height and not is_image):
        return (
            f"thumbnails: expected at most {THUMBNAIL_LIMIT} x {THUMBNAIL_LIMIT} pixels of 1, 3 or "
            f"4 channels, found {height} x {width} of {channels}"
        )
    if not (np.isfinite(sample.time_s) & (np.abs(sample.time_s) < LATEST_S)).all():
        return "time_s: expected seconds since 1970, found a time that is none"
    if not (np.isfinite(sample.priority) & np.isfinite(sample.weight)).all():
        return "priority, weight: expected finite numbers"
    if sample.objects is not None and int(sample.objects.counts.max(initial=0)) > MOST_A_RECORD:
        return f"objects: expected at most {MOST_A_RECORD} boxes a record"
    if any(one and not _is_picture(one) for one in sample.pictures):
        return f"pictures: expected PNG files of at most {PICTURE_LIMIT} bytes"
    return ""


def _is_picture(raw: bytes) -> bool:
    return len(raw) <= PICTURE_LIMIT and size_of(raw) is not None


def _not_texts(texts: Iterable[Any]) -> str:
    values = list(texts)
    try:
        "".join(values).encode()
    except (TypeError, UnicodeEncodeError) as error:
        return f"expected text, found something else: {error}"
    for text in values:
        if len(text) > TEXT_LIMIT or "\x00" in text:
            return f"expected at most {TEXT_LIMIT} characters without NUL, found {text!r:.80}"
    return ""
