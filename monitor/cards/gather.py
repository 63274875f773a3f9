"""Everything that the report of a model says."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import quote

from sqlalchemy.orm import Session

from dashboards.console import words
from dashboards.console.readmodels.card import CardSection, ModelCard
from monitor.cards import incidents, quality, traffic
from monitor.labelling.quality import QualityReport, report_on
from monitor.labelling.quality_model import ENOUGH
from monitor.labelling.quality_read import read
from monitor.settings.schema import Settings
from monitor.store import releases
from monitor.store.known import must_be_known


def model_card(
    session: Session,
    settings: Settings,
    model: str,
    deployment: str,
    *,
    since: datetime,
    now: datetime,
) -> ModelCard:
    """Of the time from ``since`` to ``now``.

    Raises:
        NotFoundError: the model is not declared, and nothing was ever seen of it.
    """
    watched = settings.model(model, deployment)
    must_be_known(session, model, deployment, declared=watched is not None)
    book = read(session, model, deployment, since=since, until=now)
    found = report_on(book, settings, model, deployment, since=since, now=now)
    rows = incidents.rows_of(session, model, deployment, since=since, until=now)
    version = releases.main_version(session, model, deployment, at=now) or ""
    facts = [
        ("serving", version or "not known"),
        ("owner", (watched.owner if watched else "") or "nobody declared"),
        ("baseline", traffic.baseline_fact(session, model, version)),
        ("pixels kept", watched.pixels if watched else "none"),
    ]
    home = settings.service.url.rstrip("/")
    return ModelCard(
        model=model,
        deployment=deployment,
        since=since,
        until=now,
        url=f"{home}/models/{quote(model, safe='')}/{quote(deployment, safe='')}",
        facts=tuple(facts),
        sections=(
            CardSection(title="Summary", sentences=tuple(_summary(found, len(rows), version))),
            traffic.versions(session, model, deployment, since=since, until=now),
            quality.of_the_model(found, watched.class_names if watched else ()),
            *quality.of_the_boxes(found),
            quality.calibration(found, book.records),
            incidents.incidents(rows, now),
            incidents.actions(session, rows, model, deployment, since),
            incidents.budget(session, settings, rows, since=since, until=now),
            quality.of_the_labels(found),
            traffic.measured(session, model, deployment, watched),
            CardSection(title="What is not known", sentences=tuple(_unknown(found, version))),
        ),
    )


def _summary(found: QualityReport, incidents_seen: int, version: str) -> list[str]:
    told = []
    if found.quality.whole is not None:
        part = found.quality.whole
        said = words.share(part.quality.accuracy.value)
        told.append(f"Accuracy {said} over the time, as {words.count(part.records)} labels know.")
        worst = next(iter(found.quality.slices), None)
        if worst is not None and worst.quality.accuracy.high < part.quality.accuracy.value:
            low = words.share(worst.quality.accuracy.value)
            told.append(f"Surely worse on {worst.slice}: {low}, {worst.records} labels.")
    else:
        told.append("How accurate it is, is not known: no label can stand for its traffic.")
    number = "No incident" if not incidents_seen else f"{incidents_seen} incidents"
    number = "1 incident" if incidents_seen == 1 else number
    told.append(f"{number} in this time. {version or 'No known version'} serves now.")
    return told


def _unknown(found: QualityReport, version: str) -> list[str]:
    told = [
        "Errors that nobody labelled, and traffic that did not come.",
        "How much frames of one camera resemble each other: intervals of quality take them as "
        "independent.",
    ]
    thin = [str(one.slice) for one in found.quality.slices if one.records < ENOUGH]
    if thin:
        more = f" and {len(thin) - 8} more" if len(thin) > 8 else ""
        told.append(f"Slices with fewer than {ENOUGH} labels: {', '.join(thin[:8])}{more}.")
    if found.labellers.gold is None:
        told.append("Whether the labels are right: no gold item was answered.")
    if found.labellers.alpha is None:
        told.append("Whether labellers agree: no image has two labels.")
    if not any(one.version == version for one in found.quality.versions):
        told.append(f"How good {version or 'the version that serves'} itself is: it has no labels.")
    return told
