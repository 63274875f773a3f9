"""Asks each model's registry what should serve, and notes where that, the announcements and the
windows differ. What has lasted becomes an incident through ``monitor.watch``."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts.actions.targets.protocol import RollbackTarget
from monitor.response.fence import Fence, unfenced
from monitor.services import Services
from monitor.serving.intent import MEANT, announced, registered, seen
from monitor.serving.mismatch import Mismatch, lasting, mismatches, remembered
from monitor.store import audit
from monitor.store.database import insert
from monitor.store.tables import RegistryReadingRow, ReleaseRow

log = logging.getLogger("vigil.serving")

EVERY_S = 30.0
AT_ONCE = 8
NO_ANSWER = "it does not say what serves"

Family = tuple[str, str]


class ServingLook:
    """Run ``run_due`` by the clock, in the process that leads. ``targets`` by model, deployment."""

    def __init__(self, services: Services, targets: Mapping[Family, RollbackTarget]) -> None:
        self._services = services
        self._targets = targets

    def run_due(self, fence: Fence = unfenced) -> int:
        """One look at every model; returns how many were looked at.

        Args:
            fence: refuses to commit where another process took over.
        """
        with self._services.sessions() as session:
            families = {
                (model, deployment)
                for model, deployment in session.execute(
                    select(ReleaseRow.model, ReleaseRow.deployment)
                    .where(ReleaseRow.origin.in_(MEANT))
                    .distinct()
                )
            }
        families |= self._targets.keys()
        ordered = sorted(families)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            answers = list(pool.map(self._ask, ordered))
        for family, (version, problem) in zip(ordered, answers, strict=True):
            self._note(family, version, problem, fence)
        return len(ordered)

    def _note(self, family: Family, version: str | None, problem: str, fence: Fence) -> None:
        settings = self._services.settings
        with self._services.sessions.begin() as session:
            fence(session)
            now = self._services.clock.now()
            row = _row(session, family, now)
            if version is None and not problem and row.version and family in self._targets:
                problem = NO_ANSWER  # one that is away says nothing, and has changed nothing
            row.read_at, row.problem = now, problem
            if not problem and version != row.version:
                if row.version is not None:
                    _note_change(session, family, row.version, version, now)
                row.version, row.changed_at = version, now
            session.flush()
            reality = seen(session, *family, now, window_s=settings.service.window_s)
            fresh = mismatches(
                announced(session, *family, now),
                registered(session, *family),
                reality,
                share_tolerance=settings.serving.share_tolerance,
                at=now,
            )
            known = [Mismatch.from_json(one) for one in row.mismatches]
            row.mismatches = [one.to_json() for one in remembered(list(fresh), known, reality)]

    def _ask(self, family: Family) -> tuple[str | None, str]:
        """The version that the target says serves, and why it could not be asked."""
        target = self._targets.get(family)
        if target is None:
            return None, ""
        try:
            return target.serving(*family), ""
        except Exception as error:  # one registry must not hide the others
            log.warning("the registry of %s in %s can't be read", *family, exc_info=error)
            return None, f"it can't be read ({type(error).__name__})"


def _row(session: Session, family: Family, now: datetime) -> RegistryReadingRow:
    session.execute(
        insert(session, RegistryReadingRow)
        .values(
            model=family[0],
            deployment=family[1],
            version=None,
            read_at=now,
            changed_at=now,
            problem="",
            mismatches=[],
        )
        .on_conflict_do_nothing()
    )
    return session.get_one(RegistryReadingRow, family, with_for_update=True)


def _note_change(
    session: Session, family: Family, before: str, after: str | None, now: datetime
) -> None:
    audit.record(
        session,
        what="registry changed",
        subject=f"{family[0]}/{family[1]}",
        actor="vigil",
        at=now,
        before=before,
        after=after or "",
    )


def lasting_of(
    session: Session, *, patience_s: float, at: datetime
) -> dict[Family, list[Mismatch]]:
    """The differences of each model that have lasted too long."""
    found = {}
    for row in session.scalars(select(RegistryReadingRow)):
        known = [Mismatch.from_json(one) for one in row.mismatches]
        old = lasting(known, patience_s=patience_s, at=at)
        if old:
            found[row.model, row.deployment] = old
    return found
