"""Windows in the database: a row to search by, the summary as a compact blob."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Executable, select, update
from sqlalchemy.orm import Session

from monitor.store.tables import WindowRow
from vigil.errors import VigilError
from vigil.quality.counts import NO_FAULTS, Quality
from vigil.types import ModelRef
from vigil.windows import wire
from vigil.windows.summary import Summary
from vigil.windows.window import Ledger

_SMALL = (np.uint8, np.int8, np.uint16, np.int16, np.int32)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class StoredWindow:
    """A window as it was ingested. ``verified``: measured with the ruler of an active baseline.

    ``judged_by`` is the id of the tick that counted it; None where none has.
    """

    id: int
    source: str
    boot: str
    sequence: int
    model: ModelRef
    start: datetime
    end: datetime
    received_at: datetime
    origin: str
    ruler: str
    verified: bool
    records: int
    dropped: int
    sample_part: str | None
    judged_by: int | None
    summary: Summary
    dropped_by: Mapping[str, int] = field(default_factory=dict)
    quality: Quality = NO_FAULTS


def pack_summary(
    summary: Summary, dropped: Mapping[str, int], quality: Quality = NO_FAULTS
) -> bytes:
    """A summary in the narrowest integers that hold it, about a tenth of its size in memory."""
    arrays = {name: narrow(array) for name, array in summary.to_arrays().items()}
    header = {**summary.header(), "dropped": dict(dropped)}
    if quality:
        header["quality"] = quality.to_json(summary.cells)
    return wire.pack(header, arrays)


def unpack_summary(blob: bytes) -> tuple[Summary, dict[str, int], Quality]:
    """What ``pack_summary`` wrote: the summary, what was dropped by reason, and data faults."""
    header, arrays = wire.unpack(blob)
    wide = {name: array.astype(np.int64) for name, array in arrays.items()}
    summary = Summary.from_parts(header, wide)
    return summary, header["dropped"], Quality.from_json(header.get("quality", {}), summary.cells)


def narrow(array: NDArray[np.int64]) -> NDArray[Any]:
    """The same integers in the smallest type that holds them."""
    if not array.size:
        return array
    low, high = int(array.min()), int(array.max())
    for kind in _SMALL:
        bounds = np.iinfo(kind)
        if bounds.min <= low and high <= bounds.max:
            return array.astype(kind)
    return array


def pack_ledger(
    ledger: Ledger, keys: Sequence[str], cells: Sequence[tuple[str, ...]]
) -> bytes | None:
    """The predictions of a window, with the cells that they fall in; None where there are none."""
    if not len(ledger):
        return None
    header = {
        "ids": list(ledger.ids),
        "keys": list(keys),
        "cells": [list(cell) for cell in cells],
    }
    return wire.pack(
        header,
        {
            "counter": ledger.counter,
            "cell": ledger.cell,
            "prediction": ledger.prediction,
            "confidence": ledger.confidence,
        },
    )


def unpack_ledger(blob: bytes) -> tuple[Ledger, tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """What ``pack_ledger`` wrote: the ledger, its keys and its cells."""
    header, arrays = wire.unpack(blob)
    ledger = Ledger(
        counter=arrays["counter"],
        cell=arrays["cell"],
        prediction=arrays["prediction"],
        confidence=arrays["confidence"],
        ids=tuple(header["ids"]),
    )
    return ledger, tuple(header["keys"]), tuple(tuple(cell) for cell in header["cells"])


_COLUMNS = (
    WindowRow.id,
    WindowRow.source,
    WindowRow.boot,
    WindowRow.sequence,
    WindowRow.model,
    WindowRow.version,
    WindowRow.deployment,
    WindowRow.start_at,
    WindowRow.end_at,
    WindowRow.received_at,
    WindowRow.origin,
    WindowRow.ruler,
    WindowRow.verified,
    WindowRow.records,
    WindowRow.dropped,
    WindowRow.sample_part,
    WindowRow.judged_by,
    WindowRow.blob,
)


def unjudged(
    session: Session, *, until: datetime, origin: str | None = None, limit: int | None = None
) -> list[StoredWindow]:
    """Windows that ended at or before ``until`` and that no tick has counted, oldest first."""
    query = select(*_COLUMNS).where(WindowRow.judged_by.is_(None), WindowRow.end_at <= until)
    if origin is not None:
        query = query.where(WindowRow.origin == origin)
    return _read(session, query.order_by(WindowRow.end_at, WindowRow.id).limit(limit))


def between(
    session: Session,
    model: str,
    deployment: str,
    start: datetime,
    end: datetime,
    *,
    version: str | None = None,
    origin: str | None = None,
    unreadable: list[int] | None = None,
) -> list[StoredWindow]:
    """Windows of a model that ended after ``start``, up to and including ``end``, oldest first.

    ``unreadable`` collects the ids of damaged ones, which are left out.

    Raises:
        WireError: a damaged window, where ``unreadable`` is not given.
    """
    query = select(*_COLUMNS).where(
        WindowRow.model == model,
        WindowRow.deployment == deployment,
        WindowRow.end_at > start,
        WindowRow.end_at <= end,
    )
    if version is not None:
        query = query.where(WindowRow.version == version)
    if origin is not None:
        query = query.where(WindowRow.origin == origin)
    return _read(session, query.order_by(WindowRow.end_at, WindowRow.id), unreadable)


def judged_by(session: Session, tick_id: int) -> list[StoredWindow]:
    """The windows that one tick counted, oldest first."""
    query = select(*_COLUMNS).where(WindowRow.judged_by == tick_id)
    return _read(session, query.order_by(WindowRow.end_at, WindowRow.id))


def mark_judged(session: Session, ids: Iterable[int], tick_id: int) -> None:
    """These windows have been counted by this tick."""
    wanted = list(ids)
    for first in range(0, len(wanted), 500):
        session.execute(
            update(WindowRow)
            .where(WindowRow.id.in_(wanted[first : first + 500]))
            .values(judged_by=tick_id)
            .execution_options(synchronize_session=False)
        )


def parts_of(windows: Iterable[StoredWindow]) -> list[str]:
    """The sample parts that hold records of these windows, each once, in order."""
    return list(dict.fromkeys(w.sample_part for w in windows if w.sample_part))


def _read(
    session: Session, query: Executable, unreadable: list[int] | None = None
) -> list[StoredWindow]:
    found = []
    for row in session.execute(query):
        if row.blob is None:
            continue
        try:
            found.append(_window(row))
        except (VigilError, *wire.UNREADABLE):
            if unreadable is None:
                raise
            unreadable.append(row.id)
    return found


def _window(row: Any) -> StoredWindow:
    summary, dropped_by, quality = unpack_summary(row.blob)
    return StoredWindow(
        id=row.id,
        source=row.source,
        boot=row.boot,
        sequence=row.sequence,
        model=ModelRef(name=row.model, version=row.version, deployment=row.deployment),
        start=row.start_at,
        end=row.end_at,
        received_at=row.received_at,
        origin=row.origin,
        ruler=row.ruler,
        verified=row.verified,
        records=row.records,
        dropped=row.dropped,
        sample_part=row.sample_part,
        judged_by=row.judged_by,
        summary=summary,
        dropped_by=dropped_by,
        quality=quality,
    )
