"""A service with a file of controls, and what moves its plans on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import small_fleet as fleet
from sqlalchemy import select

from monitor.controls import manage
from monitor.controls.targets import ControlTarget, FileTarget
from monitor.controls.worker import ControlWorker
from monitor.services import Services
from monitor.settings.controls import Controls
from monitor.store.tables import AuditRow, ControlRow, TimelineRow
from vigil.clock import ManualClock

MODEL, DEPLOYMENT = fleet.MODEL, fleet.DEPLOYMENT


class Room:
    """``target``: where plans are carried out; by default the file."""

    def __init__(self, database: str, folder: Path, **rules: Any) -> None:
        self.clock = ManualClock(fleet.NOON)
        self.file = folder / "controls.json"
        settings = Controls(target="file", file=self.file, **{"cooldown_s": 0.0, **rules})
        self.services: Services = fleet.opened(database, self.clock, watched={"controls": settings})
        self.target: ControlTarget = FileTarget(self.file)

    def worker(self) -> ControlWorker:
        return ControlWorker(self.services, {(MODEL, DEPLOYMENT): self.target})

    def ask(self, what: str, name: str, value: str, **values: Any) -> ControlRow:
        with self.services.sessions.begin() as session:
            return manage.propose(
                session,
                model=MODEL,
                deployment=DEPLOYMENT,
                what=what,
                name=name,
                value=value,
                actor="ada",
                at=self.clock.now(),
                target=self.target,
                **values,
            )

    def approve(self, row: ControlRow, actor: str = "bob") -> None:
        with self.services.sessions.begin() as session:
            at = self.clock.now()
            manage.approve(session, row.id, plan_hash=row.plan_hash, actor=actor, at=at)

    def undo(self, row: ControlRow) -> ControlRow:
        with self.services.sessions.begin() as session:
            return manage.undo(
                session, row.id, actor="ada", at=self.clock.now(), target=self.target
            )

    def run(self, times: int = 3) -> None:
        for _ in range(times):
            self.worker().run_due()

    def row(self, row: ControlRow) -> ControlRow:
        with self.services.sessions() as session:
            return session.get_one(ControlRow, row.id)

    def done(self, what: str, name: str, value: str) -> ControlRow:
        """Asked for, approved and carried out."""
        row = self.ask(what, name, value)
        self.approve(row)
        self.run()
        assert self.row(row).state == "done", self.row(row).result
        return row

    def audit(self) -> list[str]:
        with self.services.sessions() as session:
            rows = session.scalars(select(AuditRow).order_by(AuditRow.id))
            return [row.what for row in rows if row.what.startswith("control")]

    def timeline(self) -> list[str]:
        with self.services.sessions() as session:
            rows = session.scalars(select(TimelineRow).order_by(TimelineRow.id))
            return [row.text for row in rows if row.kind == "control"]

    def values(self) -> Any:
        plain = json.loads(self.file.read_text())
        return plain["controls"].get(MODEL, {}).get(DEPLOYMENT, {})
