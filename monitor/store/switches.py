"""Fleet-wide switches that people set."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from monitor.store.audit import record
from monitor.store.tables import SwitchRow

ACTIONS_STOPPED = "actions_stopped"


def set_switch(
    session: Session, name: str, on: bool, *, actor: str, at: datetime, reason: str = ""
) -> None:
    """Turn a switch; who turned it last is kept."""
    row = session.get(SwitchRow, name)
    value = "true" if on else "false"
    if row is None:
        session.add(SwitchRow(name=name, value=value, actor=actor, at=at))
    else:
        row.value, row.actor, row.at = value, actor, at
    record(session, what=f"switch {name}", subject=value, actor=actor, at=at, reason=reason)
    session.flush()


def is_on(session: Session, name: str) -> bool:
    """Whether a switch is on; one that nobody ever turned is off."""
    row = session.get(SwitchRow, name)
    return row is not None and row.value == "true"
