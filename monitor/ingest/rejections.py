"""What was refused, counted by reason and hour, with one example each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from monitor.store.database import insert
from monitor.store.tables import RejectionRow


@dataclass(frozen=True, kw_only=True, slots=True)
class Rejected:
    """One refused window or label; ``source`` is empty where it can't be known."""

    what: str
    source: str
    reason: str
    example: str


def count_rejections(session: Session, refused: Iterable[Rejected], *, at: datetime) -> None:
    """Add to the counts of this hour."""
    items = list(refused)
    counts = Counter((one.what, one.source, one.reason) for one in items)
    examples = {(one.what, one.source, one.reason): one.example for one in items}
    hour = at.replace(minute=0, second=0, microsecond=0)
    for (what, source, reason), count in sorted(counts.items()):
        example = examples[what, source, reason][:500].replace("\x00", "?")
        session.execute(
            insert(session, RejectionRow)
            .values(
                hour=hour, what=what, source=source, reason=reason, count=count, example=example
            )
            .on_conflict_do_update(
                index_elements=["hour", "source", "what", "reason"],
                set_={"count": RejectionRow.count + count, "example": example},
            )
        )
