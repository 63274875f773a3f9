"""Points of the time series: read, thinned, and turned into series and slice tables."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from dashboards.console.readmodels import (
    SignalPoint,
    SignalSeries,
    SliceCell,
    SliceRow,
    SliceTable,
)
from monitor.store.tables import SignalPointRow, VerdictRow
from monitor.web.console.needs import Target
from vigil.catalogue import (
    LOST_CLASS,
    PREDICTED_CLASS,
    base_of,
    in_order,
    is_per_box,
    signal_of,
    spread_of,
)
from vigil.types import Outcome, Slice
from vigil.windows.baseline import Baseline
from vigil.windows.summary import MOMENT_UNIT, membership

MOST_POINTS = 360
MOST_SLICES = 32

BY_CLASS = (PREDICTED_CLASS.name, LOST_CLASS.name)
"""They count what is predicted, which may be several things a record."""

Stream = tuple[str, str]  # slice, signal


@dataclass(frozen=True, kw_only=True, slots=True)
class Points:
    """Ticks of one model in one deployment, oldest first."""

    rows: tuple[SignalPointRow, ...]

    @property
    def last(self) -> Mapping[str, Mapping[str, Sequence[Any]]]:
        return self.rows[-1].values if self.rows else {}

    @property
    def slices(self) -> tuple[str, ...]:
        """The slices seen, the whole first."""
        found = {name for row in (*self.rows[-1:], *self.rows[:1]) for name in row.values}
        return tuple(
            sorted(found, key=lambda name: (name != str(Slice()), name.count(" & "), name))
        )


def points_between(
    session: Session, target: Target, start: datetime, end: datetime, *, most: int = MOST_POINTS
) -> Points:
    """At most ``most`` ticks in [start, end], evenly picked, the newest among them."""
    condition = (
        SignalPointRow.model == target.model,
        SignalPointRow.deployment == target.deployment,
        SignalPointRow.at >= start,
        SignalPointRow.at <= end,
    )
    ids = session.scalars(
        select(SignalPointRow.id).where(*condition).order_by(SignalPointRow.at, SignalPointRow.id)
    ).all()
    if len(ids) > most:
        picked = np.linspace(0, len(ids) - 1, most).astype(int)
        ids = [ids[i] for i in picked]
    if not ids:
        return Points(rows=())
    rows = session.scalars(
        select(SignalPointRow)
        .where(SignalPointRow.id.in_(ids))
        .order_by(SignalPointRow.at, SignalPointRow.id)
    ).all()
    return Points(rows=tuple(rows))


def last_point(session: Session, target: Target) -> Points:
    """The newest tick."""
    row = session.scalar(
        select(SignalPointRow)
        .where(
            SignalPointRow.model == target.model,
            SignalPointRow.deployment == target.deployment,
        )
        .order_by(SignalPointRow.at.desc(), SignalPointRow.id.desc())
        .limit(1)
    )
    return Points(rows=() if row is None else (row,))


def drifted_streams(
    session: Session, target: Target, *, since: datetime, until: datetime
) -> dict[Stream, Outcome]:
    """The last verdict of each stream that is not healthy at ``until``."""
    rows = session.execute(
        select(VerdictRow.slice, VerdictRow.signal, VerdictRow.outcome)
        .where(
            VerdictRow.model == target.model,
            VerdictRow.deployment == target.deployment,
            VerdictRow.at > since,
            VerdictRow.at <= until,
        )
        .order_by(VerdictRow.at.desc(), VerdictRow.id.desc())
        .limit(5000)
    )
    last: dict[Stream, Outcome] = {}
    for slice_text, signal, outcome in rows:
        last.setdefault((slice_text or str(Slice()), signal), Outcome(outcome))
    return {stream: outcome for stream, outcome in last.items() if outcome is not Outcome.HEALTHY}


def series_of(
    points: Points,
    stream: Stream,
    target: Target,
    *,
    threshold: float,
    verdicts: Mapping[Stream, Outcome],
    baseline: Baseline | None,
) -> SignalSeries | None:
    """One stream over time; None where it has no point or vigil does not know the signal."""
    slice_text, name = stream
    signal = signal_of(name)
    found = tuple(
        point_of(row.at, row.values[slice_text][name])
        for row in points.rows
        if name in row.values.get(slice_text, {})
    )
    if signal is None or not found:
        return None
    return SignalSeries(
        signal=name,
        kind=signal.kind.value,
        unit=signal.unit,
        description=signal.description,
        slice=slice_text,
        tolerance=target.tolerance(name),
        threshold=threshold,
        points=found,
        status=verdicts.get(stream, Outcome.HEALTHY),
        baseline_mean=baseline_mean(baseline, slice_text, name),
    )


def point_of(at: datetime, values: Sequence[Any]) -> SignalPoint:
    """``[score_z, effect, evidence, mean, records]``, as the tick wrote it."""
    z, effect, evidence, mean, records = [*values, *[None] * 5][:5]
    return SignalPoint(
        at=at,
        z=known(z),
        effect=known(effect),
        evidence=known(evidence),
        mean=known(mean),
        records=int(known(records) or 0),
    )


def table_of(
    values: Mapping[str, Mapping[str, Sequence[Any]]],
    target: Target,
    *,
    threshold: float,
    drifted: Collection[Stream],
    named: str = "",
) -> SliceTable:
    """All slices of one tick; after the whole, those with most evidence first. A scalar's cell
    shows the larger evidence of its place and its spread; their effect is one."""
    present = {name for signals in values.values() for name in signals}
    signals = tuple(name for name in in_order(present) if base_of(name) == name)
    ranked: list[tuple[tuple[float, ...], SliceRow]] = []
    for slice_text, row in values.items():
        cells: list[SliceCell | None] = []
        for name in signals:
            if name not in row:
                cells.append(None)
                continue
            both = [one for one in (name, spread_of(name)) if one in row]
            evidence = [point_of(datetime.min, row[one]).evidence for one in both]
            cells.append(
                SliceCell(
                    effect=point_of(datetime.min, row[name]).effect,
                    evidence=max((one for one in evidence if one is not None), default=None),
                    tolerance=target.tolerance(name),
                    threshold=threshold,
                    drifted=any((slice_text, one) in drifted for one in both),
                )
            )
        levels = [cell.level for cell in cells if cell]
        most = max((cell.evidence or 0.0 for cell in cells if cell), default=0.0)
        # Boxes, and the classes of several things a record, have numbers of their own.
        plain = [v for n, v in row.items() if n not in BY_CLASS and not is_per_box(n)]
        values_of = plain or list(row.values())
        records = max((point_of(datetime.min, v).records for v in values_of), default=0)
        rank = (
            float(slice_text != str(Slice())),
            float(slice_text != named),
            -float(sum(level >= 3 for level in levels)),
            -most,
        )
        ranked.append(
            (
                rank,
                SliceRow(
                    slice=slice_text,
                    records=records,
                    cells=tuple(cells),
                    named=bool(named) and slice_text == named,
                ),
            )
        )
    ranked.sort(key=lambda pair: (pair[0], pair[1].slice))
    return SliceTable(
        signals=signals,
        rows=tuple(row for _, row in ranked[:MOST_SLICES]),
        left_out=max(0, len(ranked) - MOST_SLICES),
    )


def baseline_mean(baseline: Baseline | None, slice_text: str, signal: str) -> float | None:
    """The mean of a scalar signal over the baseline's cells of a slice, in the signal's unit."""
    if baseline is None:
        return None
    reference, ruler = baseline.reference, baseline.ruler
    if signal not in reference.layout.signals:
        return None
    rows = membership([parse_slice(slice_text)], reference.layout.keys, reference.cells)[0]
    column = reference.layout.signals.index(signal)
    n = int(reference.counts[rows, column, :-1].sum())
    if n == 0:
        return None
    standard = float(reference.moments[rows, column, 0].sum()) / MOMENT_UNIT / n
    return known(float(ruler.center[column]) + float(ruler.scale[column]) * standard)


def parse_slice(text: str) -> Slice:
    """A slice as a page names it; text that is none is a slice that nothing belongs to."""
    try:
        return Slice.parse(text)
    except ValueError:
        return Slice(((text, ""),))


def known(value: Any) -> float | None:
    """A finite number, or None."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if math.isfinite(value) else None
