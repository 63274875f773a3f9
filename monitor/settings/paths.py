"""Relative paths in a configuration mean: beside the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from monitor.settings.labelling import FilesQueue, Relabel
from monitor.settings.retraining import Retraining
from monitor.settings.schema import Service, Settings

M = TypeVar("M", bound=BaseModel)

_SQLITE = "sqlite:///"


def resolve_paths(settings: Settings, folder: Path) -> Settings:
    """The same settings with every relative path made absolute under ``folder``."""
    return _resolve(settings, folder)


def _resolve(section: M, folder: Path) -> M:
    changes: dict[str, Any] = {}
    for name in type(section).model_fields:
        value = getattr(section, name)
        following = _value(section, name, value, folder)
        if following is not value:
            changes[name] = following
    return section.model_copy(update=changes) if changes else section


def _value(section: BaseModel, name: str, value: Any, folder: Path) -> Any:
    if isinstance(value, BaseModel):
        return _resolve(value, folder)
    if isinstance(value, Path):
        return folder / value
    if isinstance(value, tuple) and any(isinstance(item, BaseModel) for item in value):
        return tuple(_resolve(item, folder) for item in value)
    if isinstance(value, dict) and any(isinstance(v, BaseModel) for v in value.values()):
        return {key: _resolve(item, folder) for key, item in value.items()}
    if isinstance(section, Service) and name == "database":
        return _database(value, folder)
    is_folder = (isinstance(section, Service) and name == "samples") or (
        (isinstance(section, Relabel) and name == "folder")
        or (isinstance(section, FilesQueue) and name == "url")
        or (isinstance(section, Retraining) and name == "datasets")
    )
    if is_folder and value is not None and "://" not in value:
        return str(folder / value)
    return value


def _database(url: str, folder: Path) -> str:
    """``sqlite:///var/vigil.db`` is relative, ``sqlite:////var/vigil.db`` is not."""
    if not url.startswith(_SQLITE):
        return url
    name = url[len(_SQLITE) :]
    if name in ("", ":memory:") or name.startswith("/") or name.startswith("file:"):
        return url
    return f"{_SQLITE}{folder / name}"
