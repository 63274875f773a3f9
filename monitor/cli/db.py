"""``vigil db``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from monitor.cli.context import DEFAULT_CONFIG, ConfigOption, settings_at
from monitor.cli.failures import FriendlyGroup
from monitor.cli.output import say

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from monitor.settings.schema import Settings

app = typer.Typer(name="db", cls=FriendlyGroup, help="The database's tables.", no_args_is_help=True)


def _engine(settings: Settings) -> Engine:
    from monitor.settings.secrets import read_secret
    from monitor.store.database import open_engine

    ref = settings.service.database_password
    password = None
    if ref is not None:
        password = read_secret(ref, key="service.database_password").reveal()
    return open_engine(settings.service.database, password=password)


@app.command()
def upgrade(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Bring the tables to this version of vigil. `vigil serve` does so by itself."""
    from monitor.store import migrate

    engine = _engine(settings_at(config))
    try:
        say(f"database: at revision {migrate.upgrade(engine)}")
    finally:
        engine.dispose()


@app.command()
def check(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Compare the tables with those that this vigil knows; exits with 1 where they differ."""
    from monitor.store import migrate

    engine = _engine(settings_at(config))
    try:
        problems = migrate.check(engine)
    finally:
        engine.dispose()
    for problem in problems:
        say(f"database: {problem}")
    if problems:
        raise typer.Exit(1)
    say("database: the tables are as they should be")
