"""Migrations make exactly the tables that the code knows, on both databases."""

from __future__ import annotations

from pathlib import Path
from threading import Thread

import pytest
from sqlalchemy import inspect, text

from monitor.store.database import open_engine, writer
from monitor.store.migrate import SchemaError, check, head, upgrade
from monitor.store.tables import Base
from vigil.errors import ConfigError


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def bare_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/bare.db"
    return str(request.getfixturevalue("bare_postgresql_url"))


def test_migrations_and_tables_agree(bare_url: str) -> None:
    """After the upgrade the comparison finds nothing; before it, everything is missing."""
    engine = open_engine(bare_url)
    assert check(engine)[0] == f"revision: expected {head()}, found none"
    assert upgrade(engine) == head()
    assert check(engine) == []
    assert set(inspect(engine).get_table_names()) == {*Base.metadata.tables, "alembic_version"}
    engine.dispose()


def test_check_finds_what_was_changed_by_hand(bare_url: str) -> None:
    """A dropped column and a table of someone else are both named."""
    engine = open_engine(bare_url)
    upgrade(engine)
    with writer(engine).begin() as connection:
        connection.execute(text("ALTER TABLE audit DROP COLUMN subject"))
        connection.execute(text("CREATE TABLE mine (a INTEGER)"))
    found = "\n".join(check(engine))
    assert "add_column: audit" in found
    assert "remove_table: mine" in found
    engine.dispose()


def test_upgrade_twice_changes_nothing(bare_url: str) -> None:
    """The second run finds its work done."""
    engine = open_engine(bare_url)
    assert upgrade(engine) == upgrade(engine) == head()
    engine.dispose()


def test_processes_upgrade_at_the_same_time(bare_url: str) -> None:
    """Several services start on an empty database: one migrates, the others wait for it."""
    engines = [open_engine(bare_url) for _ in range(4)]
    results: list[object] = []

    def run(position: int) -> None:
        try:
            results.append(upgrade(engines[position]))
        except Exception as error:
            results.append(error)

    threads = [Thread(target=run, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [head()] * 4
    for engine in engines:
        engine.dispose()


def test_database_of_a_newer_vigil_is_refused(bare_url: str) -> None:
    """A revision that we do not know is not touched."""
    engine = open_engine(bare_url)
    upgrade(engine)
    with writer(engine).begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SchemaError, match="newer vigil"):
        upgrade(engine)
    engine.dispose()


@pytest.mark.parametrize(
    ("url", "found"), [("mysql://h/x", "mysql"), ("nonsense", "'nonsense'"), ("", "''")]
)
def test_other_databases_are_refused(url: str, found: str) -> None:
    """The error names the setting and what it may be."""
    with pytest.raises(ConfigError) as error:
        open_engine(url)
    assert (error.value.key, error.value.found) == ("service.database", found)


def test_upgrade_in_memory() -> None:
    """The migrations also run on a database that has no file."""
    engine = open_engine("sqlite://")
    upgrade(engine)
    assert check(engine) == []
    engine.dispose()


def test_images_queued_before_become_label_tasks(bare_url: str) -> None:
    """Those of the third revision are waited for under the fourth; a downgrade takes the table."""
    engine = open_engine(bare_url)
    upgrade(engine, "0003")
    at = "2026-11-21 12:00:00"
    with writer(engine).begin() as connection:
        connection.execute(
            text(
                "INSERT INTO incidents (id, group_key, fingerprint, kind, cause, severity, model, "
                "model_version, deployment, slice, title, state, version, detected_at, "
                "last_firing_at, findings, reasons, labels, runbook, reopened) VALUES (7, 'g', 'f',"
                " 'k', 'domain_shift', 'error', 'reader', 'v1', 'live', 'site=a', 't', 'open', 1, "
                f"'{at}', '{at}', '[]', '[]', '{{}}', 'r', 0)"
            )
        )
        connection.execute(
            text(
                "INSERT INTO actions (id, incident_id, kind, state, plan, plan_hash, decision, "
                "result, created_at, updated_at) VALUES (9, 7, 'relabel', 'done', '{}', 'h', '{}', "
                f"'{{\"location\": \"/q/incident-7-action-9\"}}', '{at}', '{at}')"
            )
        )
        connection.execute(
            text(
                "INSERT INTO relabel_items (id, action_id, record_id, rank, reason, score, data) "
                "VALUES (1, 9, 'r1', 1, 'far', 0.9, '{\"inclusion\": 0.25, \"version\": \"v2\"}')"
            )
        )
    upgrade(engine)
    assert check(engine) == []
    with engine.connect() as connection:
        moved = connection.execute(
            text(
                "SELECT queue, batch, action_id, model, version, deployment, slice, record_id, "
                "inclusion, external_id, state FROM label_tasks"
            )
        ).all()
    assert [tuple(row) for row in moved] == [
        ("files /q", "incident-7-action-9", 9, "reader", "v2", "live", "site=a", "r1", 0.25,
         "incident-7-action-9/0001", "queued")
    ]  # fmt: skip
    engine.dispose()
