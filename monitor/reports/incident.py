"""The report of an incident: its slice since the onset against the baseline, as one HTML file."""

from __future__ import annotations

import contextlib
import os
import secrets
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts.types import Incident
from monitor.reports.data import LEAST_REFERENCE, MOST_ROWS, reference_on, tables
from monitor.reports.distances import Comparison, compared
from monitor.reports.page import Heading, agreement, compose
from monitor.reports.worker import LIMIT_S, ReportError, render
from monitor.response import record
from monitor.services import Services
from monitor.store import baselines
from monitor.store.tables import WindowRow
from vigil.windows.baseline import Baseline
from vigil.windows.sample import Sample

MOST_WINDOWS = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """A page, how many records it compares, and every number computed twice."""

    html: str
    reference_records: int
    current_records: int
    comparisons: tuple[Comparison, ...]

    @property
    def agreement(self) -> str:
        return agreement(self.comparisons)


def report(services: Services, number: int, *, limit_s: float = LIMIT_S) -> Report:
    """Compare an incident's sampled records with the baseline's.

    The records are the uniform sample of the incident's version and slice from its onset until it
    was mitigated (else recovered, resolved, or now).

    Raises:
        NotFoundError: there is no such incident.
        ReportError: no baseline, no sampled record, or see ``worker.render``.
    """
    with services.sessions() as session:
        incident = record.get(session, number)
        baseline = baselines.active(session, incident.model, incident.model_version)
        since, until = span(incident, services.clock.now())
        parts = _parts(session, incident, since, until)
    if baseline is None or not len(baseline.sample):
        raise ReportError(
            f"incident {number}: {incident.model} {incident.model_version} has no baseline with "
            "sampled records to compare with"
        )
    now = services.samples.read(
        parts,
        kind="uniform",
        model=incident.model,
        deployment=incident.deployment,
        version=incident.model_version,
        start=since,
        end=until,
        slice=incident.slice,
        limit=MOST_ROWS,
    )
    if not len(now):
        raise ReportError(
            f"incident {number}: no sampled record of {incident.slice} on "
            f"{incident.model_version} from {_moment(since)} to {_moment(until)}; none came, "
            "or retention deleted them"
        )
    before, is_whole = reference_on(baseline.sample, incident.slice)
    watched = services.settings.model(incident.model, incident.deployment)
    names = (watched.class_names if watched else ()) or baseline.class_names
    both = tables(before, now, class_names=names)
    rendered = render(both, limit_s=limit_s)
    comparisons = compared(both, rendered.scores)
    heading = Heading(
        title=f"Incident {number}: {incident.title}",
        lines=(
            f"{incident.model} {incident.model_version}, {incident.deployment}: {incident.slice}, "
            f"from {_moment(since)} to {_moment(until)}.",
            f"{len(both.current):,} sampled records now (\u201ccurrent\u201d) against "
            f"{len(both.reference):,} of the baseline (\u201creference\u201d).",
        ),
        notes=(
            *_notes(incident, baseline, now, is_whole, both.left_out),
            f"{agreement(comparisons)} Drawn by Evidently {rendered.version}.",
        ),
    )
    html = compose(rendered.page, heading, both, comparisons)
    if html is None:
        raise ReportError(f"Evidently {rendered.version} wrote a page of another form")
    return Report(
        html=html,
        reference_records=len(both.reference),
        current_records=len(both.current),
        comparisons=comparisons,
    )


def span(incident: Incident, now: datetime) -> tuple[datetime, datetime]:
    """When the fault was there to be seen."""
    since = incident.onset_at or incident.detected_at
    until = incident.mitigated_at or incident.recovered_at or incident.resolved_at or now
    return since, max(since, until)


def save(path: Path, html: str) -> int:
    """Write a file whole or not at all; returns its size in bytes.

    Raises:
        OSError: it can't be written there.
    """
    raw = html.encode()
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    return len(raw)


def _parts(session: Session, incident: Incident, since: datetime, until: datetime) -> list[str]:
    """The parts that hold the samples, of the newest ``MOST_WINDOWS`` windows."""
    found = session.scalars(
        select(WindowRow.sample_part)
        .where(
            WindowRow.model == incident.model,
            WindowRow.deployment == incident.deployment,
            WindowRow.version == incident.model_version,
            WindowRow.end_at > since,
            WindowRow.start_at < until,
            WindowRow.sample_part.is_not(None),
        )
        .order_by(WindowRow.end_at.desc(), WindowRow.id.desc())
        .limit(MOST_WINDOWS)
    )
    return [part for part in found if part]


def _notes(
    incident: Incident,
    baseline: Baseline,
    now: Sample,
    is_whole: bool,
    left_out: tuple[str, ...],
) -> tuple[str, ...]:
    notes = [
        "Drift is judged by the incident's effects and their tolerances, on every inference. This "
        "page looks at a sample: windows count alike in it, however busy they were. The KS tests "
        "share a false-alarm rate of 5 %; in a large sample they see drift that harms nobody.",
        f"Baseline {baseline.sha256[:12]}: {baseline.dataset}.",
    ]
    if is_whole:
        notes.append(
            f"The baseline's sample has fewer than {LEAST_REFERENCE} records of {incident.slice}: "
            "the reference is all of it, so a difference may be the slice's own."
        )
    if len(now) >= MOST_ROWS:
        notes.append(f"Of the sampled records, {MOST_ROWS:,} drawn at random are shown.")
    if left_out:
        notes.append(f"Not measured on both sides, and left out: {', '.join(left_out)}.")
    return tuple(notes)


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
