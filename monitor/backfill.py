"""History from logs: records that are known to be healthy become windows, and windows a pool.

The records take the way that live ones take (privacy, recorder, wire format, ingest); what they do
not do is raise alarms about the past. The operator declares the history healthy by back-filling it.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import update

from detectors.scores import Part, ScoreBatch, score
from monitor.checks import state
from monitor.checks.due import end_of, number_of
from monitor.checks.references import References
from monitor.ingest.receipts import LabelIn, Receipt
from monitor.services import Services
from monitor.settings.schema import WatchedModel
from monitor.store.tables import WindowRow
from vigil.errors import BaselineError, NotFoundError
from vigil.measuring.batch import RecordBatch
from vigil.pipeline.recorder import Recorder
from vigil.privacy.enforce import Enforcer
from vigil.privacy.records import consenting
from vigil.windows.baseline import Baseline
from vigil.windows.ruler import Ruler
from vigil.windows.summary import MISSING, Outcomes, Summary
from vigil.windows.window import Window

WINDOWS_AT_ONCE = 50
LABELS_AT_ONCE = 500
HISTORY = 0
"""The tick that counted what was back-filled: none did."""

OLD = timedelta(hours=1)
"""A history that ended longer ago is no reference for the first live windows."""

Labelled = tuple[RecordBatch, NDArray[np.int64] | None]


@dataclass(frozen=True, kw_only=True, slots=True)
class BackfillReport:
    """What a back-fill did."""

    windows: int
    records: int
    labels: int
    rejected: tuple[Receipt, ...]
    streams: int
    first: datetime | None
    last: datetime | None


def backfill(
    services: Services,
    watched: WatchedModel,
    batches: Iterable[Labelled],
    *,
    source: str = "backfill",
    progress: Callable[[int], None] = lambda records: None,
) -> BackfillReport:
    """Turn logged records into history for the evidence engine.

    Args:
        batches: records in order of time, with labels where there are any (-1: none).
        source: names the windows' source; the boot is new at each call, so calling twice with the
            same records counts them twice: back-fill a period once.
        progress: called with the number of records done.

    Raises:
        NotFoundError: a version of the records has no baseline.
        BaselineError: the service counts ticks with windows of another length.
    """
    run = _Backfill(services, watched, source)
    done = 0
    for batch, labels in batches:
        run.add(batch, labels)
        done += len(batch)
        progress(done)
    return run.finish()


class _Backfill:
    def __init__(self, services: Services, watched: WatchedModel, source: str) -> None:
        self._services, self._watched = services, watched
        self._window_s = services.settings.service.window_s
        self._source, self._boot = source, uuid4().hex[:16]
        self._references = References()
        self._baselines: dict[str, Baseline] = {}
        self._recorder = Recorder(
            model=watched.name,
            deployment=watched.deployment,
            source=self._source,
            boot=self._boot,
            keys=watched.keys,
            window_s=self._window_s,
            rulers=self._ruler,
            sample_size=8,
            informative_size=0,
        )
        self._policy = services.settings.policy(watched.name)
        told = json.dumps(self._policy.to_json())
        self._enforcer = Enforcer(lambda: told, f"{self._source}.{self._boot}.")
        self._waiting: list[Window] = []
        self._labels: list[LabelIn] = []
        self._ticks: dict[int, dict[str, list[Summary]]] = defaultdict(lambda: defaultdict(list))
        self._outcomes: dict[int, dict[str, list[Outcomes]]] = defaultdict(
            lambda: defaultdict(list)
        )
        self._rejected: list[Receipt] = []
        self._windows = self._records = self._label_count = 0
        self._history: list[ScoreBatch] = []
        self._times: list[datetime] = []
        self._span: list[datetime] = []

    def add(self, batch: RecordBatch, labels: NDArray[np.int64] | None) -> None:
        if self._policy.without_consent == "drop":
            rows = np.flatnonzero(consenting(batch.metadata, self._policy.consent, len(batch)))
            batch, labels = batch.take(rows), labels if labels is None else labels[rows]
        batch, _ = self._enforcer.apply(batch)
        self._take(self._recorder.add(batch))
        if labels is not None:
            self._label(batch, np.asarray(labels))

    def finish(self) -> BackfillReport:
        self._take(self._recorder.close())
        self._ship()
        self._score(keep_last=False)
        streams = self._learn()
        return BackfillReport(
            windows=self._windows,
            records=self._records,
            labels=self._label_count,
            rejected=tuple(self._rejected),
            streams=streams,
            first=min(self._span, default=None),
            last=max(self._span, default=None),
        )

    def _ruler(self, version: str) -> Ruler:
        return self._baseline(version).ruler

    def _baseline(self, version: str) -> Baseline:
        """The baseline of a version, the same one for the whole back-fill."""
        if version not in self._baselines:
            with self._services.sessions() as session:
                found = self._references.of_version(session, self._watched.name, version)
            if found is None:
                raise NotFoundError(
                    f"{self._watched.name} {version}: no baseline; build one before back-filling"
                )
            self._baselines[version] = found
        return self._baselines[version]

    def _label(self, batch: RecordBatch, labels: NDArray[np.int64]) -> None:
        named = np.array([bool(one) for one in batch.ids], bool)
        rows = np.flatnonzero((labels >= 0) & (batch.prediction >= 0) & named)
        if not len(rows):
            return
        part = batch.take(rows)
        confidence = (
            part.probabilities.max(axis=1) if part.probabilities.size else np.ones(len(rows))
        )
        keys = self._ruler(batch.version).layout.keys
        cells = [tuple(meta.get(key, MISSING) for key in keys) for meta in part.metadata]
        right = part.prediction == labels[rows]
        ticks = np.floor(part.time_s / self._window_s).astype(np.int64) + 1
        for tick in np.unique(ticks).tolist():
            mine = np.flatnonzero(ticks == tick)
            self._outcomes[tick][batch.version].append(
                Outcomes.of(keys, [cells[i] for i in mine], confidence[mine], right[mine])
            )
        self._labels += [
            LabelIn(
                id=part.ids[i],
                label=int(labels[row]),
                model=self._watched.name,
                version=batch.version,
                deployment=self._watched.deployment,
                prediction=int(part.prediction[i]),
                confidence=float(confidence[i]),
                metadata=dict(part.metadata[i]),
            )
            for i, row in enumerate(rows)
        ]

    def _take(self, windows: list[Window]) -> None:
        self._waiting += [window for window in windows if window.summary.total_records]
        if len(self._waiting) >= WINDOWS_AT_ONCE:
            self._ship()

    def _ship(self) -> None:
        if not self._waiting:
            return
        windows, self._waiting = self._waiting, []
        receipts = self._services.ingest.windows(
            [window.to_bytes(level=0) for window in windows], origin="backfill"
        )
        for window, receipt in zip(windows, receipts, strict=True):
            if receipt.status == "rejected":
                self._rejected.append(receipt)
            elif receipt.status == "accepted":
                self._windows += 1
                self._records += window.summary.total_records
                self._span += [window.start, window.end]
                tick = number_of(window.end, self._window_s)
                self._ticks[tick][window.model.version].append(window.summary)
        self._score(keep_last=True)

    def _learn(self) -> int:
        """Teach the stored engine the history, and mark the windows as counted by no live tick."""
        settings = self._services.settings
        with self._services.sessions.begin() as session:
            loaded = state.load(
                session,
                threshold=settings.threshold_ticks,
                min_history=settings.checks.min_history,
                known=None,
            )
            if loaded is None:
                raise BaselineError("the evidence engine's state can't be read")
            engine, revision = loaded
            now = self._services.clock.now()
            ticks = None
            if self._times and now - self._times[-1] > OLD:
                ticks = [number_of(at, self._window_s) for at in self._times]
            engine.learn(self._history, at=self._times, ticks=ticks)
            state.save(session, engine, over=revision, tick_id=None, at=now)
            session.execute(
                update(WindowRow)
                .where(WindowRow.source == self._source, WindowRow.boot == self._boot)
                .values(judged_by=HISTORY)
                .execution_options(synchronize_session=False)
            )
        self._store_labels()
        layouts = {id(batch.streams): batch.streams for batch in self._history}
        return len({stream for streams in layouts.values() for stream in streams})

    def _store_labels(self) -> None:
        """Keep the labels, marked as counted: they belong to the past, not to the next tick."""
        for first in range(0, len(self._labels), LABELS_AT_ONCE):
            receipts = self._services.ingest.labels(
                self._labels[first : first + LABELS_AT_ONCE], judged_by=HISTORY
            )
            self._label_count += sum(one.status == "accepted" for one in receipts)

    def _score(self, *, keep_last: bool) -> None:
        """Score the ticks that are complete, so that only their scores stay in memory."""
        complete = sorted(self._ticks)[: -1 if keep_last else None]
        self._history += [self._score_tick(tick) for tick in complete]
        self._times += [end_of(tick, self._window_s) for tick in complete]

    def _score_tick(self, tick: int) -> ScoreBatch:
        parts = []
        for version, summaries in sorted(self._ticks.pop(tick).items()):
            outcomes = self._outcomes.get(tick, {}).get(version, [])
            parts.append(
                Part(
                    baseline=self._baseline(version),
                    summary=Summary.total(summaries),
                    outcomes=Outcomes.total(outcomes) if outcomes else None,
                )
            )
        return score(parts, self._watched.name, self._watched.deployment)
