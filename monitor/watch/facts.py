"""What vigil knows of itself, read from its database and its disks."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import func, make_url, select
from sqlalchemy.orm import Session

from alerts.delivery import OutboxState
from monitor.checks import coverage
from monitor.labelling.overview import queues as label_queues
from monitor.response import outbox_health as health
from monitor.services import Services
from monitor.serving.look import lasting_of
from monitor.settings.schema import Service, Settings
from monitor.store import overview
from monitor.store.tables import LabelRow, OutboxRow, SignalPointRow
from monitor.watch.trouble import (
    Disk,
    Facts,
    Family,
    JobFacts,
    LabelQueueFacts,
    ModelFacts,
    ReceiverFacts,
)

_WAITING, _DEAD = OutboxState.WAITING.value, OutboxState.DEAD.value


def look(services: Services, jobs: Mapping[str, JobFacts]) -> Facts:
    """Raises what the database raises where it is away."""
    settings, now = services.settings, services.clock.now()
    began = time.perf_counter()
    with services.sessions() as session:
        last_tick = overview.last_tick_end(session)
        receivers = _receivers(session)
        models = dict(_models(session, settings))
        patience_s = settings.serving.patience_s
        apart = lasting_of(session, patience_s=patience_s, at=now)
        queues = dict(_label_queues(session, settings))
    return Facts(
        at=now,
        up_since=services.started_at,
        window_s=settings.service.window_s,
        lateness_s=settings.service.lateness_s,
        last_tick_at=last_tick,
        looked_s=time.perf_counter() - began,
        receivers=receivers,
        models=models,
        serving=apart,
        label_queues=queues,
        disks=tuple(_disks(settings.service)),
        jobs=jobs,
    )


def _receivers(session: Session) -> dict[str, ReceiverFacts]:
    counts: dict[tuple[str, str], tuple[int, datetime]] = {
        (receiver, state): (number, oldest)
        for receiver, state, number, oldest in session.execute(
            select(
                OutboxRow.receiver,
                OutboxRow.state,
                func.count(),
                func.min(OutboxRow.created_at),
            )
            .where(OutboxRow.state.in_((_WAITING, _DEAD)))
            .group_by(OutboxRow.receiver, OutboxRow.state)
        )
    }
    fares = health.all_of(session)
    found = {}
    for name in {*fares, *(receiver for receiver, _ in counts)}:
        row = fares.get(name)
        waiting, oldest = counts.get((name, _WAITING), (0, None))
        standing = health.health_of(row)
        found[name] = ReceiverFacts(
            waiting=waiting,
            dead=counts.get((name, _DEAD), (0, None))[0],
            oldest=oldest,
            down_since=standing.down_since if standing.is_down else None,
            last_error=row.last_error if row else "",
        )
    return found


def _models(session: Session, settings: Settings) -> Iterator[tuple[Family, ModelFacts]]:
    grouped: dict[Family, list[Any]] = {}
    for row in overview.live_sources(session):
        grouped.setdefault((row.model, row.deployment), []).append(row)
    for family, rows in grouped.items():
        watched = settings.model(*family)
        every = watched.labels_every_s if watched else None
        streams = coverage.read(session, *family)
        yield (
            family,
            ModelFacts(
                first_seen_at=min(row.first_seen_at for row in rows),
                last_window_at=max(row.last_window_at for row in rows),
                judged_at=_latest(session, SignalPointRow, SignalPointRow.at, family),
                labels_every_s=every,
                last_label_at=_latest(session, LabelRow, LabelRow.arrived_at, family)
                if every
                else None,
                streams=len(streams),
                abstaining=sum(one.smallest is None for one in streams),
                needed=max((one.needed for one in streams), default=0),
            ),
        )


def _label_queues(session: Session, settings: Settings) -> Iterator[tuple[Family, LabelQueueFacts]]:
    for one in label_queues(session, settings):
        if one.failures and one.waiting and one.oldest_at is not None:
            yield (
                (one.model, one.deployment),
                LabelQueueFacts(
                    since=max(one.asked_at or one.oldest_at, one.oldest_at),
                    waiting=one.waiting,
                    problem=one.problem,
                ),
            )


def _latest(session: Session, table: Any, column: Any, family: Family) -> datetime | None:
    query = select(column).where(table.model == family[0], table.deployment == family[1])
    found: datetime | None = session.scalar(query.order_by(column.desc()).limit(1))
    return found


def _disks(service: Service) -> Iterator[Disk]:
    """The disks of the samples and of an SQLite database, each once; those of servers are theirs
    to watch."""
    places = []
    url = make_url(service.database)
    if url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:"):
        places.append(Path(str(url.database)).parent)
    if "://" not in service.samples:
        places.append(Path(service.samples))
    seen = set()
    for place in places:
        there = next((p for p in (place, *place.absolute().parents) if p.exists()), None)
        if there is None or there.stat().st_dev in seen:
            continue
        seen.add(there.stat().st_dev)
        usage = shutil.disk_usage(there)
        yield Disk(place=str(place), free_bytes=usage.free, total_bytes=usage.total)
