"""Brings a database to the tables that this vigil knows, and says where it differs."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, text

from monitor.store.database import writer
from monitor.store.tables import Base
from vigil.errors import VigilError

_LOCK = 0x76696769  # "vigi": the advisory lock of upgrades


class SchemaError(VigilError):
    """A database of another vigil than this one."""


def upgrade(engine: Engine, to: str = "head") -> str:
    """Run the migrations that are missing, up to a revision; returns the one that it is at.

    Several processes may do so at once.

    Raises:
        SchemaError: the database was written by a newer vigil.
    """
    with writer(engine).begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        try:
            command.upgrade(_config(connection), to)
        except CommandError as error:
            raise SchemaError(
                f"database: {error}; it was written by a newer vigil than this one"
            ) from None
        return revision(connection) or ""


def revision(connection: Connection) -> str | None:
    """The migration that the database is at; None where it has none."""
    return MigrationContext.configure(connection).get_current_revision()


def head() -> str:
    """The newest migration that this vigil has."""
    return ScriptDirectory.from_config(_config(None)).get_current_head() or ""


def check(engine: Engine) -> list[str]:
    """Where database and tables differ, one line each; empty where they agree."""
    with engine.connect() as connection:
        found = revision(connection)
        problems = []
        if found != head():
            problems.append(f"revision: expected {head()}, found {found or 'none'}")
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        for difference in compare_metadata(context, Base.metadata):
            problems.append(_describe(difference))
        return problems


def _describe(difference: Any) -> str:
    if isinstance(difference, list):
        return "; ".join(_describe(one) for one in difference)
    what, *rest = difference
    return f"{what}: {', '.join(str(part) for part in rest if part is not None)}"


def _config(connection: Connection | None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(files("migrations")).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
