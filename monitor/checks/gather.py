"""What a tick has to judge: the windows and labels that no tick has counted, lined up by model."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from detectors.frame import Part
from monitor.checks.apart import Apart
from monitor.checks.cells import capped
from monitor.checks.due import end_of, number_containing
from monitor.checks.recent import Family, Seen
from monitor.checks.references import References
from monitor.store import releases
from monitor.store.tables import LabelRow
from monitor.store.windows import StoredWindow, judged_by, unjudged
from vigil.errors import RulerMismatchError
from vigil.quality.counts import Quality
from vigil.windows.baseline import Baseline
from vigil.windows.summary import MISSING, Outcomes, Summary


@dataclass(frozen=True, kw_only=True, slots=True)
class Gathered:
    """One model's share of a tick. ``late`` windows ended before the tick's own window began.

    ``records``: by version. ``unverified``: records of versions without a baseline, which are
    counted and shown but not judged. ``dropped``: inputs that became no record, by reason.
    """

    family: Family
    on_time: tuple[Seen, ...]
    late: tuple[Seen, ...]
    records: dict[str, int]
    unverified: int
    dropped: Mapping[str, int] = field(default_factory=dict)

    @property
    def main_version(self) -> str:
        """The version with most records; the one with labels where no record came."""
        if self.records:
            return max(sorted(self.records), key=lambda version: self.records[version])
        return max((one.version for one in self.on_time), default="")


@dataclass(frozen=True, kw_only=True, slots=True)
class Haul:
    """All that one tick counts, and the rows to mark as counted, of models that failed too."""

    models: tuple[Gathered, ...]
    window_ids: tuple[int, ...]
    label_ids: tuple[int, ...]


def parts_of(session: Session, references: References, seen: Iterable[Seen]) -> list[Part]:
    """What the detectors take: each version with the active baseline that it was measured with.

    Only versions that count the same signals in as many bins can be judged together: those of the
    version with most records, and none that differ from it. Together they have at most 256 cells.
    """
    parts = []
    for one in seen:
        baseline = references.of_ruler(session, one.ruler)
        if baseline is not None:
            parts.append(
                Part(
                    baseline=baseline,
                    summary=one.summary,
                    outcomes=one.outcomes,
                    windows=one.windows,
                    quality=one.quality,
                )
            )
    if len(parts) > 1:
        main = max(parts, key=lambda part: part.summary.total_records)
        parts = [part for part in parts if _axes(part) == _axes(main)]
    return capped(parts)


def _axes(part: Part) -> tuple[tuple[str, ...], int]:
    layout = part.summary.layout
    return layout.signals, layout.bins


def gather(
    session: Session,
    references: References,
    apart: Apart,
    *,
    tick: int,
    end: datetime,
    window_s: float,
) -> Haul:
    """Read what ended by ``end``; live windows only, back-filled ones are history already."""
    windows = unjudged(session, until=end, origin="live")
    labels = _labels(session, LabelRow.judged_by.is_(None), LabelRow.arrived_at <= end)
    return _haul(session, references, apart, windows, labels, tick=tick, window_s=window_s)


def recall(
    session: Session, references: References, apart: Apart, *, tick: int, window_s: float
) -> Haul:
    """What an earlier tick counted, as it was then."""
    windows = judged_by(session, tick)
    labels = _labels(session, LabelRow.judged_by == tick)
    return _haul(session, references, apart, windows, labels, tick=tick, window_s=window_s)


def _labels(session: Session, *conditions: ColumnElement[bool]) -> Sequence[Any]:
    query = select(
        LabelRow.id,
        LabelRow.model,
        LabelRow.deployment,
        LabelRow.version,
        LabelRow.cell,
        LabelRow.prediction,
        LabelRow.label,
        LabelRow.confidence,
        LabelRow.chosen,
    )
    return session.execute(query.where(*conditions).order_by(LabelRow.id)).all()


def _haul(
    session: Session,
    references: References,
    apart: Apart,
    windows: Sequence[StoredWindow],
    labels: Sequence[Any],
    *,
    tick: int,
    window_s: float,
) -> Haul:
    windows_by: dict[Family, list[StoredWindow]] = defaultdict(list)
    for window in windows:
        windows_by[window.model.name, window.model.deployment].append(window)
    labels_by: dict[Family, dict[str, list[Any]]] = defaultdict(lambda: defaultdict(list))
    for row in labels:
        if not row.chosen:
            labels_by[row.model, row.deployment][row.version].append(row)
    models = []
    for family in sorted(set(windows_by) | set(labels_by)):
        with apart.reading(family):
            models.append(
                line_up(
                    session,
                    references,
                    family,
                    windows_by[family],
                    _of_what_serves(session, family, labels_by[family], end_of(tick, window_s)),
                    tick=tick,
                    window_s=window_s,
                )
            )
    return Haul(
        models=tuple(models),
        window_ids=tuple(window.id for window in windows),
        label_ids=tuple(row.id for row in labels),
    )


def _of_what_serves(
    session: Session, family: Family, labels: dict[str, list[Any]], end: datetime
) -> dict[str, list[Any]]:
    """Labels without those of the version that a rollback took out of service: they come late, and
    say nothing of what serves now."""
    newest = releases.current(session, *family, end) if labels else None
    if newest is None or newest.origin != releases.ROLLBACK:
        return labels
    return {version: rows for version, rows in labels.items() if version != newest.previous}


def line_up(
    session: Session,
    references: References,
    family: Family,
    windows: Sequence[StoredWindow],
    labels: dict[str, list[Any]],
    *,
    tick: int,
    window_s: float,
) -> Gathered:
    """One model's windows and labels as one tick's share, versions apart."""
    baselines: dict[str, Baseline] = {}
    for version in sorted({window.model.version for window in windows} | set(labels)):
        found = references.of_version(session, family[0], version)
        if found is not None:
            baselines[version] = found
    on_time: dict[str, list[StoredWindow]] = defaultdict(list)
    late: dict[str, list[StoredWindow]] = defaultdict(list)
    records: dict[str, int] = defaultdict(int)
    unverified = 0
    dropped: Counter[str] = Counter()
    for window in windows:
        dropped.update(window.dropped_by)
        version = window.model.version
        records[version] += window.records
        baseline = baselines.get(version)
        if baseline is None or baseline.ruler.id != window.ruler:
            unverified += window.records
        elif window.records:
            place = on_time if number_containing(window.end, window_s) == tick else late
            place[version].append(window)
    return Gathered(
        family=family,
        on_time=tuple(_seen(tick, baselines, on_time, labels)),
        late=tuple(_seen(tick, baselines, late, {})),
        records=dict(records),
        unverified=unverified,
        dropped=dict(dropped),
    )


def _seen(
    tick: int,
    baselines: dict[str, Baseline],
    windows: dict[str, list[StoredWindow]],
    labels: dict[str, list[Any]],
) -> Iterable[Seen]:
    for version in sorted(set(windows) | set(labels)):
        baseline = baselines.get(version)
        if baseline is None:
            continue
        layout = baseline.ruler.layout
        mine = windows.get(version, [])
        try:
            summary = Summary.total([Summary.empty(layout), *(one.summary for one in mine)])
        except RulerMismatchError:
            continue
        yield Seen(
            tick=tick,
            version=version,
            ruler=baseline.ruler.id,
            summary=summary,
            outcomes=_outcomes(layout.keys, labels.get(version, [])),
            quality=Quality.sum(one.quality for one in mine),
        )


def _outcomes(keys: tuple[str, ...], rows: list[Any]) -> Outcomes | None:
    if not rows:
        return None
    return Outcomes.of(
        keys,
        [tuple(str(row.cell.get(key, MISSING)) for key in keys) for row in rows],
        np.array([row.confidence for row in rows], np.float64),
        np.array([row.prediction == row.label for row in rows]),
    )
