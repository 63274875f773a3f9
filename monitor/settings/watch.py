"""Notices that the configuration was edited while the service runs.

Settings never change under a running service: half of it would follow the old ones. An edit is
checked at once and takes effect at the next start; until then the status says so.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from monitor.settings.load import parse_settings
from vigil.errors import ConfigError


class Edit(StrEnum):
    NONE = "as it was loaded"
    GOOD = "edited: restart to use it"
    BAD = "edited, and can't be used"
    GONE = "gone"


@dataclass(frozen=True, kw_only=True, slots=True)
class FileState:
    """How the file compares with what was loaded; ``problems`` as ``vigil config check`` says."""

    edit: Edit
    problems: tuple[str, ...] = ()


class ConfigWatch:
    """Compares a configuration file with what it was when this object was made."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._loaded = _digest(path)

    def state(self) -> FileState:
        """Read the file again and judge it; nothing is applied."""
        found = _digest(self._path)
        if found == self._loaded:
            return FileState(edit=Edit.NONE)
        if found is None:
            return FileState(edit=Edit.GONE)
        try:
            parse_settings(self._path.read_text(encoding="utf-8"), self._path)
        except ConfigError as error:
            return FileState(edit=Edit.BAD, problems=tuple(str(error).splitlines()))
        except (OSError, UnicodeDecodeError):
            return FileState(edit=Edit.BAD, problems=(f"{self._path}: can't be read",))
        return FileState(edit=Edit.GOOD)


def _digest(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None
