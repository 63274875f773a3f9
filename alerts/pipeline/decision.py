"""What a stage answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class Outcome(StrEnum):
    """``pass``: this stage has nothing against it. ``stop``: nobody is told, for now. ``change``:
    who is told, or which incident it is, was decided here."""

    PASS = "pass"
    STOP = "stop"
    CHANGE = "change"


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """``until``: when a stop ends by itself, where that is known."""

    stage: str
    outcome: Outcome
    reason: str
    until: datetime | None = None

    def __str__(self) -> str:
        if self.outcome is Outcome.STOP:
            return f"Not told: {self.reason}."
        return f"{self.reason[:1].upper()}{self.reason[1:]}."

    def to_json(self) -> dict[str, Any]:
        return {
            "stage": self.stage,
            "outcome": self.outcome.value,
            "reason": self.reason,
            "until": self.until.isoformat() if self.until else None,
        }

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Decision | None:
        """None where it was not written by a stage of this pipeline."""
        try:
            until = plain.get("until")
            return cls(
                stage=str(plain["stage"]),
                outcome=Outcome(plain["outcome"]),
                reason=str(plain["reason"]),
                until=datetime.fromisoformat(until) if until else None,
            )
        except (KeyError, TypeError, ValueError):
            return None
