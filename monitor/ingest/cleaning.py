"""What a window must be to be taken in: plain rules, each with a reason of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import numpy as np

from monitor.ingest.shapes import sample_problem
from vigil.arguments import NAME_LIMIT
from vigil.build import fits
from vigil.measuring.columns import per_box_of
from vigil.windows.summary import FEATURE_UNIT, MOMENT_CLIP, MOMENT_UNIT, Ints, Layout, Summary
from vigil.windows.window import Ledger, Window

BOOT_LIMIT = 64
CELL_LIMIT = 1024
"""Cells of one window; a tap makes at most 256."""
_COUNTER_LIMIT = 2**63
_RECORDS_LIMIT = 2**28
"""No source counts more in a window; sums of squares over all sources then fit 64 bits."""
_DROPPED_LIMIT = 2**53
_REASONS_LIMIT = 64
_MOMENT_LIMIT = int(MOMENT_CLIP * MOMENT_UNIT)


class Refusal(StrEnum):
    """Why a window or a label was refused."""

    MALFORMED = "malformed"
    FROM_THE_FUTURE = "from the future"
    TOO_OLD = "older than retention"
    BAD_NAME = "bad name"
    NUMBERS_DISAGREE = "numbers disagree"
    RULER_OF_ANOTHER_MODEL = "ruler of another model"
    RULER_OF_ANOTHER_LAYOUT = "ruler of another layout"
    UNKNOWN_RECORD = "unknown record"
    OTHER_LABEL_EXISTS = "already labelled otherwise"


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownRuler:
    """What the service knows of a ruler that a window claims to be measured with."""

    model: str
    version: str
    layout: Layout
    is_active: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Refused:
    reason: Refusal
    detail: str


def judge(
    window: Window,
    *,
    now: datetime,
    max_future_s: float,
    max_age_days: float | None,
    rulers: Mapping[str, KnownRuler],
) -> Refused | bool:
    """Whether a window is taken in: True where it is verified, False where it is not judged."""
    refused = (
        _names(window)
        or _times(window, now, max_future_s, max_age_days)
        or _sums(window)
        or _bounds(window)
        or _samples(window)
    )
    if refused is not None:
        return refused
    ruler = rulers.get(window.ruler)
    if ruler is None:
        return False
    if (ruler.model, ruler.version) != (window.model.name, window.model.version):
        return Refused(
            reason=Refusal.RULER_OF_ANOTHER_MODEL,
            detail=f"expected the ruler of {window.model.name}@{window.model.version}, "
            f"found {window.ruler} of {ruler.model}@{ruler.version}",
        )
    if ruler.layout != window.summary.layout:
        return Refused(
            reason=Refusal.RULER_OF_ANOTHER_LAYOUT,
            detail=f"expected {ruler.layout}, found {window.summary.layout}",
        )
    return ruler.is_active


def has_names(window: Window) -> bool:
    """Whether a database can be asked for a window's names."""
    return _names(window) is None


def _names(window: Window) -> Refused | None:
    model = window.model
    names: tuple[tuple[str, object, int], ...] = (
        ("source", window.source, NAME_LIMIT),
        ("boot", window.boot, BOOT_LIMIT),
        ("model", model.name, NAME_LIMIT),
        ("version", model.version, NAME_LIMIT),
        ("deployment", model.deployment, NAME_LIMIT),
        ("ruler", window.ruler, BOOT_LIMIT),
    )
    for what, text, limit in names:
        if not isinstance(text, str) or not text or len(text) > limit or not text.isprintable():
            return Refused(
                reason=Refusal.BAD_NAME,
                detail=f"{what}: expected 1 to {limit} printable characters, found {text!r:.80}",
            )
    for what, text in window.build.items():
        if not fits(text):
            return Refused(
                reason=Refusal.BAD_NAME,
                detail=f"{what}: expected at most {NAME_LIMIT} printable characters, "
                f"found {text!r:.80}",
            )
    return None


def _times(
    window: Window, now: datetime, max_future_s: float, max_age_days: float | None
) -> Refused | None:
    if window.end > now + timedelta(seconds=max_future_s):
        return Refused(
            reason=Refusal.FROM_THE_FUTURE,
            detail=f"expected an end before {now + timedelta(seconds=max_future_s):%F %T}Z, "
            f"found {window.end:%F %T}Z",
        )
    if max_age_days is not None and window.end < now - timedelta(days=max_age_days):
        return Refused(
            reason=Refusal.TOO_OLD,
            detail=f"expected an end after {now - timedelta(days=max_age_days):%F %T}Z, "
            f"found {window.end:%F %T}Z",
        )
    return None


def _bounds(window: Window) -> Refused | None:
    """No number is beyond what it can be, so that none overflows where windows are added up."""
    summary = window.summary
    problem = ""
    if len(summary.cells) > CELL_LIMIT:
        problem = f"{len(summary.cells)} cells: expected at most {CELL_LIMIT}"
    elif len(window.dropped) > _REASONS_LIMIT:
        problem = f"{len(window.dropped)} reasons to drop: expected at most {_REASONS_LIMIT}"
    elif any(
        array.size and int(array.max()) > _RECORDS_LIMIT
        for array in (summary.counts, summary.classes, summary.records, _total(summary))
    ):
        problem = f"a count is beyond {_RECORDS_LIMIT}"
    elif any(
        (array < -limit).any() or (array > limit).any()
        for array, limit in (
            (summary.moments[..., 0], summary.counts.sum(axis=2) * _MOMENT_LIMIT),
            (summary.moments[..., 1], summary.counts.sum(axis=2) * _MOMENT_LIMIT**2),
            (summary.features, summary.embedded[:, None] * FEATURE_UNIT),
        )
    ):
        problem = "a sum is beyond what so many records can make"
    elif not 0 <= window.sequence < _COUNTER_LIMIT:
        problem = f"sequence {str(window.sequence)[:40]} is out of range"
    return Refused(reason=Refusal.NUMBERS_DISAGREE, detail=problem) if problem else None


def _sums(window: Window) -> Refused | None:
    """Counts are counts: not negative, and as many in the bins of a signal as there are records, or
    as many in all signals of boxes."""
    summary, ledger = window.summary, window.ledger
    totals, boxes = summary.counts.sum(axis=2), per_box_of(summary.layout)
    of_records, of_boxes = totals[:, ~boxes], totals[:, boxes]
    problem = ""
    if len(set(summary.cells)) != len(summary.cells):
        problem = "a cell comes twice"
    elif any(
        array.size and int(array.min()) < 0
        for array in (summary.records, summary.counts, summary.classes, summary.embedded)
    ):
        problem = "a count is negative"
    elif (of_records != summary.records[:, None]).any():
        problem = "the bins of a signal do not add up to the records"
    elif (of_boxes != of_boxes[:, :1]).any():
        problem = "the bins of the signals of boxes do not add up to the same"
    elif (summary.embedded > summary.records).any():
        problem = "more embeddings than records"
    elif not _is_ledger(ledger):
        problem = "the ledger's columns have other types"
    elif len(ledger) and int(ledger.counter.max()) >= _COUNTER_LIMIT:
        problem = "a record's counter is out of range"
    elif len(ledger) and int(ledger.cell.max()) >= len(summary.cells):
        problem = "the ledger names a cell that the summary does not have"
    elif any(not 0 <= count <= _DROPPED_LIMIT for count in window.dropped.values()):
        problem = f"a count of dropped records is negative or beyond {_DROPPED_LIMIT}"
    return Refused(reason=Refusal.NUMBERS_DISAGREE, detail=problem) if problem else None


def _total(summary: Summary) -> Ints:
    """Clipped first, so that the sum can't overflow."""
    clipped: Ints = np.minimum(summary.records, _RECORDS_LIMIT + 1)
    return np.asarray(clipped.sum(keepdims=True), np.int64)


def _is_ledger(ledger: Ledger) -> bool:
    return all(
        column.ndim == 1 and column.dtype == kind
        for column, kind in (
            (ledger.counter, np.uint64),
            (ledger.cell, np.uint16),
            (ledger.prediction, np.int32),
            (ledger.confidence, np.float32),
        )
    )


def _samples(window: Window) -> Refused | None:
    """Sampled records that would not fit beside those of other windows."""
    problem = sample_problem(window)
    return Refused(reason=Refusal.MALFORMED, detail=problem) if problem else None
