"""One database behind one code path: SQLite in WAL mode, or PostgreSQL.

``Sessions()`` reads; ``Sessions.begin()`` writes and commits at the end of the block. On SQLite
a writer takes the write lock at its start (``BEGIN IMMEDIATE``), so that it waits for its turn
instead of failing in the middle.
"""

from __future__ import annotations

import json
import math
import sqlite3
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Connection,
    Engine,
    Table,
    create_engine,
    event,
    func,
    make_url,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.pool import StaticPool

from monitor.store.commit import once_committed
from vigil.errors import ConfigError

BUSY_TIMEOUT_S = 30.0
_WRITES = "vigil_writes"


def open_engine(url: str, *, password: str | None = None) -> Engine:
    """An engine for ``url``: ``sqlite:///file`` or ``postgresql+psycopg://user@host/name``.

    Raises:
        ConfigError: not a database URL, or a database that vigil does not speak.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ConfigError(
            "settings", "service.database", expected="a database URL", found=_without_password(url)
        ) from None
    if password is not None:
        parsed = parsed.set(password=password)
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        return _sqlite(parsed)
    if backend == "postgresql":
        if parsed.drivername == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        return create_engine(
            parsed,
            pool_pre_ping=True,
            pool_size=10,
            max_overflow=10,
            json_serializer=to_json,
            connect_args={"connect_timeout": 10},
        )
    raise ConfigError(
        "settings", "service.database", expected="sqlite or postgresql", found=backend
    )


def _without_password(text: str) -> str:
    """What stands behind the last @ of a text that should have been a URL, quoted."""
    _, at, rest = text.rpartition("@")
    return repr(f"***@{rest}" if at else text)


def _sqlite(url: URL) -> Engine:
    arguments: dict[str, Any] = {"connect_args": {"timeout": BUSY_TIMEOUT_S}}
    if url.database in (None, "", ":memory:"):
        arguments["poolclass"] = StaticPool
        arguments["connect_args"]["check_same_thread"] = False
    else:
        Path(str(url.database)).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, json_serializer=to_json, **arguments)

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # transactions are begun below, not by the driver
        cursor = connection.cursor()
        _switch_to_wal(cursor)
        cursor.execute("PRAGMA synchronous=FULL")  # an accepted window survives a power cut
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA cache_size=-32000")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get(_WRITES, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _switch_to_wal(cursor: Any) -> None:
    """Of several processes that open a new file at once one switches; SQLite does not make the
    others wait by itself."""
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def to_json(value: Any) -> str:
    """JSON that every database takes: NaN becomes null, an infinity the largest number."""
    try:
        return json.dumps(value, allow_nan=False)
    except ValueError:
        return json.dumps(_finite(value), allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else math.copysign(sys.float_info.max, value)
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value


def writer(engine: Engine) -> Engine:
    """The same engine, whose transactions are going to write."""
    return engine.execution_options(**{_WRITES: True})


class Sessions:
    """Opens sessions: call it to read, ``begin()`` to write."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._read = sessionmaker(engine, expire_on_commit=False)
        self._write = sessionmaker(writer(engine), expire_on_commit=False)

    def __call__(self) -> Session:
        """A session to read with; ``with`` closes it."""
        return self._read()

    def begin(self) -> AbstractContextManager[Session]:
        """A session to write with: commits at the end of ``with``, rolls back on an error."""
        return self._write.begin()

    def when_added(self, table: type[Any], work: Callable[[list[Any]], object]) -> None:
        """Call ``work`` with the new rows of a table, once they have been committed through this
        object; what another process adds it does not see."""

        def look(session: Session, _context: object) -> None:
            added = [one for one in session.new if isinstance(one, table)]
            if added:
                once_committed(session, lambda: work(added))

        event.listen(self._write, "after_flush", look)


def insert(session: Session, table: Any) -> sqlite.Insert | postgresql.Insert:
    """INSERT that knows ``on_conflict_do_*``, in the dialect of the session's database."""
    target: Table = getattr(table, "__table__", table)
    if session.get_bind().dialect.name == "sqlite":
        return sqlite.insert(target)
    return postgresql.insert(target)


def take_turns(session: Session, turn: int) -> None:
    """Wait until no other transaction that writes has the same ``turn``; ends with this one.

    On SQLite writers take turns anyway.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(turn)))


def is_away(error: BaseException) -> bool:
    """Whether an error says that the database can't be reached or is busy, not that we erred."""
    if isinstance(error, (OperationalError, InterfaceError, PoolTimeoutError)):
        return True
    return isinstance(error, DBAPIError) and error.connection_invalidated


def is_unstorable(error: BaseException) -> bool:
    """Whether an error says that a value can't be asked for, such as a number beyond 64 bits."""
    return isinstance(error, DataError) or (
        isinstance(error, OverflowError) and "SQLite" in str(error)
    )
