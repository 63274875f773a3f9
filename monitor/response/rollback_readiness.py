"""What a rollback's target says before it is used: what serves, and whether it could go back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from alerts.actions.plan import RollbackPlan
from alerts.actions.targets.protocol import RollbackTarget, TargetReport, TargetState

ASKED_AGAIN_S = 30.0
"""A rollback that waits has its rehearsal asked for so often."""

_REHEARSAL = "rehearsal"
_CANNOT = (TargetState.FAILED.value, TargetState.CONFLICT.value)


@dataclass(frozen=True, kw_only=True, slots=True)
class Readiness:
    """``serving``: None where the target can't tell. ``said``: of the rehearsal, as it is kept in
    the action's ``decision``; empty where it was not asked."""

    serving: str | None = None
    said: Mapping[str, Any]

    @property
    def undeployable(self) -> str | None:
        """Why the plan can't be carried out."""
        return str(self.said["text"]) if self.said.get("state") in _CANNOT else None

    @property
    def away(self) -> str | None:
        """Why nothing is known."""
        unclear = self.said.get("state") == TargetState.UNCLEAR.value
        return str(self.said["text"]) if unclear else None

    def kept(self, decision: Mapping[str, Any]) -> dict[str, Any]:
        """The decision with what was said."""
        return {**decision, _REHEARSAL: dict(self.said)} if self.said else dict(decision)


UNKNOWN = Readiness(said={})


def from_decision(decision: Mapping[str, Any], serving: str | None = None) -> Readiness:
    """What was said before."""
    return Readiness(serving=serving, said=decision.get(_REHEARSAL, {}))


def is_due(decision: Mapping[str, Any], now: datetime) -> bool:
    """Whether the rehearsal was never asked for, or long ago."""
    at = decision.get(_REHEARSAL, {}).get("at")
    return at is None or now >= datetime.fromisoformat(at) + timedelta(seconds=ASKED_AGAIN_S)


def rehearsed(
    target: RollbackTarget, plan: RollbackPlan, *, serving: str | None, at: datetime
) -> Readiness:
    """Ask the target for a dry run; changes nothing there."""
    report: TargetReport = target.dry_run(plan)
    said = {"state": report.state.value, "text": report.text, "at": at.isoformat()}
    return Readiness(serving=serving, said=said)
