"""What windows, samples and labels of a span say: distributions, the embedding map, reliability."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from dashboards.console.derive.distribution import classes_of, distribution_of
from dashboards.console.derive.embedding import map_of
from dashboards.console.derive.reliability import reliability_of
from dashboards.console.readmodels import ClassShares, Distribution, EmbeddingMap, Reliability
from monitor.store import windows as stored
from monitor.store.samples import SampleStore
from monitor.store.tables import LabelRow, SourceRow
from monitor.store.windows import StoredWindow
from monitor.web.console.needs import Target
from monitor.web.console.queries_points import parse_slice
from vigil.catalogue import base_of, signal_of
from vigil.types import SignalForm, Slice
from vigil.windows.baseline import Baseline
from vigil.windows.sample import Sample
from vigil.windows.summary import Ints, Outcomes, Summary, membership

FIRST_SIGNAL = "confidence"
MOST_WINDOWS = 600
MOST_PARTS = 60
MOST_LABELS = 20_000
MOST_DOTS = 600


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Traffic:
    """The windows of one version in a span, and the sum of those measured with its baseline."""

    windows: tuple[StoredWindow, ...]
    summary: Summary | None
    start: datetime
    end: datetime


def traffic_between(
    session: Session,
    target: Target,
    version: str,
    baseline: Baseline | None,
    *,
    start: datetime,
    end: datetime,
    window_s: float,
) -> Traffic:
    """The newest windows of [start, end]; at most about ``MOST_WINDOWS`` over all sources."""
    sources = session.scalar(
        select(func.count())
        .select_from(SourceRow)
        .where(
            SourceRow.model == target.model,
            SourceRow.deployment == target.deployment,
            SourceRow.retired.is_(False),
        )
    )
    back = max(5, MOST_WINDOWS // max(1, sources or 1))
    start = max(start, end - timedelta(seconds=back * window_s))
    found = stored.between(
        session, target.model, target.deployment, start, end, version=version, origin="live"
    )
    ruler = baseline.ruler.id if baseline else None
    counted = [w.summary for w in found if w.ruler == ruler and w.records]
    layout = counted[0].layout if counted else None
    same = [summary for summary in counted if summary.layout == layout]
    return Traffic(
        windows=tuple(found), summary=Summary.total(same) if same else None, start=start, end=end
    )


def first_signal(names: Sequence[str]) -> str:
    """The scalar to show where none drifted: the confidence, where the task has one."""
    return FIRST_SIGNAL if FIRST_SIGNAL in names or not names else names[0]


def distribution(
    traffic: Traffic, baseline: Baseline | None, signal: str, slice_text: str
) -> Distribution | None:
    """A scalar signal on one slice, now against the baseline's same slice.

    A slice that the baseline never saw is held against the whole baseline.
    """
    signal = base_of(signal)
    known = signal_of(signal)
    now = traffic.summary
    if baseline is None or now is None or known is None or known.form is not SignalForm.SCALAR:
        return None
    if signal not in now.layout.signals or now.layout != baseline.reference.layout:
        return None
    column = now.layout.signals.index(signal)
    return distribution_of(
        signal=signal,
        unit=known.unit,
        slice_text=slice_text,
        edges=baseline.ruler.edges[column],
        baseline=_rows(baseline.reference, slice_text, or_all=True).counts[:, column].sum(axis=0),
        current=_rows(now, slice_text).counts[:, column].sum(axis=0),
    )


def classes(
    traffic: Traffic, baseline: Baseline | None, names: tuple[str, ...], slice_text: str
) -> ClassShares | None:
    """Predicted classes on one slice, now against the baseline."""
    if baseline is None or traffic.summary is None:
        return None
    return classes_of(
        names=names or baseline.class_names,
        baseline=_class_counts(_rows(baseline.reference, slice_text, or_all=True)),
        current=_class_counts(_rows(traffic.summary, slice_text)),
        slice_text=slice_text,
    )


def embedding_map(
    traffic: Traffic,
    baseline: Baseline | None,
    samples: SampleStore,
    target: Target,
    version: str,
    slice_text: str,
) -> EmbeddingMap | None:
    """Sampled embeddings of all traffic over the baseline's, those of the slice picked out."""
    if baseline is None or not len(baseline.sample):
        return None
    parts = stored.parts_of(traffic.windows)[-MOST_PARTS:]
    now = samples.read(
        parts,
        kind="uniform",
        model=target.model,
        deployment=target.deployment,
        version=version,
        start=traffic.start,
        end=traffic.end,
        limit=MOST_DOTS,
    )
    if not len(now):
        return None
    return map_of(
        baseline=baseline.sample.embedding,
        current=now.embedding,
        named=inside(now, parse_slice(slice_text)),
        slice_text=slice_text,
        limit=MOST_DOTS,
    )


def reliability(
    session: Session,
    target: Target,
    baseline: Baseline | None,
    *,
    start: datetime,
    end: datetime,
    slice_text: str,
) -> Reliability | None:
    """From the labels that arrived in [start, end], newest first, up to ``MOST_LABELS``."""
    rows = session.execute(
        select(LabelRow.cell, LabelRow.confidence, LabelRow.prediction, LabelRow.label)
        .where(
            LabelRow.model == target.model,
            LabelRow.deployment == target.deployment,
            LabelRow.arrived_at >= start,
            LabelRow.arrived_at <= end,
            LabelRow.chosen.is_(False),
        )
        .order_by(LabelRow.arrived_at.desc())
        .limit(MOST_LABELS)
    ).all()
    pairs = parse_slice(slice_text).pairs
    kept = [row for row in rows if all(row.cell.get(key) == value for key, value in pairs)]
    if not kept:
        return None
    current = Outcomes.of(
        (),
        [()] * len(kept),
        np.array([row.confidence for row in kept], np.float64),
        np.array([row.prediction == row.label for row in kept], bool),
    )
    return reliability_of(current, baseline.outcomes if baseline else None)


def inside(sample: Sample, piece: Slice) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which records belong to the slice; none for the whole, which needs no picking out."""
    pairs: Sequence[tuple[str, str]] = piece.pairs
    return np.array(
        [bool(pairs) and all(m.get(k) == v for k, v in pairs) for m in sample.metadata], bool
    )


def _rows(summary: Summary, slice_text: str, *, or_all: bool = False) -> Summary:
    rows = membership([parse_slice(slice_text)], summary.layout.keys, summary.cells)[0]
    if or_all and not summary.records[rows].sum():
        return summary
    return summary.where(rows)


def _class_counts(summary: Summary) -> Ints:
    return np.asarray(summary.classes.sum(axis=0), np.int64)
