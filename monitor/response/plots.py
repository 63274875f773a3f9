"""Posts a plot into the thread of each incident's message in Slack.

A job of its own beside the outbox: whatever becomes of a plot, no page waits for it. How far it
came is kept in the receipt of the delivered message: ``plot`` is *shown*, *none* (nothing to draw)
or *failed*; ``plot_file`` is the file that Slack has, seen or not.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select

from alerts.notifiers.http import NotDelivered
from alerts.notifiers.slack_upload import SlackUpload, is_final
from alerts.plots import Series, png
from alerts.types import MessageEvent
from monitor.response import record
from monitor.response.attempts import wait_s
from monitor.response.plot_series import series_for
from monitor.services import Services
from monitor.store.tables import OutboxRow

log = logging.getLogger("vigil.plots")

FOR_S = 3600.0
"""So long after its message a plot is still worth posting."""

TRIES = 5
AT_ONCE = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class _Claim:
    row_id: int
    channel: str
    ts: str
    file_id: str
    series: Series
    incident_id: int


class Plots:
    """Args:
    services: of the process.
    uploads: by receiver.
    """

    def __init__(self, services: Services, uploads: Mapping[str, SlackUpload]) -> None:
        self._services = services
        self._uploads = uploads

    def run_due(self) -> int:
        """Try what is due; how many were shown."""
        return sum(self._post(row_id) for row_id in self._due()) if self._uploads else 0

    def _due(self) -> list[int]:
        now = self._services.clock.now()
        with self._services.sessions() as session:
            rows = session.execute(
                select(OutboxRow.id, OutboxRow.receipt)
                .where(
                    OutboxRow.receiver.in_(list(self._uploads)),
                    OutboxRow.event == MessageEvent.TRIGGER.value,
                    OutboxRow.state == "delivered",
                    OutboxRow.incident_id.is_not(None),
                    OutboxRow.delivered_at > now - timedelta(seconds=FOR_S),
                )
                .order_by(OutboxRow.id)
            )
            return [number for number, receipt in rows if _is_due(receipt, now)][:AT_ONCE]

    def _post(self, row_id: int) -> bool:
        claim = self._claim(row_id)
        if claim is None:
            return False
        with self._services.sessions() as session:
            receiver = session.get_one(OutboxRow, row_id).receiver
        try:
            self._upload(claim, self._uploads[receiver])
        except NotDelivered as stopped:
            if is_final(stopped):
                self._note(row_id, plot="failed")
            log.warning("a plot for incident %s: %s", claim.incident_id, stopped)
            return False
        self._note(row_id, plot="shown")
        return True

    def _claim(self, row_id: int) -> _Claim | None:
        """Count the try before it is made; none where another has it, or nothing is to be drawn."""
        now = self._services.clock.now()
        with self._services.sessions.begin() as session:
            row = session.scalar(
                select(OutboxRow).where(OutboxRow.id == row_id).with_for_update(skip_locked=True)
            )
            if row is None or row.incident_id is None or not _is_due(row.receipt, now):
                return None
            tries = int(row.receipt.get("plot_tries", 0)) + 1
            incident = record.get(session, row.incident_id)
            window_s = self._services.settings.service.window_s
            series = series_for(session, incident, until=now, window_s=window_s)
            at = now + timedelta(seconds=wait_s(tries))
            row.receipt = {**row.receipt, "plot_tries": tries, "plot_at": at.isoformat()}
            if series is None or tries > TRIES:
                row.receipt = {**row.receipt, "plot": "none" if series is None else "failed"}
                return None
            return _Claim(
                row_id=row_id,
                channel=str(row.receipt.get("channel", "")),
                ts=str(row.receipt.get("ts", "")),
                file_id=str(row.receipt.get("plot_file", "")),
                series=series,
                incident_id=incident.id,
            )

    def _upload(self, claim: _Claim, upload: SlackUpload) -> None:
        where = {"channel": claim.channel, "ts": claim.ts}
        if claim.file_id and upload.is_shown(claim.file_id, **where):
            return
        name = f"incident-{claim.incident_id}.png"
        file_id = upload.hand_over(png(claim.series), filename=name)
        self._note(claim.row_id, plot_file=file_id)
        upload.show(file_id, title=claim.series.title, **where)

    def _note(self, row_id: int, **said: str) -> None:
        with self._services.sessions.begin() as session:
            row = session.get_one(OutboxRow, row_id, with_for_update=True)
            row.receipt = {**row.receipt, **said}


def _is_due(receipt: Mapping[str, Any], now: datetime) -> bool:
    if "plot" in receipt or not receipt.get("ts"):
        return False
    at = receipt.get("plot_at")
    return at is None or now >= datetime.fromisoformat(str(at))
