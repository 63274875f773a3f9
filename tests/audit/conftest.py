"""Databases to audit, filled once."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import small_fleet as sf
from audit_copies import CHECKS, FAULTY, LONGER, TOTAL, fill

from monitor.services import Services
from vigil.clock import ManualClock


@pytest.fixture(scope="session")
def stored(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two databases to copy: a healthy one, and one whose last windows are faulty."""
    folder = tmp_path_factory.mktemp("audit")
    found = {"healthy": folder / "healthy.db", "faulty": folder / "faulty.db"}
    fill(found["healthy"], TOTAL)
    fill(found["faulty"], LONGER, FAULTY)
    return found


@pytest.fixture
def opened(stored: dict[str, Path], tmp_path: Path) -> Iterator[Callable[..., Services]]:
    """A service on a copy of one of them."""
    made: list[Services] = []

    def open_(which: str = "healthy", **changes: Any) -> Services:
        copy = tmp_path / f"{which}.db"
        shutil.copyfile(stored[which], copy)
        changes = {"checks": CHECKS, **changes}
        made.append(sf.opened(f"sqlite:///{copy}", ManualClock(sf.NOON), **changes))
        return made[-1]

    yield open_
    for services in made:
        services.close()
