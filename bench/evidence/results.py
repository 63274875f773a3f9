"""Where results and checkpoints live: one JSON document, merged part by part."""

from __future__ import annotations

import json
import os
import pickle
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "bench" / "results"
SCRATCH = ROOT / "var" / "bench-evidence"
"""Checkpoints and tables of laws: may be thrown away, costs time."""


def document(path: Path) -> dict[str, Any]:
    """What has been measured so far."""
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return found


def merge(path: Path, part: str, value: dict[str, Any]) -> None:
    """Put one part's results into the document; other parts stay."""
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = document(path)
    entry = dict(value)
    entry["machine"] = f"{platform.machine()}, {os.cpu_count()} cores, Python "
    entry["machine"] += f"{platform.python_version()}, NumPy {np.__version__}"
    entry["at"] = datetime.now(UTC).isoformat(timespec="seconds")
    whole[part] = entry
    beside = path.with_suffix(f".{os.getpid()}")
    beside.write_text(json.dumps(whole, indent=1, default=_plain) + "\n")
    beside.replace(path)


def _plain(value: object) -> object:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise TypeError(f"not for JSON: {type(value)}")


def save_state(path: Path, state: dict[str, Any]) -> None:
    """A checkpoint that is either whole or absent."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".part")
    beside.write_bytes(pickle.dumps(state))
    beside.replace(path)


def load_state(path: Path) -> dict[str, Any] | None:
    """The checkpoint, which only ``save_state`` of this machine may have written."""
    if not path.exists():
        return None
    state: dict[str, Any] = pickle.loads(path.read_bytes())
    return state
