"""Work that waits for its transaction to hold."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import pytest
from sqlalchemy import text

from monitor.store.commit import once_committed
from monitor.store.database import Sessions, open_engine


@pytest.fixture
def sessions(database_url: str) -> Iterator[Sessions]:
    engine = open_engine(database_url)
    yield Sessions(engine)
    engine.dispose()


def test_it_is_done_after_the_commit_once(sessions: Sessions) -> None:
    """Not before, and not again by a later transaction of the same session."""
    done: list[str] = []
    with sessions.begin() as session:
        session.execute(text("SELECT 1"))
        once_committed(session, lambda: done.append("a"))
        assert done == []
    assert done == ["a"]
    with sessions() as session:
        once_committed(session, lambda: done.append("b"))
        session.execute(text("SELECT 1"))
        session.commit()
        session.execute(text("SELECT 1"))
        session.commit()
    assert done == ["a", "b"]


def test_it_is_not_done_where_the_transaction_rolls_back(sessions: Sessions) -> None:
    """Whatever was counted before the error."""
    done: list[str] = []
    with suppress(RuntimeError), sessions.begin() as session:
        session.execute(text("SELECT 1"))
        once_committed(session, lambda: done.append("a"))
        raise RuntimeError
    assert done == []


def test_a_savepoint_that_rolls_back_takes_only_its_own(sessions: Sessions) -> None:
    """The rest waits for the whole transaction, also what a released savepoint asked for."""
    done: list[str] = []
    with sessions.begin() as session:
        once_committed(session, lambda: done.append("outer"))
        with session.begin_nested():
            once_committed(session, lambda: done.append("released"))
            with session.begin_nested():
                once_committed(session, lambda: done.append("inner"))
        with suppress(RuntimeError), session.begin_nested():
            once_committed(session, lambda: done.append("undone"))
            with session.begin_nested():
                once_committed(session, lambda: done.append("undone with it"))
            raise RuntimeError
        assert done == []
    assert done == ["outer", "released", "inner"]
