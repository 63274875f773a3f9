from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "vigil"))

from vigil_service import FakeService


@pytest.fixture
def service() -> Iterator[FakeService]:
    fake = FakeService()
    yield fake
    fake.close()


@pytest.fixture
def rings(tmp_path: Path) -> Path:
    """A folder for rings; the tests' rings are small, so it need not be memory."""
    return tmp_path / "rings"
