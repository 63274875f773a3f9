"""Sessions, transactions and what may go wrong underneath."""

from __future__ import annotations

from datetime import UTC, datetime
from threading import Thread

import pytest
import stored
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError, OperationalError, StatementError

from monitor.services import Services
from monitor.store.database import is_away, to_json
from monitor.store.tables import AuditRow, LedgerIdRow, SwitchRow


def audit(n: int) -> AuditRow:
    return AuditRow(at=stored.NOON, actor="t", what="test", subject=str(n), data={"n": n})


def test_writers_take_turns(services: Services) -> None:
    """Threads that write at the same time all get through, none is lost."""

    def write(first: int) -> None:
        for n in range(first, first + 10):
            with services.sessions.begin() as session:
                session.scalar(select(func.count()).select_from(AuditRow))
                session.add(audit(n))

    threads = [Thread(target=write, args=(10 * i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with services.sessions() as session:
        subjects = session.scalars(select(AuditRow.subject)).all()
    assert sorted(subjects, key=int) == [str(n) for n in range(40)]


def test_error_rolls_everything_back(services: Services) -> None:
    """A transaction is written whole or not at all."""

    def fail() -> None:
        with services.sessions.begin() as session:
            session.add(audit(1))
            session.flush()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    with services.sessions() as session:
        assert session.scalars(select(AuditRow)).all() == []


def test_foreign_keys_hold(services: Services) -> None:
    """A row that points nowhere is refused, on SQLite too."""
    with pytest.raises(IntegrityError), services.sessions.begin() as session:
        session.add(LedgerIdRow(record_id="a", window_id=99, position=0))


def test_times_come_back_in_utc(services: Services) -> None:
    """Whatever zone went in; a time without a zone is refused."""
    at = datetime.fromisoformat("2026-11-20T14:00:00.123456+02:00")
    with services.sessions.begin() as session:
        session.add(SwitchRow(name="a", value="x", actor="t", at=at))
    with services.sessions() as session:
        found = session.get_one(SwitchRow, "a").at
    assert (found, found.tzinfo) == (at, UTC)
    bare = SwitchRow(name="b", value="x", actor="t", at=at.replace(tzinfo=None))
    with services.sessions() as session:
        session.add(bare)
        with pytest.raises(StatementError, match="expected a time with a time zone"):
            session.flush()


def test_json_takes_numbers_that_are_none(services: Services) -> None:
    """NaN and infinity are no JSON: PostgreSQL would refuse the row."""
    with services.sessions.begin() as session:
        row = audit(1)
        row.data = {"a": [float("nan"), 1.5], "b": {"c": float("-inf")}}
        session.add(row)
    with services.sessions() as session:
        found = session.scalars(select(AuditRow.data)).one()
    assert found["a"] == [None, 1.5]
    assert found["b"]["c"] < -1e308


def test_json_still_refuses_what_is_none() -> None:
    """Cleaning numbers hides no mistake of another kind."""
    with pytest.raises(TypeError):
        to_json({"a": object()})


def test_away_is_told_from_our_mistakes() -> None:
    """A lost connection means come again; a broken constraint does not."""
    assert is_away(OperationalError("x", {}, Exception()))
    assert not is_away(IntegrityError("x", {}, Exception()))
    assert not is_away(ValueError())
