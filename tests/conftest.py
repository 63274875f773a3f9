"""Databases for the tests: SQLite, and a real PostgreSQL that the tests start themselves."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from monitor.store.database import open_engine
from monitor.store.migrate import upgrade
from monitor.store.tables import Base


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with a slow test come first, so that no worker is left with one at the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


def _programs() -> Path | None:
    """The folder with PostgreSQL's programs, the newest where there are several."""
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    found.sort(key=lambda path: int(path.parent.name) if path.parent.name.isdigit() else 0)
    if found:
        return found[-1]
    initdb = shutil.which("initdb")
    return Path(initdb).resolve().parent if initdb else None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _unprivileged() -> str | None:
    """PostgreSQL refuses to run as root: whom to run it as, None where we are not root."""
    if os.geteuid() != 0:
        return None
    return "postgres" if "postgres:" in Path("/etc/passwd").read_text() else "nobody"


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """The address of a PostgreSQL server, ``postgresql+psycopg://user@127.0.0.1:port``."""
    programs = _programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed: `apt-get install postgresql`")
    user = _unprivileged()
    folder = Path(tempfile.mkdtemp(prefix="vigil-postgresql-"))
    if user is not None:
        shutil.chown(folder, user)
    owner = user or getpass.getuser()
    port = _free_port()
    data = folder / "data"

    def run(program: str, *arguments: str) -> None:
        subprocess.run(
            [str(programs / program), *arguments],
            check=True,
            user=user,
            cwd=folder,
            stdout=subprocess.DEVNULL,
            timeout=60,
        )

    run("initdb", "-D", str(data), "-U", owner, "-A", "trust", "-N", "-E", "UTF8", "--locale=C")
    with (data / "postgresql.conf").open("a") as settings:
        settings.write(
            f"listen_addresses = '127.0.0.1'\nport = {port}\nfsync = off\nfull_page_writes = off\n"
            f"unix_socket_directories = '{folder}'\nmax_connections = 60\n"
        )
    run("pg_ctl", "-D", str(data), "-l", str(folder / "log"), "-w", "start")
    try:
        address = f"postgresql+psycopg://{owner}@127.0.0.1:{port}"
        _create_migrated(address)
        yield address
    finally:
        run("pg_ctl", "-D", str(data), "-m", "immediate", "-w", "stop")
        shutil.rmtree(folder, ignore_errors=True)


def _statement(address: str, statement: str, database: str = "postgres") -> None:
    engine = create_engine(f"{address}/{database}", isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            connection.execute(text(statement))
    finally:
        engine.dispose()


def _create_migrated(address: str) -> None:
    """The database that the tests share, one after the other."""
    _statement(address, "CREATE DATABASE migrated")
    engine = open_engine(f"{address}/migrated")
    upgrade(engine)
    engine.dispose()


@pytest.fixture
def postgresql_url(postgresql_server: str) -> Iterator[str]:
    """A migrated PostgreSQL database, emptied after the test: faster than one for each test."""
    yield f"{postgresql_server}/migrated"
    tables = ", ".join(Base.metadata.tables)
    _statement(postgresql_server, f"TRUNCATE {tables} RESTART IDENTITY CASCADE", "migrated")


@pytest.fixture
def bare_postgresql_url(postgresql_server: str) -> Iterator[str]:
    """A PostgreSQL database without any table."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    _statement(postgresql_server, f"CREATE DATABASE {name} TEMPLATE template0")
    yield f"{postgresql_server}/{name}"
    _statement(postgresql_server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file to copy for each test."""
    path = tmp_path_factory.mktemp("sqlite") / "migrated.db"
    engine = open_engine(f"sqlite:///{path}")
    upgrade(engine)
    with engine.connect() as connection:
        connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
    engine.dispose()
    return path


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """A migrated, empty SQLite database of this test's own."""
    shutil.copyfile(sqlite_template, tmp_path / "vigil.db")
    return f"sqlite:///{tmp_path}/vigil.db"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest) -> str:
    """A migrated, empty database of this test's own, once on SQLite and once on PostgreSQL."""
    return str(request.getfixturevalue(f"{request.param}_url"))
