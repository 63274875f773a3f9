"""How a model's queue is doing: one row, made when it is first needed."""

from __future__ import annotations

from sqlalchemy.orm import Session

from monitor.store.database import insert
from monitor.store.tables import LabelQueueRow

Family = tuple[str, str]


def state_of(session: Session, family: Family, name: str) -> LabelQueueRow:
    """The row, locked, with the queue's present name."""
    values = {
        "model": family[0],
        "deployment": family[1],
        "name": name,
        "failures": 0,
        "problem": "",
        "picked_on": "",
    }
    session.execute(insert(session, LabelQueueRow).values(values).on_conflict_do_nothing())
    row = session.get_one(LabelQueueRow, family, with_for_update=True)
    row.name = name
    return row
