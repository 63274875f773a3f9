"""What may happen only once a transaction holds, such as counting what it did."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import event
from sqlalchemy.orm import Session, SessionTransaction

_KEY = "vigil_once_committed"


def once_committed(session: Session, work: Callable[[], object]) -> None:
    """Call ``work`` after the session's transaction has committed; never where it rolls back.

    Inside a savepoint: never where the savepoint rolls back either.
    """
    waiting = session.info.get(_KEY)
    if waiting is None:
        waiting = session.info[_KEY] = []
        event.listen(session, "after_commit", _committed)
        event.listen(session, "after_soft_rollback", _rolled_back)
    waiting.append((session.get_nested_transaction(), work))


def _committed(session: Session) -> None:
    nested = session.get_nested_transaction()
    if nested is not None:  # a savepoint was released: its work is its parent's now
        outer = nested.parent if nested.parent is not None and nested.parent.nested else None
        waiting = session.info[_KEY]
        waiting[:] = [(outer if at is nested else at, work) for at, work in waiting]
        return
    waiting, session.info[_KEY] = session.info[_KEY], []
    for _, work in waiting:
        work()


def _rolled_back(session: Session, previous: SessionTransaction) -> None:
    waiting: list[tuple[Any, Callable[[], object]]] = session.info[_KEY]
    if previous.nested:
        waiting[:] = [(at, work) for at, work in waiting if at is not previous]
    else:
        waiting.clear()
