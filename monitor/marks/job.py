"""Draws what waits, one mark at a time, each claimed before it is sent.

A process that is killed between the sending and its record leaves a claim that runs out; whoever
goes on looks for the mark by its tag before it draws it again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import select

from alerts.notifiers.http import NotDelivered
from alerts.types import Delivery
from monitor.marks.collect import DEAD, SENT, WAITING, Mark, collect
from monitor.marks.grafana import GrafanaAnnotations, MarkRefused
from monitor.response.fence import Fence, unfenced
from monitor.services import Services
from monitor.settings.schema import Settings
from monitor.settings.secrets import read_secret
from monitor.store import installation
from monitor.store.tables import MarkRow
from vigil.errors import ConfigError

log = logging.getLogger("vigil.marks")

EVERY_S = 10.0
AT_ONCE = 20
CLAIM_S = 60.0
FIRST_WAIT_S, LONGEST_WAIT_S = 5.0, 3600.0


def annotations_of(settings: Settings) -> GrafanaAnnotations | None:
    """Where marks are drawn; None where the settings want none.

    Raises:
        ConfigError: annotations are wanted, and there is no token.
    """
    grafana = settings.grafana
    if not grafana.annotations:
        return None
    if grafana.token is None:
        raise ConfigError(
            "vigil.toml", "grafana.token", expected="a token, for annotations", found="none"
        )
    return GrafanaAnnotations(grafana.url, read_secret(grafana.token, key="grafana.token").reveal())


class Marks:
    """Run ``run_due`` by the clock, in the process that leads."""

    def __init__(self, services: Services, drawing: GrafanaAnnotations | None) -> None:
        self._services = services
        self._drawing = drawing

    def run_due(self, fence: Fence = unfenced) -> int:
        """Note what changed and draw what waits; returns how many were drawn."""
        drawing = self._drawing
        if drawing is None:
            return 0
        with self._services.sessions.begin() as session:
            fence(session)
            collect(
                session,
                installation=installation.of(session),
                base_url=self._services.settings.service.url,
                at=self._services.clock.now(),
            )
        drawn = 0
        for number in self._due():
            claimed = self._claim(number)
            if claimed is not None and self._draw(drawing, number, *claimed):
                drawn += 1
        return drawn

    def _due(self) -> list[int]:
        with self._services.sessions() as session:
            return list(
                session.scalars(
                    select(MarkRow.id)
                    .where(
                        MarkRow.state == WAITING,
                        MarkRow.next_attempt_at <= self._services.clock.now(),
                    )
                    .order_by(MarkRow.next_attempt_at, MarkRow.id)
                    .limit(AT_ONCE)
                )
            )

    def _claim(self, number: int) -> tuple[Mark, str | None, bool] | None:
        """The mark, its number there, and whether it may be there without our knowing it."""
        now = self._services.clock.now()
        with self._services.sessions.begin() as session:
            row = session.get_one(MarkRow, number, with_for_update=True)
            if row.state != WAITING or row.next_attempt_at > now:
                return None
            tried = row.attempts > 0 and row.remote_id is None
            row.attempts += 1
            row.next_attempt_at = now + timedelta(seconds=CLAIM_S)
            return _mark(row), row.remote_id, tried

    def _draw(
        self, drawing: GrafanaAnnotations, number: int, mark: Mark, known: str | None, tried: bool
    ) -> bool:
        try:
            if known is None and tried:
                known = drawing.find(mark.tags[-1])
            if known is None:
                known = drawing.make(mark)
            elif not drawing.change(known, mark):
                self._record(number, lambda row, now: _dead(row, "someone deleted it there"))
                return False
        except MarkRefused as refused:
            why = str(refused)
            log.warning("%s is never drawn: %s", mark.key, why)
            self._record(number, lambda row, now: _dead(row, why))
            return False
        except NotDelivered as stopped:
            delivery = stopped.delivery
            log.warning("%s is not drawn: %s", mark.key, delivery.error)
            self._record(number, lambda row, now: _failed(row, delivery, now))
            return False
        self._record(number, lambda row, now: _sent(row, mark, known))
        return True

    def _record(self, number: int, write: Callable[[MarkRow, datetime], None]) -> None:
        with self._services.sessions.begin() as session:
            row = session.get_one(MarkRow, number, with_for_update=True)
            write(row, self._services.clock.now())


def _mark(row: MarkRow) -> Mark:
    return Mark(key=row.key, at=row.at, until=row.until, text=row.text, tags=tuple(row.tags))


def _sent(row: MarkRow, mark: Mark, known: str | None) -> None:
    row.remote_id, row.problem = known, ""
    if _mark(row) == mark:  # else it changed meanwhile, and waits again
        row.state = SENT


def _dead(row: MarkRow, why: str) -> None:
    row.state, row.problem = DEAD, why


def _failed(row: MarkRow, delivery: Delivery, now: datetime) -> None:
    row.problem = delivery.error
    wait_s = min(FIRST_WAIT_S * 2.0 ** min(row.attempts - 1, 20), LONGEST_WAIT_S)
    row.next_attempt_at = now + timedelta(seconds=max(wait_s, delivery.retry_after_s or 0.0))
