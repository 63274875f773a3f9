"""What the guard of a rollback looks at."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from alerts.actions.interlock import Interlock
from alerts.actions.plan import RollbackPlan
from vigil.types import Cause


@dataclass(frozen=True, kw_only=True, slots=True)
class Approval:
    """A person said yes to the plan with this hash."""

    plan_hash: str
    by: str
    at: datetime


class ApprovalFacts(Protocol):
    """What an approval is held to; ``approval_expires_s``: how long it holds."""

    @property
    def now(self) -> datetime: ...

    @property
    def approval(self) -> Approval | None: ...

    @property
    def approval_expires_s(self) -> float: ...

    @property
    def frozen_by(self) -> str | None: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class GuardFacts:
    """All that the guard looks at.

    Args:
        cause: as classified. ``began_with_release``: the onset lies at or after the start of the
            release.
        plan: none where there is no version to go back to.
        known_good: the target version served well before (or was marked so).
        serving: the version that serves now; none where the target can't tell.
        target_configured: ``rollback.target`` is not ``none``.
        automatic, dry_run, cooldown_s, max_per_day, approval_expires_s: from the settings.
        stopped_by: who set the fleet-wide stop; none where actions run.
        last_rollback_at: of this model and deployment. ``rollbacks_today``: in the last 24 h.
        busy_with: an action on this model that has not finished.
        interlock: none where it was not tried.
        provisional: the verdict has little history behind it.
        frozen_by: the release freeze that the model is under, in words; none where there is none.
        undeployable: why the target can't put the version in service, as it says itself; none where
            it can or was not asked. ``target_away``: why it can't be asked just now.
        schemas: of the input and output that both versions, serving first, were built for; empty
            where nobody said.
        loop: the earlier rollback that took the target version out of service, in words.
        data_missing: what of this traffic does not arrive, in words.
    """

    now: datetime
    cause: Cause
    plan: RollbackPlan | None
    known_good: bool
    serving: str | None = None
    began_with_release: bool = True
    incident_is_open: bool = True
    target_configured: bool = True
    automatic: bool = True
    dry_run: bool = False
    stopped_by: str | None = None
    cooldown_s: float = 3600.0
    last_rollback_at: datetime | None = None
    max_per_day: int = 3
    rollbacks_today: int = 0
    busy_with: str | None = None
    interlock: Interlock | None = None
    provisional: bool = False
    frozen_by: str | None = None
    undeployable: str | None = None
    target_away: str | None = None
    schemas: tuple[str, str] = ("", "")
    loop: str | None = None
    data_missing: str | None = None
    approval: Approval | None = None
    approval_expires_s: float = 3600.0
