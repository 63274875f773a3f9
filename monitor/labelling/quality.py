"""The quality of a model and of its labels, as one value: what pages, commands and reports show."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from sqlalchemy.orm import Session

from monitor.labelling.quality_boxes import BoxReport, box_report
from monitor.labelling.quality_labellers import LabellerQuality, labeller_quality
from monitor.labelling.quality_model import ModelQuality, model_quality
from monitor.labelling.quality_read import LabelBook, read
from monitor.labelling.quality_suspects import Suspect, suspects
from monitor.settings.schema import Settings
from monitor.store.known import must_be_known

SEED = 20_261_121
"""The bootstrap of alpha is the same each time: a page must not change by being looked at."""


@dataclass(frozen=True, kw_only=True, slots=True)
class QualityReport:
    """Of predictions made from ``since`` to ``until``."""

    model: str
    deployment: str
    since: datetime
    until: datetime
    quality: ModelQuality
    labellers: LabellerQuality
    suspects: tuple[Suspect, ...]
    boxes: BoxReport | None = None


def quality_of(
    session: Session,
    settings: Settings,
    model: str,
    deployment: str,
    *,
    since: datetime,
    now: datetime,
) -> QualityReport:
    """Read the labels of a model and work out what they say.

    Raises:
        NotFoundError: there is no such model.
    """
    declared = settings.model(model, deployment) is not None
    must_be_known(session, model, deployment, declared=declared)
    book = read(session, model, deployment, since=since, until=now)
    return report_on(book, settings, model, deployment, since=since, now=now)


def report_on(
    book: LabelBook,
    settings: Settings,
    model: str,
    deployment: str,
    *,
    since: datetime,
    now: datetime,
) -> QualityReport:
    """What labels that were read say."""
    watched = settings.model(model, deployment)
    return QualityReport(
        model=model,
        deployment=deployment,
        since=since,
        until=now,
        quality=model_quality(book.records, book.tasks),
        labellers=labeller_quality(book.tasks, book.said, now=now, rng=np.random.default_rng(SEED)),
        suspects=tuple(
            suspects(
                book.records,
                book.tasks,
                book.said,
                class_names=watched.class_names if watched else (),
            )
        ),
        boxes=box_report(book.boxes),
    )
