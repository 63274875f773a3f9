"""What most commands need: where the configuration is, the services on it, and who is asking."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from vigil.types import Task

if TYPE_CHECKING:
    from monitor.response.announce import Announcer
    from monitor.services import Services
    from monitor.settings.schema import Settings
    from runbooks.library import Library

DEFAULT_CONFIG = Path("vigil.toml")

ConfigOption = Annotated[
    Path,
    typer.Option("--config", "-c", envvar="VIGIL_CONFIG", help="The configuration file."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
ModelOption = Annotated[str | None, typer.Option("--model", help="Only this model.")]
DeploymentOption = Annotated[str, typer.Option("--deployment", help="Where the model runs.")]
OutputsOption = Annotated[
    Literal["probabilities", "logits"],
    typer.Option("--outputs-are", help="What the model's outputs are: probabilities or logits."),
]
TaskOption = Annotated[Task, typer.Option("--task", help="What the model does.")]
PluginsOption = Annotated[
    list[str] | None,
    typer.Option("--plugin", help="A module that declares signals of your own."),
]


def settings_at(path: Path) -> Settings:
    """The validated configuration.

    Raises:
        ConfigError: a setting that can't be used; names file, key, expected and found.
    """
    from monitor.settings.load import load_settings

    return load_settings(path)


@contextmanager
def services_at(path: Path) -> Iterator[Services]:
    """The services on the configuration, with the database migrated; closed at the end."""
    from monitor.services import open_services

    services = open_services(settings_at(path))
    try:
        yield services
    finally:
        services.close()


def actor() -> str:
    """Who is at the keyboard, for the audit trail."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = f"uid {os.getuid()}"
    return f"{name} (command line)"


def runbooks_of(settings: Settings) -> Library:
    """The runbooks, checked: every kind of alert has one.

    Raises:
        ConfigError: a page that can't be read, or a kind without a page.
    """
    from alerts.types import AlertKind
    from runbooks.library import load

    library = load(settings.runbooks)
    library.check(kind.value for kind in AlertKind)
    return library


def announcer_of(settings: Settings) -> Announcer:
    """Queues what receivers are told of a change; the running service delivers it."""
    from monitor.response.announce import Announcer

    return Announcer(settings, runbooks_of(settings))
