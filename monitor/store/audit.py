"""Every change and its actor."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from monitor.store.tables import AuditRow

_LIMIT = 200


def record(
    session: Session, *, what: str, subject: str, actor: str, at: datetime, **data: Any
) -> None:
    """Note a change, in the transaction that makes it."""
    session.add(
        AuditRow(at=at, actor=actor[:_LIMIT], what=what[:60], subject=subject[:_LIMIT], data=data)
    )
