"""Once a day, images are picked from the traffic of the day before, without any incident.

The day is UTC's. Each version that served has its share of the budget, by its sampled records. Of
very many sampled parts some are read, drawn at random, which the inclusion probability tells.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

import numpy as np
from sqlalchemy import select

from alerts.actions.queues.protocol import LabelQueue
from alerts.actions.relabel import drawable
from monitor.checks.references import References
from monitor.labelling import ledger, pictures
from monitor.labelling.choosing import choose
from monitor.labelling.state import Family, state_of
from monitor.response.fence import Fence, unfenced
from monitor.services import Services
from monitor.settings.schema import WatchedModel
from monitor.store import installation
from monitor.store.samples import Kind
from monitor.store.tables import LabelQueueRow, WindowRow
from vigil.errors import RulerMismatchError
from vigil.windows.sample import Sample

MOST_PARTS = 300
MOST_RECORDS = 2500
PRIORITY = 0.3


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Traffic:
    """What was sampled of a version: all that may be chosen, and what may be drawn."""

    version: str
    sample: Sample
    may_draw: dict[str, float]


class DailyPicks:
    """For each model with a daily budget."""

    def __init__(self, services: Services, queues: Mapping[Family, LabelQueue]) -> None:
        self._services = services
        self._queues = queues
        self._references = References()

    def run_due(self, fence: Fence = unfenced) -> int:
        """Pick where yesterday was not picked from yet; returns how many images were."""
        day = (self._services.clock.now() - timedelta(days=1)).astimezone(UTC).date().isoformat()
        picked = 0
        for watched in self._services.settings.models:
            family = (watched.name, watched.deployment)
            queue = self._queues.get(family)
            if queue is None or not watched.relabel.daily:
                continue
            with self._services.sessions() as session:
                row = session.get(LabelQueueRow, family)
                done = row is not None and row.picked_on >= day
            if not done:
                picked += self._pick(watched, queue, day, fence)
        return picked

    def _pick(self, watched: WatchedModel, queue: LabelQueue, day: str, fence: Fence) -> int:
        family = (watched.name, watched.deployment)
        made = []
        traffic = self._traffic(watched, day)
        total = sum(len(one.sample) for one in traffic)
        for one in traffic:
            budget = round(watched.relabel.daily * len(one.sample) / total)
            if budget < 1:
                continue
            with self._services.sessions() as session:
                baseline = self._references.of_version(session, watched.name, one.version)
                ours = installation.of(session)
            batch = _batch(ours, day, *family, one.version)
            picks = choose(
                self._services,
                watched,
                one.sample,
                baseline,
                may_draw=one.may_draw,
                budget=budget,
                seed=_seed(batch),
            )
            if picks:
                rows = one.sample.take([each.row for each in picks])
                made.append((batch, picks, pictures.keep(self._services.samples, batch, rows)))
        with self._services.sessions.begin() as session:
            fence(session)
            row = state_of(session, family, queue.name)
            if row.picked_on >= day:
                return 0
            row.picked_on = day
            row.due_at = None
            for batch, picks, looks in made:
                ledger.write(
                    session,
                    picks,
                    queue=queue.name,
                    batch=batch,
                    model=watched.name,
                    deployment=watched.deployment,
                    slice="",
                    action_id=None,
                    at=self._services.clock.now(),
                    looks=looks.kind,
                    rules=watched.relabel,
                    priority=PRIORITY,
                )
        count = sum(len(picks) for _, picks, _ in made)
        if count:
            self._services.metrics.count(
                "vigil_relabel_items_total",
                count,
                model=watched.name,
                deployment=watched.deployment,
            )
        return count

    def _traffic(self, watched: WatchedModel, day: str) -> list[_Traffic]:
        start = datetime.combine(datetime.fromisoformat(day).date(), time(), UTC)
        end = start + timedelta(days=1)
        with self._services.sessions() as session:
            rows = session.execute(
                select(WindowRow.version, WindowRow.sample_part)
                .where(
                    WindowRow.model == watched.name,
                    WindowRow.deployment == watched.deployment,
                    WindowRow.end_at > start,
                    WindowRow.start_at < end,
                    WindowRow.sample_part.is_not(None),
                )
                .distinct()
                .order_by(WindowRow.version, WindowRow.sample_part)
            ).all()
        found = []
        for version in sorted({version for version, _ in rows}):
            parts = [str(part) for one, part in rows if one == version]
            some = _some(parts, _seed(f"{day} {version}"))
            kinds: tuple[Kind, Kind] = ("informative", "uniform")
            informative, uniform = (
                self._services.samples.read(
                    some,
                    kind=kind,
                    model=watched.name,
                    deployment=watched.deployment,
                    version=version,
                    start=start,
                    end=end,
                    limit=MOST_RECORDS,
                )
                for kind in kinds
            )
            try:
                sample = Sample.merge([informative, uniform], 2 * MOST_RECORDS)
            except RulerMismatchError:
                sample = uniform
            if len(sample):
                share = len(some) / len(parts)
                may_draw = {one: p * share for one, p in drawable(uniform).items()}
                found.append(_Traffic(version=version, sample=sample, may_draw=may_draw))
        return found


def _some(parts: Sequence[str], seed: int) -> list[str]:
    if len(parts) <= MOST_PARTS:
        return list(parts)
    rows = np.random.default_rng(seed).choice(len(parts), size=MOST_PARTS, replace=False)
    return [parts[row] for row in sorted(rows)]


def _seed(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")


def _batch(ours: str, day: str, *names: str) -> str:
    """A name for people, with a hash of what it leaves out."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", "-".join(names))[:100]
    digest = hashlib.sha256("\0".join(names).encode()).hexdigest()[:6]
    return f"{ours[:6]}-daily-{day}-{plain}-{digest}"
