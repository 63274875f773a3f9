"""Is someone at work there?"""

from __future__ import annotations

from alerts.pipeline.case import Case
from alerts.pipeline.decision import Decision
from alerts.pipeline.muted import quiet
from alerts.silences.silence import SilenceKind

NAME = "maintenance"


class Maintenance:
    """An incident is not told during a maintenance window that matches its labels."""

    def judge(self, case: Case) -> tuple[Decision, Case]:
        kind = SilenceKind.MAINTENANCE
        return quiet(case, stage=NAME, kind=kind, what="in maintenance window")
