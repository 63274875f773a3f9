"""The results, kept after each step, and the figures drawn from them."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path
from typing import Any

from bench.actions.judge import Judged, summary
from bench.actions.relabel_loop import BUDGET, Gain
from bench.actions.relabel_loop import summary as relabel_summary

RESULTS = Path(__file__).parents[1] / "results" / "actions.json"
HEADLINES = (
    "harmful_rollbacks",
    "missed_rollbacks",
    "cause_accuracy",
    "action_accuracy",
    "relabel_gain_picked",
    "relabel_gain_random",
)


class Kept:
    """The document at ``path``; what it holds already is not played again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        self.played = [Judged(**_tuples(row)) for row in found.get("played", [])]
        self.gains = [Gain(**row) for row in found.get("relabel_seeds", [])]
        self.document: dict[str, Any] = found

    def has(self, name: str, seed: int) -> bool:
        return any((one.name, one.seed) == (name, seed) for one in self.played)

    def add(self, judged: Judged) -> None:
        self.played.append(judged)
        self._write()

    def gained(self, gain: Gain) -> None:
        self.gains.append(gain)
        self._write()

    def _write(self) -> None:
        figures = summary(self.played)
        loop = relabel_summary(self.gains, BUDGET) if self.gains else {}
        self.document = {
            "machine": f"{platform.machine()}, {os.cpu_count()} cores",
            "python": platform.python_version(),
            **{name: {**figures, **loop}.get(name) for name in HEADLINES},
            "library": figures,
            "relabel": loop,
            "played": [one.to_json() for one in self.played],
            "relabel_seeds": [vars(one) for one in self.gains],
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(json.dumps(self.document, indent=1) + "\n")


def _tuples(row: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(v) if isinstance(v, list) else v for name, v in row.items()}
