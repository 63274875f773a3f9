"""The records from which a retrained version's first baseline is built.

Two sources, both measured by the tap's own code. *Evaluation*: records of the frozen dataset that
nothing was trained on, with the signals of their images as the tap measured them in production, and
with what the new version makes of them when they are replayed. *Production*: what the new version
itself did since its release.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts.actions.replay import ReplayError, Replays
from monitor.ingest.labels import find_places
from monitor.labelling.quality_values import Drawn
from monitor.services import Services
from monitor.store.tables import RetrainingRow, WindowRow
from vigil.catalogue import CATALOGUE
from vigil.measuring.batch import RecordBatch, make_batch
from vigil.types import SignalKind
from vigil.windows.sample import Sample

LEAST_EVALUATED = 200
LEAST_SERVED = 500
LEAST_WINDOWS = 20
MOST_RECORDS = 4000
_MOST_WINDOWS = 2000
_AT_ONCE = 256
_CHUNK = 500

Batches = list[tuple[RecordBatch, NDArray[np.int64]]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Records:
    """``why_not`` is empty where the ``batches`` are enough to build on."""

    batches: Batches
    what: str
    why_not: str = ""

    @property
    def count(self) -> int:
        return sum(len(batch) for batch, _ in self.batches)

    @property
    def labels(self) -> int:
        return int(sum((labels >= 0).sum() for _, labels in self.batches))


def evaluation(
    session: Session, services: Services, row: RetrainingRow, lines: bytes, replays: Replays
) -> Records:
    """The dataset's holdout, as far as it was drawn at random and its images are kept, run through
    the new version. What was picked for its score is no picture of the traffic."""
    assert row.released_version is not None
    what = "the dataset's evaluation part, replayed"
    labels = _holdout(lines)
    if len(labels) < LEAST_EVALUATED:
        why = (
            f"its evaluation part has {len(labels)} fairly drawn records, {LEAST_EVALUATED} needed"
        )
        return Records(batches=[], what=what, why_not=why)
    sample = _sampled(session, services, row, labels)
    if len(sample) < LEAST_EVALUATED or not sample.has_thumbnails:
        kept = len(sample) if sample.has_thumbnails else 0
        why = f"images of {kept} of its evaluation part are kept, {LEAST_EVALUATED} needed"
        return Records(batches=[], what=what, why_not=why)
    batches: Batches = []
    for first in range(0, len(sample), _AT_ONCE):
        part = sample.take(np.arange(first, min(first + _AT_ONCE, len(sample))))
        try:
            made = replays.replay(row.released_version, part.thumbnails)
        except ReplayError as error:
            return Records(batches=[], what=what, why_not=str(error))
        batch = _answered(part, row.released_version, made.probabilities, made.embeddings)
        # A thumbnail's sharpness is not the image's: the tap measured that in production.
        images = {one.name for one in CATALOGUE.values() if one.kind is SignalKind.IMAGE}
        batches.append(
            (_with_signals(batch, part, images), np.array([labels[one] for one in part.ids]))
        )
    return Records(batches=batches, what=what)


def production(
    session: Session,
    services: Services,
    row: RetrainingRow,
    labels: Mapping[str, int],
    *,
    until: datetime,
) -> Records:
    """The uniform samples of the version's first windows. ``labels``: that stand for the traffic,
    by record id."""
    assert row.released_version is not None
    assert row.released_at is not None
    found = session.execute(
        select(WindowRow.sample_part, WindowRow.end_at)
        .where(
            WindowRow.model == row.model,
            WindowRow.deployment == row.deployment,
            WindowRow.version == row.released_version,
            WindowRow.end_at > row.released_at,
            WindowRow.end_at <= until,
            WindowRow.sample_part.is_not(None),
        )
        .order_by(WindowRow.end_at, WindowRow.id)
        .limit(_MOST_WINDOWS)
    ).all()
    what = f"production since {row.released_at:%Y-%m-%d %H:%M} UTC"
    ends = {end_at for _, end_at in found}
    if len(ends) < LEAST_WINDOWS:
        why = f"{len(ends)} windows with samples since the release, {LEAST_WINDOWS} needed"
        return Records(batches=[], what=what, why_not=why)
    sample = services.samples.read(
        [part for part, _ in found if part],
        model=row.model,
        deployment=row.deployment,
        version=row.released_version,
        start=row.released_at,
        limit=MOST_RECORDS,
    )
    if len(sample) < LEAST_SERVED:
        why = f"{len(sample)} sampled records since the release, {LEAST_SERVED} needed"
        return Records(batches=[], what=what, why_not=why)
    batch = _answered(sample, row.released_version, sample.probabilities, sample.embedding)
    measured = set(sample.signal_names) - {"embedding_distance"}  # the fit measures it anew
    batch = replace(_with_signals(batch, sample, measured), prediction=sample.prediction)
    known = np.array([labels.get(one, -1) for one in sample.ids], np.int64)
    return Records(batches=[(batch, known)], what=what)


def _answered(
    sample: Sample, version: str, probabilities: NDArray[Any], embeddings: NDArray[Any]
) -> RecordBatch:
    """The records of a sample with what a version made of them; arrays (n, K) and (n, d), empty
    where there is none."""
    return make_batch(
        ids=sample.ids,
        counter=np.arange(len(sample), dtype=np.uint64),
        custom_ids=True,
        time_s=sample.time_s,
        version=version,
        outputs=probabilities.astype(np.float32) if probabilities.size else None,
        embeddings=embeddings.astype(np.float32) if embeddings.size else None,
        metadata=sample.metadata,
    )


def _holdout(lines: bytes) -> dict[str, int]:
    """Labels of the records that no training saw, and that chance drew, by id."""
    found = {}
    for line in _objects(lines):
        if line["split"] == "holdout" and line["drawn"] != Drawn.CHOSEN.value:
            found[line["id"]] = int(line["label"])
    return found


def _objects(lines: bytes) -> Iterator[dict[str, str]]:
    return (json.loads(line) for line in lines.splitlines())


def _sampled(
    session: Session, services: Services, row: RetrainingRow, labels: Mapping[str, int]
) -> Sample:
    """What is kept of these records, from whichever version served them."""
    windows = sorted({window for window, _ in find_places(session, labels).values()})
    parts: list[str] = []
    for first in range(0, len(windows), _CHUNK):
        found = session.scalars(
            select(WindowRow.sample_part)
            .where(WindowRow.id.in_(windows[first : first + _CHUNK]))
            .order_by(WindowRow.id)
        )
        parts += [part for part in found if part]
    sample = services.samples.read(parts, model=row.model, deployment=row.deployment)
    return sample.take([i for i, one in enumerate(sample.ids) if one in labels][:MOST_RECORDS])


def _with_signals(batch: RecordBatch, sample: Sample, names: set[str]) -> RecordBatch:
    """The batch, with these signals as the sample has them."""
    signals = batch.signals.copy()
    for column, name in enumerate(batch.signal_names):
        if name in names and name in sample.signal_names:
            signals[:, column] = sample.signals[:, sample.signal_names.index(name)]
    return replace(batch, signals=signals)
