"""Rows of a whole database, kept and put back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Engine, insert, select, text

from monitor.store.database import open_engine
from monitor.store.tables import Base

Rows = Mapping[str, list[dict[str, Any]]]


def rows_of(engine: Engine) -> Rows:
    """Every row of every table."""
    with engine.connect() as connection:
        return {
            table.name: [
                dict(row._mapping)
                for row in connection.execute(select(table).order_by(*table.primary_key))
            ]
            for table in Base.metadata.sorted_tables
        }


def restore(url: str, rows: Rows) -> None:
    """Put rows into an empty database that has its tables."""
    engine = open_engine(url)
    with engine.begin() as connection:
        for table in Base.metadata.sorted_tables:
            if rows[table.name]:
                connection.execute(insert(table), rows[table.name])
    count_on(engine)
    engine.dispose()


def count_on(engine: Engine) -> None:
    """Let ids follow those that are there: PostgreSQL's skip what was rolled back."""
    if engine.dialect.name != "postgresql":
        return
    with engine.begin() as connection:
        for table in Base.metadata.sorted_tables:
            if "id" in table.columns:
                following = f"(SELECT coalesce(max(id), 0) + 1 FROM {table.name})"
                sequence = f"pg_get_serial_sequence('{table.name}', 'id')"
                connection.execute(text(f"SELECT setval({sequence}, {following}, false)"))
